"""Faults are set by name and disturb a round's messages."""

from __future__ import annotations

import pytest

from liqstream.simulator.faults import GARBAGE, Faults


def test_without_faults_messages_are_left_alone() -> None:
    """In their order, once each."""
    assert Faults().apply_to(["a", "b"]) == ["a", "b"]


def test_each_fault_does_what_it_says() -> None:
    """The oversized frame is sent once; the others until they are switched off."""
    faults = Faults()
    faults.set({"duplicate": True, "garbage_per_round": 2, "oversized_frame": True})
    first, second = faults.apply_to(["a"]), faults.apply_to(["a"])
    assert first[:2] == second[:2] == ["a", "a"]
    assert set(second[2:]) <= set(GARBAGE)
    assert [len(first), len(second)] == [5, 4]
    assert len(first[-1]) > 10 * 2**20


def test_reordering_keeps_every_message() -> None:
    """Only their order changes."""
    faults = Faults(reorder=True)
    texts = [str(number) for number in range(50)]
    out = faults.apply_to(texts)
    assert out != texts
    assert sorted(out) == sorted(texts)


@pytest.mark.parametrize(
    ("given", "reason"), [({"silence": True}, "unknown"), ({"silent": 1}, "silent must be of type bool")]
)
def test_a_fault_there_is_not_changes_nothing(given: dict[str, object], reason: str) -> None:
    """Not even those that stand beside it."""
    faults = Faults()
    with pytest.raises(ValueError, match=reason):
        faults.set({"duplicate": True, **given})
    assert not faults.duplicate
