"""Comparing the sides of liquidations with the sums of five minutes that an exchange gives of each side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.trial import Question, Trial
from liqstream.market import HOUR_MS, MINUTE_MS, Liquidation, Side

SUMS_MS = 5 * MINUTE_MS
LAG_MS = MINUTE_MS
"""So long after their end the sums are asked for."""
LOOKED_AT_MS = 24 * HOUR_MS
"""How far back liquidations of the past are compared."""
_LIKE, _LEAST = 0.02, 1e-9
"""Sums are alike within this share of the larger, or this much base coin."""

POSITION, ORDER = "the sign is the position's", "the sign is the order's"
LIVE, PAST = "liquidations", "past liquidations"
QUESTIONS: Mapping[str, Question] = {
    LIVE: Question("side of its liquidations", "liquidations", (POSITION, ORDER), "contract_stats"),
    PAST: Question(
        "side of its past liquidations",
        "liquidations",
        (POSITION, ORDER),
        "contract_stats",
        live=False,
        past=True,
    ),
}
"""Of an exchange whose liquidations bear a sign."""

Readings: TypeAlias = Mapping[str, Liquidation]
"""A liquidation in each reading."""
Sums: TypeAlias = Mapping[int, tuple[float, float]]
"""Liquidated longs and shorts in base coin, by the time the exchange puts on the sum, UTC ms."""
AskSums: TypeAlias = Callable[[RestClient, str, int, int], Awaitable[Sums]]
AskOrders: TypeAlias = Callable[[RestClient, str, int, int], Awaitable[Sequence[Readings]]]


def in_readings(found: Liquidation) -> dict[str, Liquidation]:
    """A liquidation whose side is that of its sign, in both readings."""
    return {POSITION: found, ORDER: replace(found, side="short" if found.side == "long" else "long")}


@dataclass(slots=True)
class SummedSides:
    """Asks by `sums` and `orders` for what is known of a symbol in [start, end), UTC ms."""

    sums: AskSums
    orders: AskOrders
    is_receiving: bool = False
    """Whether the socket has carried data since the last break."""
    _since_ms: int | None = None
    # (symbol, hour) of the past that were compared.
    _compared: set[tuple[str, int]] = field(default_factory=set)
    # Five minutes of one side alone, by question and side, until there are some of the other: a sign that
    # never changes agrees with all of one side.
    _one_sided: dict[tuple[str, Side], list[tuple[int, set[str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def note_break(self) -> None:
        """Messages may have been missed: sums over this moment are not whole."""
        self.is_receiving, self._since_ms = False, None

    async def examine(
        self, trials: Mapping[str, Trial[Liquidation]], rest: RestClient, symbols: Sequence[str], now_ms: int
    ) -> list[Liquidation]:
        """Compare what is open of QUESTIONS; what is released by it. Raises what asking raises."""
        live, past = trials[LIVE], trials[PAST]
        if live.is_open:
            await self.compare_live(live, rest, symbols, now_ms)
        if past.is_open:
            await self.compare_past(past, rest, symbols, now_ms)
        past.settle(now_ms)
        return live.settle(now_ms)

    async def compare_live(
        self, trial: Trial[Liquidation], rest: RestClient, symbols: Sequence[str], now_ms: int
    ) -> None:
        """Compare what is held, of whole five minutes that were received. Raises what asking raises."""
        if self.is_receiving and self._since_ms is None:
            self._since_ms = now_ms
        since_ms = now_ms if self._since_ms is None else self._since_ms
        for symbol in symbols:
            due = defaultdict(list)
            for item in trial.pending((symbol,)):
                at_ms = item.record.time_ms // SUMS_MS * SUMS_MS
                if at_ms < since_ms or at_ms + LOOKED_AT_MS < now_ms:
                    trial.drop([item])
                elif at_ms + SUMS_MS + LAG_MS <= now_ms:
                    due[at_ms].append(item)
            sums = await self.sums(rest, symbol, min(due), max(due) + SUMS_MS) if due else {}
            for at_ms, items in due.items():
                if self._note(trial, [item.readings for item in items], sums, at_ms):
                    trial.drop(items)

    async def compare_past(
        self, trial: Trial[Liquidation], rest: RestClient, symbols: Sequence[str], now_ms: int
    ) -> None:
        """Compare one hour of one symbol: the newest that was not yet. Raises what asking raises."""
        newest_ms = (now_ms - LAG_MS) // HOUR_MS * HOUR_MS - HOUR_MS
        hours = range(newest_ms, newest_ms - LOOKED_AT_MS, -HOUR_MS)
        wanted = [(symbol, hour) for hour in hours for symbol in symbols]
        self._compared &= set(wanted)
        symbol, start_ms = next((each for each in wanted if each not in self._compared), ("", 0))
        if not symbol:
            return
        parts = defaultdict(list)
        for readings in await self.orders(rest, symbol, start_ms, start_ms + HOUR_MS):
            parts[next(iter(readings.values())).time_ms // SUMS_MS * SUMS_MS].append(readings)
        sums = await self.sums(rest, symbol, start_ms, start_ms + HOUR_MS) if parts else {}
        for at_ms, part in parts.items():
            self._note(trial, part, sums, at_ms)
        self._compared.add((symbol, start_ms))

    def _note(self, trial: Trial[Liquidation], rows: Sequence[Readings], sums: Sums, at_ms: int) -> bool:
        """Compare five minutes and note what came of it, of one side only beside as many of the other."""
        found = agreeing(rows, sums, at_ms)
        if found is None:
            return False
        sides = _sides_of(rows, sums, at_ms)
        if len(sides) != 1:
            trial.note(len(rows), found)
            return True
        about = trial.question.about
        self._one_sided[about, sides.pop()].append((len(rows), found))
        both = self._one_sided[about, "long"], self._one_sided[about, "short"]
        while all(both):
            for each in both:
                trial.note(*each.pop())
        return True


def agreeing(rows: Sequence[Readings], sums: Sums, at_ms: int) -> set[str] | None:
    """The readings in which liquidations of five minutes from `at_ms` on add up to what is given; None if
    nothing is. A sum may bear the time of its beginning or of its end."""
    given = [sums[time_ms] for time_ms in (at_ms, at_ms + SUMS_MS) if time_ms in sums]
    return {name for name in rows[0] if _are_sums([row[name] for row in rows], given)} if given else None


def _sides_of(rows: Sequence[Readings], sums: Sums, at_ms: int) -> set[Side]:
    """The sides of which the sums that these liquidations are compared with have any."""
    given = [sums[time_ms] for time_ms in (at_ms, at_ms + SUMS_MS) if time_ms in sums]
    readings = [[row[name] for row in rows] for name in rows[0]]
    like = [each for each in given if any(_are_sums(reading, [each]) for reading in readings)] or given
    totals: dict[Side, float] = {"long": sum(s[0] for s in like), "short": sum(s[1] for s in like)}
    return {side for side, total in totals.items() if total > _LEAST}


def _are_sums(rows: Sequence[Liquidation], given: Sequence[tuple[float, float]]) -> bool:
    long, short = (sum(row.quantity_base for row in rows if row.side == side) for side in ("long", "short"))
    return any(_alike(long, longs) and _alike(short, shorts) for longs, shorts in given)


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= _LIKE * max(one, other) + _LEAST
