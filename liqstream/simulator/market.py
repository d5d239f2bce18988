"""A market of leveraged traders who are really liquidated, every position known, to test the estimate.

A minute is worked out at its start (`engine.py`) and shown as it passes (`minute_path.py`). Everything
follows from the seed and the UTC clock: a market of the same seed asked on the same day is the same market,
and one asked a day later has nearly the same past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from liqstream.market import DAY_MS, HOUR_MS, MINUTE_MS, Side
from liqstream.simulator.accounts import SimulatedAccounts
from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.engine import Engine
from liqstream.simulator.ledger import Fill
from liqstream.simulator.minute_path import MinutePath

FUNDING_MS = 8 * HOUR_MS
DAY_TURNOVER = 2.5
"""What is traded in a day, as a multiple of the open interest."""


@dataclass(frozen=True, slots=True)
class Level:
    """One standing position: USD at its liquidation price."""

    price: float
    side: Side
    notional_usd: float
    leverage: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of any interval, complete or as far as it has come; volumes in base coin and USD."""

    open_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume_base: float
    volume_quote_usd: float
    taker_buy_base: float
    taker_buy_quote_usd: float
    closed: bool


class SimulatedMarket:
    """`symbols` from `history_days` whole UTC days before `now_ms` on, known up to the minute of `now_ms`.

    Another `population` is another exchange of the same market: the same exogenous moves, other traders, and
    prices that differ by what their forced orders do. `share` is its part of the usual open interest. Raises
    ValueError for a symbol it does not list. Not thread-safe.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        now_ms: int,
        seed: int = 7,
        history_days: int = 7,
        population: int = 0,
        share: float = 1.0,
    ) -> None:
        unknown = [symbol for symbol in symbols if symbol not in CONTRACTS]
        if unknown:
            raise ValueError(
                f"the simulated exchange does not list {', '.join(unknown)}; it lists {', '.join(CONTRACTS)}"
            )
        self.symbols = tuple(symbols)
        self.unlisted: set[str] = set()
        """Symbols that the exchange does not list just now; their market goes on."""
        self._row = {symbol: row for row, symbol in enumerate(self.symbols)}
        listed = (CONTRACTS[symbol] for symbol in symbols)
        contracts = [replace(each, open_interest_usd=share * each.open_interest_usd) for each in listed]
        first_day = now_ms // DAY_MS - history_days
        self._engine = Engine(contracts, first_day=first_day, seed=seed, population=population)
        self._ledger = self._engine.ledger
        self._positions = self.positions = self._engine.positions
        self.changes = self._engine.changes
        self.accounts = SimulatedAccounts(self, seed)
        self.advance(now_ms)

    @property
    def listed(self) -> tuple[str, ...]:
        """The symbols that the exchange lists now."""
        return tuple(symbol for symbol in self.symbols if symbol not in self.unlisted)

    @property
    def first_ms(self) -> int:
        """The open of the oldest minute that is known."""
        return self._ledger.first_ms

    def change_margins(self, share: float) -> None:
        """From the next minute on so many of the positions, as a share a day, have their margin changed."""
        self._engine.margin_changes = share

    def advance(self, now_ms: int) -> None:
        """Work the market out up to the minute of `now_ms`; cheap when there is nothing to do."""
        while self._ledger.end_ms <= now_ms:
            self._engine.step_minute()

    def price(self, symbol: str, at_ms: int) -> float:
        """The last price at a moment, in USD on the price grid; the mark price too, for there is no basis."""
        path, share = self._path(symbol, at_ms)
        return self._on_price_grid(symbol, path.price_at(share))

    def bars(self, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int, now_ms: int) -> list[Bar]:
        """Bars that open in [start_ms, end_ms), the last one as far as it has come at `now_ms`."""
        start_ms = max(start_ms, self.first_ms)
        first = -(-start_ms // interval_ms) * interval_ms
        last = min(end_ms, now_ms + 1)
        return [
            self._bar(symbol, interval_ms, open_ms, now_ms) for open_ms in range(first, last, interval_ms)
        ]

    def open_interest(self, symbol: str, at_ms: int) -> float:
        """Open contracts in base coin: what longs hold, or shorts, whichever is more (a market maker, who is
        never liquidated, holds the rest)."""
        row = self._row[symbol]
        if at_ms < self._ledger.end_ms - MINUTE_MS:
            return float(self._ledger.rows(row, at_ms - MINUTE_MS + 1, at_ms + 1)["open_interest_base"][-1])
        alive = self._positions.standing(row, at_ms)
        longs = self._positions.is_long[alive]
        held = self._positions.quantity[alive]
        return max(float(held[longs].sum()), float(held[~longs].sum()))

    def liquidations(self, symbol: str, *, start_ms: int, end_ms: int) -> list[Fill]:
        """Forced orders filled in [start_ms, end_ms), in order."""
        row = self._row[symbol]
        found: list[Fill] = []
        for fill in reversed(self._ledger.fills):
            if fill.time_ms < start_ms - MINUTE_MS:
                break
            if fill.symbol == row and start_ms <= fill.time_ms < end_ms:
                found.append(fill)
        return sorted(found, key=lambda fill: fill.time_ms)

    def funding_rate(self, symbol: str, at_ms: int) -> float:
        """What longs pay to shorts per 8 h as a fraction: more when there are more longs than shorts."""
        rows = self._ledger.rows(self._row[symbol], at_ms - MINUTE_MS, at_ms)
        imbalance = float(rows["imbalance"][-1]) if len(rows) else 0.0
        return round(float(np.clip(0.0001 + 0.0012 * imbalance, -0.003, 0.003)), 8)

    def standing(self, symbol: str, at_ms: int) -> list[Level]:
        """Every open position's liquidation price, at a moment of the minute being shown."""
        alive = self._positions.standing(self._row[symbol], at_ms)
        prices = self._positions.liquidation[alive]
        notional = prices * self._positions.quantity[alive]
        return [
            Level(price, "long" if is_long else "short", usd, leverage)
            for price, is_long, usd, leverage in zip(
                prices.tolist(),
                self._positions.is_long[alive].tolist(),
                notional.tolist(),
                self._positions.leverage[alive].tolist(),
                strict=True,
            )
        ]

    def _path(self, symbol: str, at_ms: int) -> tuple[MinutePath, float]:
        minute_ms = at_ms // MINUTE_MS * MINUTE_MS
        rows = self._ledger.rows(self._row[symbol], minute_ms, minute_ms + 1)
        opened, high, low, close, low_first, turn_1, turn_2 = (
            float(rows[name][0]) for name in ("open", "high", "low", "close", "low_first", "turn_1", "turn_2")
        )
        path = MinutePath(opened, high, low, close, bool(low_first), turn_1, turn_2)
        return path, (at_ms - minute_ms) / MINUTE_MS

    def _bar(self, symbol: str, interval_ms: int, open_ms: int, now_ms: int) -> Bar:
        closed = open_ms + interval_ms <= now_ms
        rows = self._ledger.rows(self._row[symbol], open_ms, min(open_ms + interval_ms, now_ms + 1))
        high, low = float(rows["high"].max()), float(rows["low"].min())
        close, weight = float(rows["close"][-1]), np.ones(len(rows))
        if not closed and now_ms < int(rows.open_time_ms[-1]) + MINUTE_MS:
            path, share = self._path(symbol, now_ms)
            low, high = path.seen_until(share)
            if len(rows) > 1:
                low, high = min(low, float(rows["low"][:-1].min())), max(high, float(rows["high"][:-1].max()))
            close = self.price(symbol, now_ms)
            weight[-1] = share
        volumes = (
            float(rows[name] @ weight)
            for name in ("volume_base", "volume_quote_usd", "taker_buy_base", "taker_buy_quote_usd")
        )
        base, quote, taker, taker_quote = (round(volume, 3) for volume in volumes)
        opened, high, low, close = (
            self._on_price_grid(symbol, price) for price in (float(rows["open"][0]), high, low, close)
        )
        return Bar(open_ms, opened, high, low, close, base, quote, taker, taker_quote, closed)

    def _on_price_grid(self, symbol: str, price: float) -> float:
        price_step = CONTRACTS[symbol].price_step
        return round(round(price / price_step) * price_step, 10)
