"""One minute of the simulated market after another: weather, forced orders and their impact, exits, entries.

The weather moves the price, the price liquidates traders and runs their stops, their forced orders move the
price further: cascades happen, ebb away, and leave wicks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.market import DAY_MS, MINUTE_MS, FloatArray
from liqstream.simulator.contracts import Contract
from liqstream.simulator.ledger import Fill, Ledger
from liqstream.simulator.path import Walk
from liqstream.simulator.positions import SLOTS, Hits, Positions
from liqstream.simulator.traders import BoolArray, Entries, IntArray, day_of_entries
from liqstream.simulator.weather import MINUTES, day_of_weather

_WARM_DAYS = 3
"""Traders who came up to so long before the first minute are already there in it."""
_IMPACT_PER_OPEN_INTEREST = 0.25
"""Log price move per forced order's share of the usual open interest: 1 % of it moves the price by 0.25 %."""
_MOST_IMPACT = 0.012
_LASTING = 0.6
"""Share of a forced order's move that is left at the end of its minute."""
_IMPACT_KEPT = 0.5 ** (1 / 25.0)
"""Share of a move that is left a minute later: half of it after 25."""
_DAILY_TURNOVER = 2.5
"""Traded USD a day over open interest, apart from what the known traders do."""
_LIQUIDATION_SLIP = 0.0004
_NEXT_CROWD = 1_000_003
"""Between the seeds of two crowds, so that no other market's seed is met."""


@dataclass(frozen=True, slots=True)
class _Day:
    """A day made ready: arrays of shape (1440, symbols), and its entries with where each minute's begin."""

    entries: Entries
    entry_bounds: IntArray
    close: FloatArray
    high: FloatArray
    low: FloatArray
    sigma: FloatArray
    follows_the_close: BoolArray
    turn_1: FloatArray
    turn_2: FloatArray
    crowd_usd: FloatArray
    taker_noise: FloatArray


