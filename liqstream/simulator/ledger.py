"""What has happened on the simulated exchange, minute by minute: what tests compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.market import MINUTE_MS, FloatArray, Side, TimeArray

_COLUMNS = (
    "open",
    "high",
    "low",
    "close",
    "volume_base",
    "volume_quote_usd",
    "taker_buy_base",
    "taker_buy_quote_usd",
    "open_interest_base",
    "imbalance",
    "low_first",
    "turn_1",
    "turn_2",
)
_KEEP_MINUTES = 40 * 1440
_DROP_MINUTES = 5 * 1440


@dataclass(frozen=True, slots=True)
class Fill:
    """One filled liquidation order: `trigger` is the exact liquidation price, `price` what it was filled at,
    `bankruptcy` where the margin is gone."""

    symbol: int
    time_ms: int
    side: Side
    trigger: float
    price: float
    bankruptcy: float
    quantity: float
    leverage: float


@dataclass(frozen=True, slots=True)
class Rows:
    """Minutes of one symbol as columns; `open_time_ms` ascending without gaps."""

    open_time_ms: TimeArray
    columns: dict[str, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.open_time_ms)


class Ledger:
    """Minutes of S symbols from `first_ms` on, and every liquidation; forgets what is older than 40 days."""

    def __init__(self, symbols: int, first_ms: int) -> None:
        self.first_ms = first_ms
        self.minutes = 0
        self._data = {name: np.zeros((symbols, 16 * 1440)) for name in _COLUMNS}
        self.fills: list[Fill] = []

    @property
    def end_ms(self) -> int:
        """The close of the last minute."""
        return self.first_ms + self.minutes * MINUTE_MS

    def add(self, fills: list[Fill], **columns: FloatArray) -> None:
        """Append one minute: an array of shape (S,) per column, and its liquidations in time order."""
        if self.minutes == self._data["open"].shape[1]:
            self._make_room()
        for name, values in columns.items():
            self._data[name][:, self.minutes] = values
        self.fills += fills
        self.minutes += 1

    def rows(self, symbol: int, start_ms: int, end_ms: int) -> Rows:
        """The minutes that opened in [start_ms, end_ms)."""
        first = min(self.minutes, max(0, -(-(start_ms - self.first_ms) // MINUTE_MS)))
        last = min(self.minutes, max(first, -(-(end_ms - self.first_ms) // MINUTE_MS)))
        times = self.first_ms + np.arange(first, last, dtype=np.int64) * MINUTE_MS
        return Rows(times, {name: data[symbol, first:last] for name, data in self._data.items()})

    def _make_room(self) -> None:
        if self.minutes >= _KEEP_MINUTES:
            for name, data in self._data.items():
                self._data[name] = np.concatenate(
                    (data[:, _DROP_MINUTES:], np.zeros((data.shape[0], _DROP_MINUTES))), axis=1
                )
            self.first_ms += _DROP_MINUTES * MINUTE_MS
            self.minutes -= _DROP_MINUTES
            self.fills = [fill for fill in self.fills if fill.time_ms >= self.first_ms]
            return
        for name, data in self._data.items():
            self._data[name] = np.concatenate((data, np.zeros_like(data)), axis=1)
