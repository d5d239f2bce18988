"""One minute of the simulated market after another: exogenous moves, forced orders and their impact,
exits, entries.

Exogenous moves shift the price, the price liquidates traders and runs their stops, their forced orders
move it further: cascades happen, ebb away, and leave wicks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.market import DAY_MS, MINUTE_MS, FloatArray
from liqstream.simulator.contracts import Contract
from liqstream.simulator.ledger import Fill, Ledger
from liqstream.simulator.minute_path import Walk
from liqstream.simulator.position_changes import ChangeLog, PositionChanges
from liqstream.simulator.positions import NEVER_MS, SLOTS, Hits, Positions
from liqstream.simulator.price_process import MINUTES, exogenous_day
from liqstream.simulator.traders import BoolArray, Entries, IntArray, day_of_entries

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
_MARGIN_ADDED, _MARGIN_TIMES = 0.8, ((0.7, 0.9), (1.1, 1.6))
"""Of those who change their margin so many add some; how much farther removing and adding moves a level."""
_POPULATION_SEED_STEP = 1_000_003
"""Between the seeds of two populations, so that no other market's seed is met."""


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
    background_usd: FloatArray
    taker_noise: FloatArray


class Engine:
    """The market's machinery; `ledger` is what has happened, `positions` what stands.

    `seed` makes the exogenous moves, `population` who trades in them: two populations of a seed are two
    exchanges of one market.
    """

    def __init__(
        self, contracts: Sequence[Contract], *, first_day: int, seed: int, population: int = 0
    ) -> None:
        self.contracts = tuple(contracts)
        # Of the exogenous moves; the same for every population.
        self._seed = seed
        # Of who enters.
        self._traders_seed = seed + population * _POPULATION_SEED_STEP
        # Symbols; the length of every array below.
        self._count = len(self.contracts)
        self.ledger = Ledger(self._count, first_day * DAY_MS)
        self.positions = Positions(self._count)
        self.changes = ChangeLog()
        self.margin_changes = 0.0
        """Share of the positions whose margin is changed in a day: their level moves without a trade."""
        # Per contract; prices and steps in USD, quantities in base coin.
        self._base = np.array([contract.base_price for contract in self.contracts])
        # USD: the smallest price difference.
        self._price_step = np.array([contract.price_step for contract in self.contracts])
        # Base coin: the smallest quantity difference.
        self._step = np.array([contract.quantity_step for contract in self.contracts])
        # USD: what forced orders are measured against.
        self._usual_oi_usd = np.array([contract.open_interest_usd for contract in self.contracts])
        # Log price move that forced orders have left; decays by _IMPACT_KEPT a minute.
        self._impact = np.zeros(self._count)
        # Base coin held by each side; kept in step with `positions` by _enter and _release.
        self._longs, self._shorts = np.zeros(self._count), np.zeros(self._count)
        # UTC day that `_day` was made ready for (days since 1970).
        self._day_number = first_day
        self._day = self._prepared(first_day)  # replaced at each midnight
        yesterday = exogenous_day(self.contracts, first_day - 1, seed)
        # USD; the next minute opens there.
        self._last_close = self._to_price_step(self._base * np.exp(yesterday.close[:, -1]))
        self._settle_the_past(first_day)

    def step_minute(self) -> None:
        """Work out the minute after the ledger's last."""
        open_ms = self.ledger.end_ms
        day, minute = divmod(open_ms // MINUTE_MS, MINUTES)
        if day != self._day_number:
            self._day_number = day
            self._day = self._prepared(day)
        self.positions.sweep()
        self.changes.begin_minute()
        self._impact *= _IMPACT_KEPT
        if self.margin_changes:
            self._change_margins(open_ms)
        hits, walk = self._move_price(minute)
        traded_usd = np.zeros(self._count)
        fills = self._end_touched(hits, walk, open_ms, traded_usd)
        self._end_expired(walk, open_ms, traded_usd)
        self._enter_newcomers(walk, minute, open_ms, traded_usd)
        self._book(walk, minute, fills, traded_usd)
        self._last_close = walk.close

    def _change_margins(self, open_ms: int) -> None:
        rng = np.random.Generator(np.random.SFC64([self._traders_seed, open_ms // MINUTE_MS, 11]))
        stands = (self.positions.opened_ms < open_ms) & (self.positions.closed_ms >= NEVER_MS)
        chance, adds, part = rng.uniform(size=(3, len(stands)))
        slots = np.flatnonzero(stands & (chance < self.margin_changes / MINUTES))
        low, high = np.array(_MARGIN_TIMES)[(adds[slots] < _MARGIN_ADDED).astype(int)].T
        times = low + (high - low) * part[slots]
        self.positions.change_margin(slots, times, self._last_close[slots // SLOTS])

    def _prepared(self, day: int) -> _Day:
        """Everything of a day that does not depend on what the traders do in it."""
        exogenous = exogenous_day(self.contracts, day, self._seed)
        entries = day_of_entries(self.contracts, exogenous, day, self._traders_seed)
        rng = np.random.Generator(np.random.SFC64([self._seed, day]))
        draws = rng.uniform(size=(5, MINUTES, self._count))
        busy = exogenous.activity.T**1.3 * np.exp(draws[3] - 0.6)
        return _Day(
            entries,
            np.searchsorted(entries.minute, np.arange(MINUTES + 1)),
            close=self._base * np.exp(exogenous.close.T),
            high=self._base * np.exp(exogenous.high.T),
            low=self._base * np.exp(exogenous.low.T),
            sigma=exogenous.sigma.T.copy(),
            follows_the_close=draws[0] < 0.75,
            turn_1=0.08 + 0.34 * draws[1],
            turn_2=0.5 + 0.42 * draws[2],
            background_usd=self._usual_oi_usd * _DAILY_TURNOVER / MINUTES * busy,
            taker_noise=0.06 * (draws[4] - 0.5),
        )

    def _move_price(self, minute: int) -> tuple[list[Hits], Walk]:
        day, scale, opened = self._day, np.exp(self._impact), self._last_close
        close = scale * day.close[minute]
        high = np.maximum(scale * day.high[minute], np.maximum(opened, close))
        low = np.minimum(scale * day.low[minute], np.minimum(opened, close))
        hits = self._cascade(low, high, close)
        close = self._to_price_step(close)
        high = np.maximum(
            np.ceil(high / self._price_step - 1e-6) * self._price_step, np.maximum(opened, close)
        )
        low = np.minimum(
            np.floor(low / self._price_step + 1e-6) * self._price_step, np.minimum(opened, close)
        )
        low_first = day.follows_the_close[minute] == (close >= opened)
        return hits, Walk(opened, high, low, close, low_first, day.turn_1[minute], day.turn_2[minute])

    def _cascade(self, low: FloatArray, high: FloatArray, close: FloatArray) -> list[Hits]:
        """Run stops and liquidations until the price comes to rest; widens low, high, close in place."""
        found: list[Hits] = []
        if not len(hits := self.positions.touched(low, high)):
            return found
        calm_low, calm_high, calm_close = low.copy(), high.copy(), close.copy()
        sold, bought = np.zeros(self._count), np.zeros(self._count)
        while len(hits):
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
            hits = self.positions.touched(low, high)
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
        price_step, quantity_step = self.contracts[row].price_step, self.contracts[row].quantity_step
        bankruptcy = float(positions.entry[slot]) * (1 - sign / float(positions.leverage[slot]))

        def on_price_grid(price: float) -> float:
            """USD to the nearest price step of the contract."""
            return round(round(price / price_step) * price_step, 10)

        return Fill(
            symbol=row,
            time_ms=time_ms,
            side="long" if is_long else "short",
            trigger=trigger,
            price=on_price_grid(trigger * (1 - sign * _LIQUIDATION_SLIP)),
            bankruptcy=on_price_grid(bankruptcy),
            quantity=round(round(float(positions.quantity[slot]) / quantity_step) * quantity_step, 10),
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
        # A stop stands before the liquidation price: the price a position ends at says which it was.
        level = np.where(price == positions.liquidation[slots], price, np.nan)
        signed = np.where(is_long, -quantity, quantity)
        opened_ms, ended_ms = positions.opened_ms[slots], positions.closed_ms[slots]
        self.changes.add(PositionChanges(slots, opened_ms, ended_ms, signed, price, level, closes=True))
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
        taken = np.flatnonzero(slots >= 0)
        signed, at_ms = np.where(is_long, quantity, -quantity)[taken], opened_ms[taken]
        unknown = np.full(len(taken), np.nan)
        self.changes.add(
            PositionChanges(slots[taken], at_ms, at_ms, signed, price[taken], unknown, closes=False)
        )
        self._longs += np.bincount(symbol, weights=held * is_long, minlength=self._count)
        self._shorts += np.bincount(symbol, weights=held * ~is_long, minlength=self._count)

    def _settle_the_past(self, first_day: int) -> None:
        """Open the positions that traders of the days before would still hold at the first minute."""
        days = range(first_day - _WARM_DAYS, first_day)
        exogenous_days = [exogenous_day(self.contracts, day, self._seed) for day in days]
        lows = self._base[:, None] * np.exp(np.concatenate([each.low for each in exogenous_days], axis=1))
        highs = self._base[:, None] * np.exp(np.concatenate([each.high for each in exogenous_days], axis=1))
        ahead_low = np.minimum.accumulate(lows[:, ::-1], axis=1)[:, ::-1]
        ahead_high = np.maximum.accumulate(highs[:, ::-1], axis=1)[:, ::-1]
        for back, (day, exogenous) in enumerate(zip(days, exogenous_days, strict=True)):
            entries = day_of_entries(self.contracts, exogenous, day, self._traders_seed)
            minute = entries.minute.astype(np.int64)
            price = self._base[entries.symbol] * np.exp(exogenous.close[entries.symbol, minute])
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
        volume_usd = day.background_usd[minute] + traded_usd
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

    def _to_price_step(self, price: FloatArray) -> FloatArray:
        return np.asarray(np.round(price / self._price_step) * self._price_step)