class Engine:
    """The market's machinery; `ledger` is what has happened, `positions` what stands.

    `seed` makes the weather, `crowd` who trades in it: two crowds of a seed are two venues of one market.
    """

    def __init__(self, contracts: Sequence[Contract], *, first_day: int, seed: int, crowd: int = 0) -> None:
        self.contracts = tuple(contracts)
        self._seed = seed
        self._traders_seed = seed + crowd * _NEXT_CROWD
        self._count = len(self.contracts)
        self.ledger = Ledger(self._count, first_day * DAY_MS)
        self.positions = Positions(self._count)
        self._base = np.array([contract.base_price for contract in self.contracts])
        self._tick = np.array([contract.tick for contract in self.contracts])
        self._step = np.array([contract.quantity_step for contract in self.contracts])
        self._usual_oi_usd = np.array([contract.open_interest_usd for contract in self.contracts])
        self._impact = np.zeros(self._count)
        self._longs, self._shorts = np.zeros(self._count), np.zeros(self._count)
        self._day_number = first_day
        self._day = self._prepared(first_day)
        yesterday = day_of_weather(self.contracts, first_day - 1, seed)
        self._last_close = self._to_tick(self._base * np.exp(yesterday.close[:, -1]))
        self._settle_the_past(first_day)

    def live_a_minute(self) -> None:
        """Work out the minute after the ledger's last."""
        open_ms = self.ledger.end_ms
        day, minute = divmod(open_ms // MINUTE_MS, MINUTES)
        if day != self._day_number:
            self._day_number = day
            self._day = self._prepared(day)
        self.positions.sweep()
        self._impact *= _IMPACT_KEPT
        hits, walk = self._move_price(minute)
        traded_usd = np.zeros(self._count)
        fills = self._end_touched(hits, walk, open_ms, traded_usd)
        self._end_expired(walk, open_ms, traded_usd)
        self._enter_newcomers(walk, minute, open_ms, traded_usd)
        self._book(walk, minute, fills, traded_usd)
        self._last_close = walk.close

    def _prepared(self, day: int) -> _Day:
        """Everything of a day that does not depend on what the traders do in it."""
        weather = day_of_weather(self.contracts, day, self._seed)
        entries = day_of_entries(self.contracts, weather, day, self._traders_seed)
        rng = np.random.Generator(np.random.SFC64([self._seed, day]))
        draws = rng.uniform(size=(5, MINUTES, self._count))
        busy = weather.activity.T**1.3 * np.exp(draws[3] - 0.6)
        return _Day(
            entries,
            np.searchsorted(entries.minute, np.arange(MINUTES + 1)),
            close=self._base * np.exp(weather.close.T),
            high=self._base * np.exp(weather.high.T),
            low=self._base * np.exp(weather.low.T),
            sigma=weather.sigma.T.copy(),
            follows_the_close=draws[0] < 0.75,
            turn_1=0.08 + 0.34 * draws[1],
            turn_2=0.5 + 0.42 * draws[2],
            crowd_usd=self._usual_oi_usd * _DAILY_TURNOVER / MINUTES * busy,
            taker_noise=0.06 * (draws[4] - 0.5),
        )

    def _move_price(self, minute: int) -> tuple[list[Hits], Walk]:
        day, scale, opened = self._day, np.exp(self._impact), self._last_close
        close = scale * day.close[minute]
        high = np.maximum(scale * day.high[minute], np.maximum(opened, close))
        low = np.minimum(scale * day.low[minute], np.minimum(opened, close))
        hits = self._cascade(low, high, close)
        close = self._to_tick(close)
        high = np.maximum(np.ceil(high / self._tick - 1e-6) * self._tick, np.maximum(opened, close))
        low = np.minimum(np.floor(low / self._tick + 1e-6) * self._tick, np.minimum(opened, close))
        low_first = day.follows_the_close[minute] == (close >= opened)
        return hits, Walk(opened, high, low, close, low_first, day.turn_1[minute], day.turn_2[minute])

    def _cascade(self, low: FloatArray, high: FloatArray, close: FloatArray) -> list[Hits]:
        """Run stops and liquidations until the price comes to rest; widens low, high, close in place."""
        found: list[Hits] = []
        calm_low, calm_high, calm_close = low.copy(), high.copy(), close.copy()
        sold, bought = np.zeros(self._count), np.zeros(self._count)
        while len(hits := self.positions.touched(low, high)):
            found.append(hits)
            symbol = hits.slots // SLOTS
            usd = self.positions.quantity[hits.slots] * hits.trigger
            forced = usd * (self.positions.is_long[hits.slots] == hits.below)
            sold += np.bincount(symbol, weights=forced * hits.below, minlength=self._count)
            bought += np.bincount(symbol, weights=forced * ~hits.below, minlength=self._count)
            down, up = self._push(sold), self._push(bought)
            np.multiply(calm_close, np.exp(_LASTING * (up - down)), out=close)
            np.maximum(calm_high * np.exp(up), close, out=high)
            np.minimum(calm_low * np.exp(-down), close, out=low)
            self.positions.retire(hits.slots)
        self._impact += _LASTING * (self._push(bought) - self._push(sold))
        return found

    def _push(self, forced_usd: FloatArray) -> FloatArray:
        """How far a minute's forced orders move the log price; buyers of the dip bound it."""
        plain = _IMPACT_PER_OPEN_INTEREST * forced_usd / self._usual_oi_usd
        return np.asarray(_MOST_IMPACT * np.tanh(plain / _MOST_IMPACT))

    def _end_touched(self, hits: list[Hits], walk: Walk, open_ms: int, traded_usd: FloatArray) -> list[Fill]:
        """Book positions that met their end, each at the moment the path reached it; its liquidations."""
        if not hits:
            return []
        slots = np.concatenate([hit.slots for hit in hits])
        below = np.concatenate([hit.below for hit in hits])
        trigger = np.concatenate([hit.trigger for hit in hits])
        share = walk.of(slots // SLOTS).first_reached(trigger, below)
        closed_ms = open_ms + np.minimum(np.floor(share * MINUTE_MS), MINUTE_MS - 1)
        self._release(slots, closed_ms, trigger, traded_usd)
        # A cautious trader's stop stands before his liquidation price: what was touched tells which it was.
        liquidated = np.flatnonzero(trigger == self.positions.liquidation[slots])
        in_order = liquidated[np.argsort(closed_ms[liquidated], kind="stable")]
        return [self._fill(int(slots[row]), int(closed_ms[row])) for row in in_order]

    def _fill(self, slot: int, time_ms: int) -> Fill:
        positions = self.positions
        is_long = bool(positions.is_long[slot])
        sign = 1.0 if is_long else -1.0
        row, trigger = slot // SLOTS, float(positions.liquidation[slot])
        tick, step = self.contracts[row].tick, self.contracts[row].quantity_step
        bankruptcy = float(positions.entry[slot]) * (1 - sign / float(positions.leverage[slot]))

        def in_ticks(price: float) -> float:
            return round(round(price / tick) * tick, 10)

        return Fill(
            symbol=row,
            time_ms=time_ms,
            side="long" if is_long else "short",
            trigger=trigger,
            price=in_ticks(trigger * (1 - sign * _LIQUIDATION_SLIP)),
            bankruptcy=in_ticks(bankruptcy),
            quantity=round(round(float(positions.quantity[slot]) / step) * step, 10),
            leverage=float(positions.leverage[slot]),
        )

    def _end_expired(self, walk: Walk, open_ms: int, traded_usd: FloatArray) -> None:
        slots = self.positions.expired(open_ms + MINUTE_MS - 1)
        if len(slots):
            closed_ms = np.maximum(np.floor(self.positions.exit_ms[slots]), open_ms)
            self.positions.retire(slots)
            self._release(slots, closed_ms, walk.close[slots // SLOTS], traded_usd)

    def _release(
        self, slots: IntArray, closed_ms: FloatArray, price: FloatArray, traded_usd: FloatArray
    ) -> None:
        positions = self.positions
        positions.closed_ms[slots] = np.maximum(closed_ms, positions.opened_ms[slots])
        symbol, quantity = slots // SLOTS, positions.quantity[slots]
        is_long = positions.is_long[slots]
        self._longs -= np.bincount(symbol, weights=quantity * is_long, minlength=self._count)
        self._shorts -= np.bincount(symbol, weights=quantity * ~is_long, minlength=self._count)
        traded_usd += np.bincount(symbol, weights=quantity * price, minlength=self._count)

    def _enter_newcomers(self, walk: Walk, minute: int, open_ms: int, traded_usd: FloatArray) -> None:
        entries, bounds = self._day.entries, self._day.entry_bounds
        rows = slice(int(bounds[minute]), int(bounds[minute + 1]))
        if rows.start == rows.stop:
            return
        symbol = entries.symbol[rows]
        share = entries.minute[rows] - minute
        opened_ms = open_ms + np.floor(share * MINUTE_MS)
        exit_ms = opened_ms + entries.hold_minutes[rows] * MINUTE_MS
        price = walk.of(symbol).line_at(share)
        self._enter(entries, rows, price, opened_ms, exit_ms)
        usd = entries.notional_usd[rows]
        traded_usd += np.bincount(symbol, weights=usd, minlength=self._count)

    def _enter(
        self,
        entries: Entries,
        rows: slice | IntArray,
        price: FloatArray,
        opened_ms: FloatArray,
        exit_ms: FloatArray,
    ) -> None:
        symbol = entries.symbol[rows]
        step = self._step[symbol]
        quantity = np.maximum(np.round(entries.notional_usd[rows] / price / step), 1.0) * step
        slots = self.positions.open(
            entries, rows, price=price, quantity=quantity, opened_ms=opened_ms, exit_ms=exit_ms
        )
        held = np.where(slots >= 0, quantity, 0.0)
        is_long = entries.is_long[rows]
        self._longs += np.bincount(symbol, weights=held * is_long, minlength=self._count)
        self._shorts += np.bincount(symbol, weights=held * ~is_long, minlength=self._count)

    def _settle_the_past(self, first_day: int) -> None:
        """Open the positions that traders of the days before would still hold at the first minute."""
        days = range(first_day - _WARM_DAYS, first_day)
        weathers = [day_of_weather(self.contracts, day, self._seed) for day in days]
        lows = self._base[:, None] * np.exp(np.concatenate([weather.low for weather in weathers], axis=1))
        highs = self._base[:, None] * np.exp(np.concatenate([weather.high for weather in weathers], axis=1))
        ahead_low = np.minimum.accumulate(lows[:, ::-1], axis=1)[:, ::-1]
        ahead_high = np.maximum.accumulate(highs[:, ::-1], axis=1)[:, ::-1]
        for back, (day, weather) in enumerate(zip(days, weathers, strict=True)):
            entries = day_of_entries(self.contracts, weather, day, self._traders_seed)
            minute = entries.minute.astype(np.int64)
            price = self._base[entries.symbol] * np.exp(weather.close[entries.symbol, minute])
            after = np.minimum(minute + 1 + back * MINUTES, lows.shape[1] - 1)
            opened_ms = day * DAY_MS + np.floor(entries.minute * MINUTE_MS)
            exit_ms = opened_ms + entries.hold_minutes * MINUTE_MS
            alive = exit_ms > first_day * DAY_MS
            alive &= price * entries.lower < ahead_low[entries.symbol, after]
            alive &= price * entries.upper > ahead_high[entries.symbol, after]
            rows = np.flatnonzero(alive)
            self._enter(entries, rows, price[rows], opened_ms[rows], exit_ms[rows])

    def _book(self, walk: Walk, minute: int, fills: list[Fill], traded_usd: FloatArray) -> None:
        """Write the minute down; what the known traders did is part of the turnover."""
        day = self._day
        volume_usd = day.crowd_usd[minute] + traded_usd
        mean_price = (walk.open + walk.high + walk.low + walk.close) / 4
        move = np.log(walk.close / walk.open) / day.sigma[minute]
        taker_share = 0.5 + 0.22 * np.tanh(move / 1.5) + day.taker_noise[minute]
        held = self._longs + self._shorts
        self.ledger.add(
            fills,
            open=walk.open,
            high=walk.high,
            low=walk.low,
            close=walk.close,
            volume_base=volume_usd / mean_price,
            volume_quote_usd=volume_usd,
            taker_buy_base=volume_usd * taker_share / mean_price,
            taker_buy_quote_usd=volume_usd * taker_share,
            open_interest_base=np.maximum(self._longs, self._shorts),
            imbalance=(self._longs - self._shorts) / np.maximum(held, 1e-9),
            low_first=walk.low_first.astype(np.float64),
            turn_1=walk.turn_1,
            turn_2=walk.turn_2,
        )

    def _to_tick(self, price: FloatArray) -> FloatArray:
        return np.asarray(np.round(price / self._tick) * self._tick)
