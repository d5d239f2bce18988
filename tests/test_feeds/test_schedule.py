"""When an exchange is asked again: exactly the pause there is, else full jitter up to half a minute."""

from __future__ import annotations

import random

from liqstream.feeds.refusals import Refusal, RefusalKind
from liqstream.feeds.schedule import Schedule, soon_then
from liqstream.supervision.backoff import FullJitter


def test_a_pause_is_kept_exactly() -> None:
    """Three days as well as a quarter of an hour; it does not make the next wait longer."""
    schedule = Schedule(FullJitter(random=random.Random(1)))
    for pause_s in (259_200.0, 900.0, 0.5):
        assert schedule.next_s(Refusal(RefusalKind.PASSING, "no", pause_s)) == pause_s
    assert schedule.jitter.failures == 0


def test_without_one_it_is_jitter_for_ever() -> None:
    """At most 30 s; after a success short again."""
    schedule = Schedule(FullJitter(random=random.Random(1)))
    waits = [schedule.next_s(Refusal(RefusalKind.VENUE, "no")) for _ in range(500)]
    assert max(waits) <= 30.0
    assert max(waits) > 20.0
    schedule.reset()
    assert schedule.next_s() <= 1.0


def test_what_an_exchange_lacks_is_looked_for_soon_and_then_less_often() -> None:
    """Every half a minute for ten minutes, whatever comes then."""
    assert [soon_then(since_s, 240.0) for since_s in (0.0, 599.9, 600.0, 1e9)] == [30.0, 30.0, 240.0, 240.0]
