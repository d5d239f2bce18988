"""What is known of each market right now, in memory: closed bars the model has yet to take, the forming
bar, the last price and open interest, and when its last record came.

`LiveMarket.apply` runs on the event loop and costs microseconds; the model is stepped elsewhere.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from liqstream.heatmap.price_track import NOTHING_PASSED, Passed
from liqstream.market import (
    MINUTE_MS,
    Bars,
    Candle,
    ComingFunding,
    FloatArray,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
)
from liqstream.market.coverage import is_covered
from liqstream.model.estimator import LATE_BARS

log = structlog.get_logger(__name__)

_REMEMBERED_BARS = 300
"""Closed bars whose prices are kept: among these a repeated bar can be known from a changed one."""

_REMEMBERED_SPANS = 20
"""A bar that closes is covered by these, however often its source broke off meanwhile."""


TRADED_LATELY_S = 10.0
"""A mark price is the market's price only where no bar has come for longer: bars have the trades."""


@dataclass(slots=True)
class ClosedBar:
    """A closed bar with the open interest known at its end and what was liquidated in it (NaN: unknown)."""

    candle: Candle
    open_interest_base: float
    reported_open_interest: float
    liquidated_long_usd: float
    liquidated_short_usd: float


@dataclass(slots=True)
class LiveMarket:
    """The present of one market; times in UTC ms, `last_event_s` on the monotonic clock."""

    key: MarketKey
    interval_ms: int
    forming: Candle | None = None
    closed: list[ClosedBar] = field(default_factory=list)
    price_usd: float = math.nan
    open_interest_base: float = math.nan
    reported_open_interest: float = math.nan
    data_time_ms: int = 0
    last_event_s: float | None = None
    records: int = 0
    """Records taken so far: while it stands still, so does the map."""
    disordered_ms: int = -1
    """Data time when a closed bar last came late or with other prices than before; -1 if none did."""
    flags: frozenset[str] = frozenset()
    """What its feed says is wrong; see QUALITY_FLAGS."""
    coming_funding: ComingFunding | None = None
    """The next funding payment as its exchange announced it last, which may be over; no part of the map."""
    silent: bool = False
    """Whether it is stale beside other exchanges that are not."""
    other_coin: bool | None = None
    """Whether its price says that it is of another coin than the symbol's others; None while nobody knows."""
    coin_judged: bool = False
    """Whether that was judged in this run."""
    close_usd: float = math.nan
    """Close of the newest bar, USD: unlike `price_usd` never a mark price, by which nothing is cleared."""
    passed: Passed = NOTHING_PASSED
    """New lows and highs that bars have made since the last state was made of them."""
    passed_before: Passed = NOTHING_PASSED
    """Those that are in that state, while no snapshot with it is numbered yet."""
    # When the newest bar came, on the monotonic clock.
    _traded_s: float = -math.inf
    # Open time of the newest closed bar, -1 before any: what is not newer is late.
    _newest_closed_ms: int = -1
    # Low and high, USD, of the bars that have not closed yet, by open time: as far as they cleared the map.
    _cleared: dict[int, Passed] = field(default_factory=dict)
    # The forming bar of a minute, where the model's are longer; None once it has closed.
    forming_minute: Candle | None = None
    # By open time, ascending, a hash of open, high, low and close of the last _REMEMBERED_BARS closed bars:
    # the prices themselves take four times the memory, and are only asked whether they are the same.
    _closed_prices: dict[int, int] = field(default_factory=dict)
    # Spans in which liquidations were listened to, by their start; the last few.
    _spans: dict[int, int] = field(default_factory=dict)
    # Open times of bars that have not closed yet of which a total was given.
    _given: set[int] = field(default_factory=set)
    # Long and short USD by open time of bars that a state has taken, since then; of a few bars.
    _late: dict[int, tuple[float, float]] = field(default_factory=dict)
    # Long and short USD by open time of bars that have not closed yet; dropped as they close.
    _liquidated_usd: dict[int, tuple[float, float]] = field(default_factory=dict)

    def apply(self, record: MarketEvent, now_s: float) -> None:
        """Take one record; of another interval than the model's it only keeps the market from being stale."""
        self.last_event_s = now_s
        if isinstance(record, Candle) and record.interval_ms != self.interval_ms:
            if record.interval_ms == MINUTE_MS:
                self.forming_minute = None if record.closed else record
            return
        self.records += 1
        match record:
            case Candle():
                self._take_candle(record, now_s)
            case OpenInterest():
                self.open_interest_base, self.reported_open_interest = (
                    record.open_interest_base,
                    record.reported,
                )
                self._note_time(record.time_ms)
            case MarkPrice():
                # People watch the trades; a mark price between two of them would make the price flicker.
                if now_s - self._traded_s > TRADED_LATELY_S:
                    self.price_usd = record.price_usd
                self._note_time(record.time_ms)
            case Liquidation():
                usd = record.notional_usd
                self._take_liquidated(record.time_ms, *((usd, 0.0) if record.side == "long" else (0.0, usd)))
                self._note_time(record.time_ms)
            case LiquidationTotal() if record.interval_ms <= self.interval_ms:
                self._given.add(record.open_time_ms - record.open_time_ms % self.interval_ms)
                self._take_liquidated(record.open_time_ms, record.long_usd, record.short_usd)
            case _:  # funding rates, which the map does not use, and totals of longer intervals
                pass

    def _note_time(self, time_ms: int) -> None:
        self.data_time_ms = max(self.data_time_ms, time_ms)

    def _take_liquidated(self, time_ms: int, long_usd: float, short_usd: float) -> None:
        bar = time_ms - time_ms % self.interval_ms
        for closed in self.closed:  # that no state has taken yet; NaN, where nobody listened, stays
            if closed.candle.open_time_ms == bar:
                closed.liquidated_long_usd += long_usd
                closed.liquidated_short_usd += short_usd
        sums = self._liquidated_usd
        if bar <= self._newest_closed_ms:
            oldest_ms = self._newest_closed_ms - LATE_BARS * self.interval_ms
            if bar < oldest_ms or any(closed.candle.open_time_ms == bar for closed in self.closed):
                return
            sums = self._late
        long_so_far, short_so_far = sums.get(bar, (0.0, 0.0))
        sums[bar] = (long_so_far + long_usd, short_so_far + short_usd)

    def cover(self, start_ms: int, end_ms: int) -> None:
        """Note a span in which liquidations were listened to; one of the same start is made longer."""
        self._spans[start_ms] = end_ms
        while len(self._spans) > _REMEMBERED_SPANS:
            del self._spans[next(iter(self._spans))]

    def _liquidated_in(self, open_time_ms: int) -> tuple[float, float]:
        """Long and short USD of a bar that closes; NaN where they were not listened to nor given."""
        listened = is_covered(self._spans.items(), np.array([open_time_ms], dtype=np.int64), self.interval_ms)
        if open_time_ms in self._given or listened[0]:
            return self._liquidated_usd.get(open_time_ms, (0.0, 0.0))
        return math.nan, math.nan

    def _take_candle(self, candle: Candle, now_s: float) -> None:
        if candle.open_time_ms <= self._newest_closed_ms:
            self._check_late_bar(candle)
            return
        if not candle.is_sound:
            log.warning("candle_refused", candle=candle)
            return
        self.price_usd = self.close_usd = candle.close
        self._traded_s = now_s
        self._note_passed(candle)
        if not candle.closed:
            self.forming = candle
            self._note_time(candle.open_time_ms)
            return
        if self.forming is not None and self.forming.open_time_ms <= candle.open_time_ms:
            self.forming = None
        self._newest_closed_ms = candle.open_time_ms
        self._remember_prices(candle)
        self._note_time(candle.open_time_ms + candle.interval_ms)
        long_usd, short_usd = self._liquidated_in(candle.open_time_ms)
        self.closed.append(
            ClosedBar(candle, self.open_interest_base, self.reported_open_interest, long_usd, short_usd)
        )
        for bar in [bar for bar in self._liquidated_usd if bar <= candle.open_time_ms]:
            del self._liquidated_usd[bar]
        self._given = {bar for bar in self._given if bar > candle.open_time_ms}

    def _note_passed(self, candle: Candle) -> None:
        """Note by what the bar clears the map beyond what it has cleared before."""
        known = self._cleared.pop(candle.open_time_ms, NOTHING_PASSED)
        low = candle.low if candle.low < known.low else math.inf
        high = candle.high if candle.high > known.high else -math.inf
        self.passed = self.passed.and_by(low, high)
        if candle.closed:  # what opened before it is late from now on
            self._cleared = {at: it for at, it in self._cleared.items() if at > candle.open_time_ms}
        else:
            self._cleared[candle.open_time_ms] = known.and_by(candle.low, candle.high)

    def _check_late_bar(self, candle: Candle) -> None:
        """A bar that is only repeated is no fault; one that was missing, or now has other prices, is."""
        if (
            not candle.closed
            or not self._closed_prices
            or candle.open_time_ms < next(iter(self._closed_prices))
        ):
            return
        if self._closed_prices.get(candle.open_time_ms) != _prices_hash(candle):
            self.disordered_ms = self.data_time_ms

    def _remember_prices(self, candle: Candle) -> None:
        self._closed_prices[candle.open_time_ms] = _prices_hash(candle)
        while len(self._closed_prices) > _REMEMBERED_BARS:
            del self._closed_prices[next(iter(self._closed_prices))]

    def start_from(self, history: Bars) -> None:
        """Go on where stored history (not empty) ends: with its last price, open interest and time."""
        last_open_ms = int(history.open_time_ms[-1])
        self._newest_closed_ms = max(self._newest_closed_ms, last_open_ms)
        self._late = {}
        self.closed = [bar for bar in self.closed if bar.candle.open_time_ms > last_open_ms]
        recent = history[-_REMEMBERED_BARS:]
        prices = (column.tolist() for column in (recent.open, recent.high, recent.low, recent.close))
        hashes = map(hash, zip(*prices, strict=True))
        self._closed_prices = dict(zip(recent.open_time_ms.tolist(), hashes, strict=True))
        for bar in self.closed:
            self._remember_prices(bar.candle)
        self._note_time(last_open_ms + history.interval_ms)
        if math.isnan(self.price_usd):
            self.price_usd = float(history.close[-1])
        if math.isnan(self.close_usd):
            self.close_usd = float(history.close[-1])
        if math.isnan(self.open_interest_base):
            self.open_interest_base = float(history.open_interest_base[-1])
            self.reported_open_interest = float(history.reported_open_interest[-1])

    def forget_later(self, latest_ms: int) -> bool:
        """Drop what is later than records can be, before history is read anew; whether there was any."""
        if max(self.data_time_ms, self._newest_closed_ms) <= latest_ms:
            return False
        self.data_time_ms, self._newest_closed_ms, self._closed_prices = 0, -1, {}
        self.closed = [bar for bar in self.closed if bar.candle.open_time_ms <= latest_ms]
        if self.forming is not None and self.forming.open_time_ms > latest_ms:
            self.forming = None
        self._cleared = {at: it for at, it in self._cleared.items() if at <= latest_ms}
        self.price_usd = self.close_usd = math.nan
        self._traded_s = -math.inf
        self.open_interest_base = self.reported_open_interest = math.nan
        self.records += 1
        return True

    def take_closed(self) -> list[ClosedBar]:
        """The closed bars since the last call, ascending, for a state: what was passed until now is in it."""
        taken, self.closed = self.closed, []
        self.passed_before, self.passed = self.passed_before.and_by(*self.passed), NOTHING_PASSED
        return taken

    def take_late(self) -> dict[int, tuple[float, float]]:
        """What was liquidated in bars that were taken before, since the last call."""
        taken, self._late = self._late, {}
        return taken

    def forming_bars(self) -> Bars | None:
        """The forming bar as a single row, or None."""
        if self.forming is None:
            return None
        return Bars.from_candles(
            (self.forming,),
            self.interval_ms,
            open_interest_base=self.open_interest_base,
            reported_open_interest=self.reported_open_interest,
        )

    def forming_minute_bars(self) -> Bars | None:
        """The forming bar of a minute as a single row, or None."""
        if self.interval_ms == MINUTE_MS:
            return self.forming_bars()
        if self.forming_minute is None:
            return None
        return Bars.from_candles(
            (self.forming_minute,),
            MINUTE_MS,
            open_interest_base=self.open_interest_base,
            reported_open_interest=self.reported_open_interest,
        )

    def age_s(self, now_s: float) -> float:
        """Seconds since the market's last record; infinite before the first."""
        return math.inf if self.last_event_s is None else now_s - self.last_event_s


