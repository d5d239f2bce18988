"""The guard: what no market can have sent is refused before it is stored, applied or the newest.

Every record passes here, wherever it comes from; market/column_guard.py has the same rules for columns of
files and of the store. A price far from the last one is held back until it is confirmed, because real ones
exist: by the exchange's REST, or by the next bar. What is refused is counted by exchange, symbol, kind and
reason.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from liqstream.market.record_bounds import (
    LARGEST_USD,
    kind_of,
    last_price,
    price_range,
    ratio,
    same_bar,
    time_of,
    unsound,
)
from liqstream.market.records import (
    DAY_MS,
    Candle,
    Liquidation,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
)
from liqstream.market.refusal_count import Refusal, RefusalCount

CLOCK_TOLERANCE_MS = 60_000
"""How far a record may be ahead of the exchange's clock."""

PRICE_STEP = 5.0
CONFIRMING_STEP = 1.5
"""A price beyond a factor of 5 from the last one is confirmed by one within a factor of 1.5 of it."""

OPEN_INTEREST_STEP = 2.0
OPEN_INTEREST_READINGS = 3
"""A step beyond a factor of 2 is taken with the third reading of it."""

FRESH_MS = 600_000
"""A price or an open interest is judged by the last one only while that is not older."""

FLAGGED_S = 30.0
"""How long a market is flagged after its last refused record."""

SIMULATED = "simulated"
"""How the names of simulated exchanges begin."""

MOST_HELD = 500
"""Records of one market that may wait to be confirmed; beyond them the oldest is refused."""


@dataclass(slots=True)
class _Known:
    """What a market's records are judged by; `*_at` is on the line of time its user counts in, ms."""

    price_usd: float = math.nan
    price_at: float = -math.inf
    open_interest_base: float = math.nan
    open_interest_at: float = -math.inf
    # Readings of one step that waits to be taken.
    readings: list[float] = field(default_factory=list)
    # Records with a price that waits to be confirmed, in the order they came; forming bars only once.
    held: list[MarketEvent] = field(default_factory=list)


