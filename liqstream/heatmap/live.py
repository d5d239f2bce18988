"""What is known of each market right now, in memory: closed bars the model has yet to take, the forming
bar, the last price and open interest, and when the market last spoke.

`LiveMarket.apply` runs on the event loop and costs microseconds; the model is stepped elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from liqstream.market import (
    Bars,
    Candle,
    FloatArray,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
)

log = structlog.get_logger(__name__)

_REMEMBERED_BARS = 300
"""Bars in which a repeat is told from a fault."""


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
    liquidations_known: bool = False
    """Whether this source tells liquidations at all: if so a bar without one is a zero, else unknown."""
    disordered_ms: int = -1
    """Data time when a closed bar last came late or said something else than before; -1 if none did."""
    _newest_closed_ms: int = -1
    _said: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)
    _liquidated_usd: dict[int, tuple[float, float]] = field(default_factory=dict)

    def apply(self, event: MarketEvent, now_s: float) -> None:
        """Take one record; records of another interval than the model's count only as a sign of life."""
        self.last_event_s = now_s
        self.records += 1
        match event:
            case Candle():
                self._take_candle(event)
            case OpenInterest():
                self.open_interest_base, self.reported_open_interest = (
                    event.open_interest_base,
                    event.reported,
                )
                self._saw(event.time_ms)
            case MarkPrice():
                self.price_usd = event.price_usd
                self._saw(event.time_ms)
            case Liquidation():
                usd = event.notional_usd
                self._take_liquidated(event.time_ms, *((usd, 0.0) if event.side == "long" else (0.0, usd)))
                self._saw(event.time_ms)
            case LiquidationTotal() if event.interval_ms <= self.interval_ms:
                self._take_liquidated(event.open_time_ms, event.long_usd, event.short_usd)
            case _:
                pass

    def _saw(self, time_ms: int) -> None:
        self.data_time_ms = max(self.data_time_ms, time_ms)

    def _take_liquidated(self, time_ms: int, long_usd: float, short_usd: float) -> None:
        self.liquidations_known = True
        bar = time_ms - time_ms % self.interval_ms
        long_before, short_before = self._liquidated_usd.get(bar, (0.0, 0.0))
        self._liquidated_usd[bar] = (long_before + long_usd, short_before + short_usd)

    def _take_candle(self, candle: Candle) -> None:
        if candle.interval_ms != self.interval_ms:
            return
        if candle.open_time_ms <= self._newest_closed_ms:
            self._judge_late(candle)
            return
        if not candle.is_sound:
            log.warning("candle_refused", candle=candle)
            return
        self.price_usd = candle.close
        if not candle.closed:
            self.forming = candle
            self._saw(candle.open_time_ms)
            return
        if self.forming is not None and self.forming.open_time_ms <= candle.open_time_ms:
            self.forming = None
        self._newest_closed_ms = candle.open_time_ms
        self._remember(candle.open_time_ms, (candle.open, candle.high, candle.low, candle.close))
        self._saw(candle.open_time_ms + candle.interval_ms)
        none_seen = 0.0 if self.liquidations_known else math.nan
        long_usd, short_usd = self._liquidated_usd.pop(candle.open_time_ms, (none_seen, none_seen))
        self.closed.append(
            ClosedBar(candle, self.open_interest_base, self.reported_open_interest, long_usd, short_usd)
        )
        for bar in [bar for bar in self._liquidated_usd if bar <= candle.open_time_ms]:
            del self._liquidated_usd[bar]

    def _judge_late(self, candle: Candle) -> None:
        """A bar that is only repeated is no fault; one that was missing, or now reads differently, is."""
        if not candle.closed or not self._said or candle.open_time_ms < next(iter(self._said)):
            return
        if self._said.get(candle.open_time_ms) != (candle.open, candle.high, candle.low, candle.close):
            self.disordered_ms = self.data_time_ms

    def _remember(self, open_time_ms: int, prices: tuple[float, float, float, float]) -> None:
        self._said[open_time_ms] = prices
        while len(self._said) > _REMEMBERED_BARS:
            del self._said[next(iter(self._said))]

    def start_from(self, history: Bars) -> None:
        """Go on where stored history ends: its last price, open interest and time are the present so far."""
        last_open_ms = int(history.open_time_ms[-1])
        self._newest_closed_ms = max(self._newest_closed_ms, last_open_ms)
        self.closed = [bar for bar in self.closed if bar.candle.open_time_ms > last_open_ms]
        recent = history[-_REMEMBERED_BARS:]
        prices = (column.tolist() for column in (recent.open, recent.high, recent.low, recent.close))
        self._said = dict(zip(recent.open_time_ms.tolist(), zip(*prices, strict=True), strict=True))
        for bar in self.closed:
            one = bar.candle
            self._remember(one.open_time_ms, (one.open, one.high, one.low, one.close))
        self._saw(last_open_ms + history.interval_ms)
        if math.isnan(self.price_usd):
            self.price_usd = float(history.close[-1])
        if math.isnan(self.open_interest_base):
            self.open_interest_base = float(history.open_interest_base[-1])
            self.reported_open_interest = float(history.reported_open_interest[-1])

    def take_closed(self) -> list[ClosedBar]:
        """The closed bars since the last call, ascending."""
        taken, self.closed = self.closed, []
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

    def age_s(self, now_s: float) -> float:
        """Seconds since the market last spoke; infinite if it never did."""
        return math.inf if self.last_event_s is None else now_s - self.last_event_s


@dataclass(slots=True)
class LiveMarkets:
    """Every followed market's present, by key."""

    interval_ms: int
    clock_s: Callable[[], float]
    by_key: dict[MarketKey, LiveMarket] = field(default_factory=dict)

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Take a batch of records; unknown markets are added as they speak."""
        now_s = self.clock_s()
        for event in events:
            self.market(MarketKey(event.exchange, event.symbol)).apply(event, now_s)

    def market(self, key: MarketKey) -> LiveMarket:
        """The market of a key, made on first use."""
        if key not in self.by_key:
            self.by_key[key] = LiveMarket(key, self.interval_ms)
        return self.by_key[key]

    def of_symbol(self, symbol: str) -> list[LiveMarket]:
        """The markets of a symbol, in the order they were first heard of."""
        return [market for key, market in self.by_key.items() if key.symbol == symbol]


def bars_of(closed: Sequence[ClosedBar], interval_ms: int) -> tuple[Bars, FloatArray, FloatArray]:
    """Columns of closed bars, and the long and short USD liquidated in each."""
    bars = Bars.from_candles((bar.candle for bar in closed), interval_ms)
    bars.open_interest_base[:] = [bar.open_interest_base for bar in closed]
    bars.reported_open_interest[:] = [bar.reported_open_interest for bar in closed]
    long_usd = np.array([bar.liquidated_long_usd for bar in closed], dtype=np.float64)
    short_usd = np.array([bar.liquidated_short_usd for bar in closed], dtype=np.float64)
    return bars, long_usd, short_usd
