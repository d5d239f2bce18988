"""A reading is used once a second source agrees with it; else the channel stays off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liqstream.feeds.trial import ENOUGH, LONG_ENOUGH_MS, OFF, OFF_AFTER_MS, Question, Trial
from liqstream.market import Liquidation

QUESTION = Question("side of its liquidations", "liquidations", ("first", "second"), "a second source")
LONG = Liquidation("gate", "BTCUSDT", 1_795_000_000_000, "long", 90_000.0, 0.1)


def readings(number: int = 0) -> dict[str, Liquidation]:
    """A liquidation in both readings, another with each number."""
    record = replace(LONG, time_ms=LONG.time_ms + number)
    return {"first": record, "second": replace(record, side="short")}


def held(count: int) -> Trial[Liquidation]:
    trial: Trial[Liquidation] = Trial(QUESTION)
    for number in range(count):
        assert trial.take(readings(number)) == []
    return trial


@pytest.mark.parametrize("reading", QUESTION.readings)
def test_what_was_held_is_delivered_as_it_is_meant(reading: str) -> None:
    """After twenty events; and what comes afterwards at once."""
    trial = held(ENOUGH + 5)
    pending = trial.pending(("BTCUSDT",))
    trial.judge(pending[: ENOUGH - 1], {reading})
    assert trial.settle(1) == []
    assert f"{ENOUGH - 1} of {ENOUGH} compared" in trial.sentence
    trial.judge(pending[ENOUGH - 1 : ENOUGH], {reading})
    assert trial.settle(2) == [readings(number)[reading] for number in range(ENOUGH + 5)]
    assert (trial.verdict, trial.is_open, trial.decided_ms) == (reading, False, 2)
    assert trial.take(readings(99)) == [readings(99)[reading]]
    assert trial.sentence == f"side of its liquidations: {reading}, as a second source agrees"


def test_nothing_is_used_where_no_reading_agrees() -> None:
    """It is off and says so, and is tried anew a day later."""
    trial = held(ENOUGH)
    trial.judge(trial.pending(("BTCUSDT",)), ())
    for at_ms in (0, 1, OFF_AFTER_MS - 1):
        assert trial.settle(at_ms) == []
        assert trial.is_open
        assert "0 of 20 compared, with none of those before" in trial.sentence
        trial.note(ENOUGH, ())
    assert trial.settle(OFF_AFTER_MS) == []
    assert trial.verdict == OFF
    trial.decided_ms = 0
    assert "off, a second source agrees with no reading" in trial.sentence
    assert trial.take(readings()) == []
    trial.settle(LONG_ENOUGH_MS - 1)
    assert trial.verdict == OFF
    trial.settle(LONG_ENOUGH_MS)
    assert (trial.is_open, trial.compared, trial.pending(("BTCUSDT",))) == (True, 0, [])


@pytest.mark.parametrize("decided_ms", [10**15, -(10**15)])
def test_a_verdict_of_another_clock_does_not_stand_for_ever(decided_ms: int) -> None:
    """Off, as it was noted while the clock was wrong: it is tried anew."""
    trial = held(0)
    trial.recall({"verdict": OFF, "compared": 0, "agreed": {}, "decided_ms": decided_ms})
    assert not trial.is_open
    trial.settle(0)
    assert trial.is_open


def test_a_second_source_that_is_wrong_for_a_while_turns_nothing_off() -> None:
    """The next round is counted by itself."""
    trial = held(2 * ENOUGH)
    pending = trial.pending(("BTCUSDT",))
    trial.judge(pending[:ENOUGH], ())
    trial.settle(0)
    trial.judge(pending[ENOUGH:], {"second"})
    assert len(trial.settle(1)) == 2 * ENOUGH
    assert trial.verdict == "second"


def test_one_damaged_event_does_not_turn_it_off() -> None:
    """Nine of ten are enough."""
    trial = held(ENOUGH)
    first, *others = trial.pending(("BTCUSDT",))
    trial.judge([first], ())
    trial.judge(others, {"second"})
    assert len(trial.settle(1)) == ENOUGH
    assert trial.verdict == "second"


def test_after_a_day_fewer_events_are_enough() -> None:
    """But none at all never are, and events that fit every reading tell nothing."""
    trial = held(3)
    pending = trial.pending(("BTCUSDT",))
    trial.settle(0)
    trial.judge(pending[:2], QUESTION.readings)
    assert trial.settle(LONG_ENOUGH_MS) == []
    trial.judge(pending[2:], {"first"})
    assert len(trial.settle(LONG_ENOUGH_MS)) == 3


def test_what_can_not_be_compared_stays_held() -> None:
    """It is delivered with the others; other symbols are not asked about."""
    trial = held(2)
    assert trial.pending(("ETHUSDT",)) == []
    trial.drop(trial.pending(("BTCUSDT",)))
    assert trial.pending(("BTCUSDT",)) == []
    trial.note(ENOUGH, {"first"})
    assert len(trial.settle(1)) == 2


def test_what_is_impossible_in_every_reading_is_the_guards() -> None:
    """It is not held: it is refused, counted and named at once."""
    trial = held(0)
    absurd = {name: replace(each, price_usd=1e17) for name, each in readings().items()}
    assert trial.take(absurd) == [absurd["first"]]
    assert trial.pending(("BTCUSDT",)) == []


def test_it_outlives_a_restart() -> None:
    """Verdict and counts go on from what was written down; what makes no sense is left out."""
    trial = held(ENOUGH)
    trial.settle(5)
    trial.judge(trial.pending(("BTCUSDT",))[:7], {"second"})
    again: Trial[Liquidation] = Trial(QUESTION)
    again.recall(trial.to_document())
    assert (again.compared, again.agreed["second"], again.since_ms, again.verdict) == (7, 7, 5, None)
    again.note(ENOUGH, {"second"})
    again.settle(6)
    third: Trial[Liquidation] = Trial(QUESTION)
    third.recall(again.to_document())
    assert third.verdict == "second"
    for damaged in ({}, {"verdict": "third"}, {"verdict": "first", "compared": "x", "agreed": {}}):
        fresh: Trial[Liquidation] = Trial(QUESTION)
        fresh.recall(damaged)
        assert (fresh.verdict, fresh.compared) == (None, 0)