class RecordGuard:
    """Judges records of any number of markets. `now_ms` is our clock, UTC; `clock_s` a monotonic one."""

    def __init__(
        self,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = RefusalCount()  # of the two below
        self.refused = self._counts.refused
        """Refused records, also rows of the store that are left out, each time they are read."""
        self.on_refused: Callable[[MarketEvent], None] = lambda _record: None
        """Called with each record that is refused: whoever took it for the newest must think again."""
        self.unjudged: Counter[tuple[str, str, str]] = Counter()
        """Records taken without a price or an open interest to judge by, by exchange, symbol and kind."""
        self.last_refusal = self._counts.last_refusal
        """By exchange, what was refused last, in words."""
        self.own_interval_ms: int | None = None
        """Of the bars that prices are judged by; shorter ones beside them move nothing. None: all are."""
        self._now_ms, self._clock_s = now_ms, clock_s  # see the class
        # By exchange: how far it was off from ours when that was last measured, and its clock less our
        # monotonic one, ms.
        self._clocks: dict[str, tuple[float, float]] = {}
        # Markets' newest stored time, UTC ms, while the exchange's clock is not known.
        self._stored_ms: dict[MarketKey, int] = {}
        self._live: dict[MarketKey, _Known] = {}  # times on our monotonic clock
        self._past: dict[MarketKey, _Known] = {}  # times of the records; emptied by end_past
        # Monotonic seconds until which a market is flagged.
        self._flagged_until_s: dict[MarketKey, float] = {}
        # Markets whose stored rows of late are partly refused.
        self._bad_stored: set[MarketKey] = set()

    # Time

    def run_on(self, now_ms: Callable[[], int], clock_s: Callable[[], float]) -> None:
        """Read these clocks from now on; before any record."""
        self._now_ms, self._clock_s = now_ms, clock_s

    def set_clock(self, exchange: str, clock_ms: int | None, skew_ms: float | None) -> bool:
        """Take in an exchange's clock now, which rests on `skew_ms` as last measured; None while unknown.

        Between two measurements it only runs forward: our clock may be set back. True when it is known for
        the first time: what was taken before it may be later than it allows.
        """
        if clock_ms is None or skew_ms is None:
            return False
        ahead_ms = clock_ms - self._clock_s() * 1000
        measured = self._clocks.get(exchange)
        if measured is not None and measured[0] == skew_ms:
            ahead_ms = max(ahead_ms, measured[1])
        self._clocks[exchange] = (skew_ms, ahead_ms)
        return measured is None

    def note_stored(self, newest_ms: Mapping[MarketKey, int]) -> None:
        """Take in the newest stored time of each market, UTC ms: our own clock may be wrong."""
        self._stored_ms = dict(newest_ms)

    def latest_ms(self, key: MarketKey) -> int:
        """The latest time a record of a market may have, UTC ms.

        The exchange's clock and a minute; before it is known ours and a day, or what other markets have. A
        simulated market may be of any year: of it any time is taken until its clock is known.
        """
        clock = self._clocks.get(key.exchange)
        if clock is not None:
            return int(self._clock_s() * 1000 + clock[1]) + CLOCK_TOLERANCE_MS
        if key.exchange.startswith(SIMULATED):
            return 2**62
        others = (newest for market, newest in self._stored_ms.items() if market != key)
        return max(self._now_ms() + DAY_MS, *others, 0)

    # Records

    def admit(self, records: Sequence[MarketEvent]) -> list[MarketEvent]:
        """Of records of what happens now, the ones to be used, with those that these confirm."""
        admitted: list[MarketEvent] = []
        at = self._clock_s() * 1000
        for record in records:
            past = self._past.get(MarketKey(record.exchange, record.symbol))
            if past is not None and past.held and isinstance(record, Candle) and not self._is_beside(record):
                admitted += self._decide_held(record, past, record.open_time_ms)
            admitted += self._judge(record, self._known(self._live, record), at, at)
        return admitted

    def admit_past(self, records: Sequence[MarketEvent]) -> list[MarketEvent]:
        """Of records of the past, ascending in time for each market and kind, the ones to be used.

        A bar that waits to be confirmed comes with a later call; `end_past` refuses those that never were.
        """
        admitted: list[MarketEvent] = []
        for record in records:
            at = time_of(record)
            ends = at + record.interval_ms if isinstance(record, Candle) else at
            admitted += self._judge(record, self._known(self._past, record), at, ends)
        return admitted

    def end_past(self, exchange: str) -> None:
        """The past of an exchange is in: refuse what no later bar has confirmed, judge on from its end."""
        now = self._clock_s() * 1000
        for key in [key for key in self._past if key.exchange == exchange]:
            past, live = self._past.pop(key), self._live.setdefault(key, _Known())
            self._refuse_all(past.held, "price_jump")
            theirs_ms = self.latest_ms(key) - CLOCK_TOLERANCE_MS
            if live.price_at < 0 and theirs_ms - past.price_at <= FRESH_MS:
                live.price_usd, live.price_at = past.price_usd, now
            if live.open_interest_at < 0 and theirs_ms - past.open_interest_at <= FRESH_MS:
                live.open_interest_base, live.open_interest_at = past.open_interest_base, now

    def unconfirmed(self, exchange: str) -> list[MarketKey]:
        """The exchange's markets with records whose price waits to be confirmed."""
        return [key for key, known in self._live.items() if key.exchange == exchange and known.held]

    def confirm(self, key: MarketKey, low_usd: float, high_usd: float) -> list[MarketEvent]:
        """Judge what waits by a market's prices as REST gives them; returns what is to be used."""
        known = self._live[key]
        held, known.held = known.held, []
        released: list[MarketEvent] = []
        for record in held:
            lowest, highest = price_range(record)
            if lowest * CONFIRMING_STEP >= low_usd and highest <= high_usd * CONFIRMING_STEP:
                released.append(record)
                known.price_usd, known.price_at = last_price(record), self._clock_s() * 1000
            else:
                self._refuse(record, "price_jump")
        return released

    def is_flagged(self, key: MarketKey) -> bool:
        """True while records of a market are refused or wait to be confirmed, or stored ones left out."""
        if key in self._bad_stored or self._clock_s() < self._flagged_until_s.get(key, -math.inf):
            return True
        known = self._live.get(key)
        return known is not None and bool(known.held)

    # Stored rows

    def count_stored(self, key: MarketKey, kind: str, rows: int) -> None:
        """Count rows of the store that are left out: the most that any read has found."""
        new = rows - self.refused[refusal := Refusal(key.exchange, key.symbol, kind, "stored")]
        if new > 0:
            self._counts.add(refusal, new, "a stored row")

    def flag_stored(self, key: MarketKey, *, bad: bool) -> None:
        """Note whether stored rows that a market's map should rest on are left out."""
        (self._bad_stored.add if bad else self._bad_stored.discard)(key)

    # Judging

    def _known(self, table: dict[MarketKey, _Known], record: MarketEvent) -> _Known:
        key = MarketKey(record.exchange, record.symbol)
        known = table.get(key)
        if known is None:
            known = table[key] = _Known()
        return known

    def _judge(self, record: MarketEvent, known: _Known, at: float, ends: float) -> list[MarketEvent]:
        """What is to be used now; `at` is the record's moment, `ends` that of its last price."""
        reason = unsound(record) or self._too_late(record)
        if reason:
            self._refuse(record, reason)
            return []
        match record:
            case Candle() if self._is_beside(record):
                is_known = abs(at - known.price_at) <= FRESH_MS
                return [] if is_known and _is_beyond(record, known.price_usd) else [record]
            case Candle():
                return self._judge_candle(record, known, at, ends)
            case OpenInterest():
                return [record] if self._is_steady(record, known, at) else []
            case MarkPrice() | Liquidation():
                return [record] if self._is_near(record, known, at) else []
            case _:
                return [record]

    def _is_beside(self, candle: Candle) -> bool:
        return self.own_interval_ms is not None and candle.interval_ms < self.own_interval_ms

    def _too_late(self, record: MarketEvent) -> str:
        return "time" if time_of(record) > self.latest_ms(MarketKey(record.exchange, record.symbol)) else ""

    def _judge_candle(self, candle: Candle, known: _Known, at: float, ends: float) -> list[MarketEvent]:
        confirmed = self._decide_held(candle, known, at)
        if self._is_far(candle, known, at):
            known.held = [
                held for held in known.held if not (isinstance(held, Candle) and same_bar(held, candle))
            ]
            self._hold(candle, known)
            return confirmed
        known.price_usd, known.price_at = candle.close, ends
        return [*confirmed, candle]

    def _decide_held(self, candle: Candle, known: _Known, at: float) -> list[MarketEvent]:
        """What waits is confirmed where a later bar opens near the close of the held one, else refused."""
        older = [held for held in known.held if time_of(held) < candle.open_time_ms]
        if not older:
            return []
        known.held = [held for held in known.held if time_of(held) >= candle.open_time_ms]
        bars = [held for held in older if isinstance(held, Candle) and held.interval_ms == candle.interval_ms]
        bar = bars[-1] if bars else None
        if bar is None or ratio(candle.open, bar.close) > CONFIRMING_STEP:
            self._refuse_all(older, "price_jump")
            return []
        low, high = bar.low / CONFIRMING_STEP, bar.high * CONFIRMING_STEP
        kept = [held for held in older if low <= price_range(held)[0] and price_range(held)[1] <= high]
        self._refuse_all([held for held in older if held not in kept], "price_jump")
        known.price_usd, known.price_at = bar.close, at
        return kept

    def _is_near(self, record: MarkPrice | Liquidation, known: _Known, at: float) -> bool:
        if isinstance(record, Liquidation):
            if abs(at - known.open_interest_at) > FRESH_MS:
                self._count_unjudged(record)
            elif record.quantity_base > known.open_interest_base:
                self._refuse(record, "size")
                return False
        if self._is_far(record, known, at):
            self._hold(record, known)
            return False
        if isinstance(record, MarkPrice):
            known.price_usd, known.price_at = record.price_usd, at
        return True

    def _is_far(self, record: Candle | MarkPrice | Liquidation, known: _Known, at: float) -> bool:
        if abs(at - known.price_at) > FRESH_MS:
            self._count_unjudged(record)
            return False
        return _is_beyond(record, known.price_usd)

    def _is_steady(self, record: OpenInterest, known: _Known, at: float) -> bool:
        value = record.open_interest_base
        if value == 0:
            self._refuse(record, "zero")
            return False
        if abs(at - known.price_at) <= FRESH_MS and value * known.price_usd > LARGEST_USD:
            self._refuse(record, "size")
            return False
        if abs(at - known.open_interest_at) > FRESH_MS:
            self._count_unjudged(record)
        elif ratio(value, known.open_interest_base) > OPEN_INTEREST_STEP:
            same_step = known.readings and ratio(value, known.readings[0]) <= OPEN_INTEREST_STEP
            known.readings = [*known.readings, value] if same_step else [value]
            if len(known.readings) < OPEN_INTEREST_READINGS:
                self._refuse(record, "step")
                return False
        known.open_interest_base, known.open_interest_at, known.readings = value, at, []
        return True

    # Counting

    def _hold(self, record: MarketEvent, known: _Known) -> None:
        known.held.append(record)
        if len(known.held) > MOST_HELD:
            self._refuse(known.held.pop(0), "price_jump")

    def _count_unjudged(self, record: MarketEvent) -> None:
        self.unjudged[record.exchange, record.symbol, kind_of(record)] += 1

    def _refuse_all(self, records: Iterable[MarketEvent], reason: str) -> None:
        for record in records:
            self._refuse(record, reason)

    def _refuse(self, record: MarketEvent, reason: str) -> None:
        key = MarketKey(record.exchange, record.symbol)
        self._flagged_until_s[key] = self._clock_s() + FLAGGED_S
        self._counts.add(Refusal(key.exchange, key.symbol, kind_of(record), reason), 1, repr(record))
        self.on_refused(record)


def _is_beyond(record: Candle | MarkPrice | Liquidation, price_usd: float) -> bool:
    """Whether a record's prices are a step from `price_usd` that has to be confirmed."""
    lowest, highest = price_range(record)
    return highest > price_usd * PRICE_STEP or lowest * PRICE_STEP < price_usd