def _prices_hash(candle: Candle) -> int:
    return hash((candle.open, candle.high, candle.low, candle.close))


@dataclass(slots=True)
class LiveMarkets:
    """Every followed market's present, by key."""

    interval_ms: int
    clock_s: Callable[[], float]
    by_key: dict[MarketKey, LiveMarket] = field(default_factory=dict)
    # The same by symbol: of hundreds of markets each is asked for many times a second.
    _by_symbol: defaultdict[str, list[LiveMarket]] = field(default_factory=lambda: defaultdict(list))

    def apply(self, records: Sequence[MarketEvent]) -> None:
        """Take a batch of records; unknown markets are added with their first one."""
        now_s = self.clock_s()
        for record in records:
            self.market(MarketKey(record.exchange, record.symbol)).apply(record, now_s)

    def market(self, key: MarketKey) -> LiveMarket:
        """The market of a key, made on first use."""
        if key not in self.by_key:
            self.by_key[key] = LiveMarket(key, self.interval_ms)
            self._by_symbol[key.symbol].append(self.by_key[key])
        return self.by_key[key]

    def forget(self, key: MarketKey) -> None:
        """Drop a market that is not followed any more; its next record begins it anew."""
        if (market := self.by_key.pop(key, None)) is not None:
            self._by_symbol[key.symbol].remove(market)
            if not self._by_symbol[key.symbol]:
                del self._by_symbol[key.symbol]

    def of_symbol(self, symbol: str) -> list[LiveMarket]:
        """The markets of a symbol, in the order their first records came."""
        return list(self._by_symbol.get(symbol, ()))


def bars_of(closed: Sequence[ClosedBar], interval_ms: int) -> tuple[Bars, FloatArray, FloatArray]:
    """Columns of closed bars, and the long and short USD liquidated in each (NaN: unknown)."""
    bars = Bars.from_candles((bar.candle for bar in closed), interval_ms)
    bars.open_interest_base[:] = [bar.open_interest_base for bar in closed]
    bars.reported_open_interest[:] = [bar.reported_open_interest for bar in closed]
    long_usd = np.array([bar.liquidated_long_usd for bar in closed], dtype=np.float64)
    short_usd = np.array([bar.liquidated_short_usd for bar in closed], dtype=np.float64)
    return bars, long_usd, short_usd
