"""Liquidations of five minutes are held against the sums an exchange gives of each side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.summed_sides import LAG_MS, SUMS_MS, Readings, SummedSides, Sums, agreeing
from liqstream.feeds.trial import Question, Trial
from liqstream.market import HOUR_MS, Liquidation, Side

QUESTION = Question("side", "liquidations", ("plain", "turned"), "the sums")
START_MS = 1_795_003_200_000
"""A whole hour."""
REST = cast("RestClient", None)


def row(at_ms: int, side: Side, base: float) -> Readings:
    plain = Liquidation("gate", "BTCUSDT", at_ms, side, 90_000.0, base)
    return {"plain": plain, "turned": replace(plain, side="short" if side == "long" else "long")}


ROWS = [row(START_MS + 1000, "long", 3.0), row(START_MS + 2000, "short", 1.0)]


def test_the_reading_whose_sums_are_given() -> None:
    """Whether a sum bears the time of its beginning or of its end; None where nothing is given."""
    assert agreeing(ROWS, {START_MS: (3.0, 1.0)}, START_MS) == {"plain"}
    assert agreeing(ROWS, {START_MS: (9.0, 9.0), START_MS + SUMS_MS: (1.0, 3.0)}, START_MS) == {"turned"}
    assert agreeing(ROWS, {START_MS: (4.0, 0.0)}, START_MS) == set()
    assert agreeing(ROWS, {}, START_MS) is None


class Source:
    """Gives these sums and past liquidations; keeps what was asked."""

    def __init__(self, sums: Sums, orders: Sequence[Readings] = ()) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._sums, self._orders = sums, orders

    async def sums(self, _rest: RestClient, *span: Any) -> Sums:
        self.asked.append(("sums", *span))
        return self._sums

    async def orders(self, _rest: RestClient, *span: Any) -> Sequence[Readings]:
        self.asked.append(("orders", *span))
        return self._orders

    def sides(self) -> SummedSides:
        return SummedSides(self.sums, self.orders)


async def test_only_whole_five_minutes_are_compared() -> None:
    """Those that began after the connection, and whose sums are there already."""
    source = Source({START_MS: (3.0, 1.0)})
    sides, trial = source.sides(), Trial[Liquidation](QUESTION)
    for each in (row(START_MS - 10, "long", 5.0), *ROWS):
        trial.take(each)
    await sides.compare_live(trial, REST, ("BTCUSDT",), START_MS - 30_000)
    assert len(trial.pending(("BTCUSDT",))) == 2 or not sides.is_receiving
    sides.note_break()
    sides.is_receiving = True
    trial = Trial[Liquidation](QUESTION)
    for each in (row(START_MS - 10, "long", 5.0), *ROWS):
        trial.take(each)
    for now_ms in (START_MS - 30_000, START_MS + SUMS_MS + LAG_MS - 1):
        await sides.compare_live(trial, REST, ("BTCUSDT",), now_ms)
    assert (source.asked, trial.compared) == ([], 0)
    await sides.compare_live(trial, REST, ("BTCUSDT",), START_MS + SUMS_MS + LAG_MS)
    assert source.asked == [("sums", "BTCUSDT", START_MS, START_MS + SUMS_MS)]
    assert (trial.compared, dict(trial.agreed)) == (2, {"plain": 2})


async def test_a_break_spoils_its_five_minutes() -> None:
    """What was lost in it is missing in our sum."""
    source = Source({START_MS: (3.0, 1.0)})
    sides, trial = source.sides(), Trial[Liquidation](QUESTION)
    sides.is_receiving = True
    await sides.compare_live(trial, REST, (), START_MS - 1000)
    for each in ROWS:
        trial.take(each)
    sides.note_break()
    sides.is_receiving = True
    await sides.compare_live(trial, REST, ("BTCUSDT",), START_MS + 60_000)
    await sides.compare_live(trial, REST, ("BTCUSDT",), START_MS + 2 * SUMS_MS)
    assert (source.asked, trial.compared) == ([], 0)


async def test_the_past_is_compared_hour_by_hour() -> None:
    """Each hour of each symbol once, the newest first; the liquidations themselves stay where they are."""
    source = Source({START_MS: (1.0, 3.0)}, ROWS)
    sides, trial = source.sides(), Trial[Liquidation](QUESTION)
    now_ms = START_MS + HOUR_MS + LAG_MS
    for _ in range(3):
        await sides.compare_past(trial, REST, ("BTCUSDT", "ETHUSDT"), now_ms)
    orders = [(symbol, start_ms) for what, symbol, start_ms, _ in source.asked if what == "orders"]
    assert orders == [("BTCUSDT", START_MS), ("ETHUSDT", START_MS), ("BTCUSDT", START_MS - HOUR_MS)]
    assert (trial.compared, dict(trial.agreed)) == (6, {"turned": 6})


async def test_a_sign_that_never_changes_is_no_reading() -> None:
    """It agrees with every five minutes of longs alone: these count beside as many of shorts alone."""
    parts = [START_MS + number * SUMS_MS for number in range(6)]
    rows = [row(at_ms + 1000, "long", 2.0) for at_ms in parts]
    longs, shorts = dict.fromkeys(parts[:5], (2.0, 0.0)), {parts[5]: (0.0, 2.0)}
    trial = Trial[Liquidation](QUESTION)
    await Source(longs, rows[:5]).sides().compare_past(trial, REST, ("BTCUSDT",), START_MS + 2 * HOUR_MS)
    assert trial.compared == 0
    trial = Trial[Liquidation](QUESTION)
    await Source(longs | shorts, rows).sides().compare_past(trial, REST, ("BTCUSDT",), START_MS + 2 * HOUR_MS)
    assert (trial.compared, dict(trial.agreed)) == (2, {"plain": 1, "turned": 1})
