"""Every sink gets every firing, and a person is shown what it is made of."""

from __future__ import annotations

from dataclasses import replace

from liqstream.alerts.firing import Firing, Firings
from tests.test_alerts.receiver import alert_to


def test_a_sink_that_fails_keeps_no_other_from_a_firing() -> None:
    """It is named to whoever supervises, each time; a sink that is removed gets nothing more."""
    failed: list[str] = []
    first: list[Firing] = []
    last: list[Firing] = []

    def broken(_firing: Firing) -> None:
        raise OSError("no")

    firings = Firings(lambda name, error: failed.append(f"{name}: {error}"))
    firings.add_sink("first", first.append)
    firings.add_sink("broken", broken)
    firings.add_sink("last", last.append)
    firing = alert_to("ops")
    firings.deliver(firing)
    firings.remove_sink("first")
    firings.remove_sink("first")
    firings.deliver(firing)
    assert (first, last) == ([firing], [firing, firing])
    assert failed == ["broken: no"] * 2


def test_a_sentence_names_tests_and_data_that_is_not_live() -> None:
    """Both, where it is both."""
    firing = alert_to("ops")
    assert firing.sentence == firing.text
    assert replace(firing, source="simulated").sentence == f"[SIMULATED] {firing.text}"
    assert replace(firing, source="replay", is_test=True).sentence == f"[TEST] [REPLAY] {firing.text}"
