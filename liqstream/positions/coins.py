"""The coins an exchange lists, by number: margin tables, marks, open interest, how whole their trades are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from liqstream.market import FloatArray
from liqstream.positions.liquidation_price import MarginColumns
from liqstream.positions.margin_tables import MarginTable, table_of

NEVER_MS = 2**62
MOST_COINS = 4096
"""Many times what an exchange lists: names beyond it are made up. An account's row and a coin's number make
one key."""
_UNKNOWN = table_of([(0.0, 1.0)])


class Coins:
    """Columns by a coin's number, which it keeps; `followed` are those whose trades are listened to.

    `margin` has their tables by number, `mark` in USD (NaN: unknown), `open_interest` in base coin (NaN:
    unknown), `unbroken_ms`: since when no trade of a followed coin was missed, UTC ms.
    """

    def __init__(self, followed: Collection[str]) -> None:
        self.followed = frozenset(followed)
        self.tables: Mapping[str, MarginTable] = {}
        self.names: list[str] = []
        self.number_of: dict[str, int] = {}
        self.mark: FloatArray = np.zeros(0)
        self.open_interest: FloatArray = np.zeros(0)
        self.is_followed = np.zeros(0, dtype=np.bool_)
        self.unbroken_ms = np.zeros(0, dtype=np.int64)
        for coin in sorted(self.followed):
            self._add(coin)
        self._set_margin()

    def number(self, coin: str) -> int:
        """A coin's number, given now to one not met before. Raises ValueError beyond MOST_COINS."""
        known = self.number_of.get(coin)
        if known is not None:
            return known
        if len(self.names) >= MOST_COINS:
            raise ValueError(f"an exchange lists no more than {MOST_COINS} coins")
        number = self._add(coin)
        self._set_margin()
        return number

    def has_room_for(self, coin: str) -> bool:
        """Whether a coin has a number or can be given one."""
        return coin in self.number_of or len(self.names) < MOST_COINS

    def follow(self, coins: Collection[str]) -> None:
        """From now on these coins' trades are listened to, and no others."""
        self.followed = frozenset(coins)
        for coin in self.followed:
            self.number(coin)
        self.is_followed = np.array([name in self.followed for name in self.names], dtype=np.bool_)

    def _add(self, coin: str) -> int:
        number = self.number_of[coin] = len(self.names)
        self.names.append(coin)
        self.mark = np.append(self.mark, np.nan)
        self.open_interest = np.append(self.open_interest, np.nan)
        self.is_followed = np.append(self.is_followed, coin in self.followed)
        self.unbroken_ms = np.append(self.unbroken_ms, NEVER_MS)
        return number

    def set_tables(self, tables: Mapping[str, MarginTable]) -> None:
        """Take in the margin tables as they are now."""
        self.tables = tables
        for coin in sorted(tables.keys() - self.number_of.keys())[: MOST_COINS - len(self.names)]:
            self._add(coin)
        self._set_margin()

    def note_market(self, coin: str, mark: float, open_interest: float) -> None:
        """A coin's mark price and open interest now; passed over for one more than there may be."""
        if not self.has_room_for(coin):
            return
        number = self.number(coin)
        self.mark[number], self.open_interest[number] = mark, open_interest

    def begin_trades(self, now_ms: int, coins: Collection[str] | None = None) -> None:
        """From now on every trade of these coins (None: of all followed) is met; some before may be
        missed."""
        for coin in self.followed if coins is None else coins:
            self.unbroken_ms[self.number(coin)] = now_ms

    def end_trades(self) -> None:
        """No trade is met any more until `begin_trades`."""
        self.unbroken_ms[:] = NEVER_MS

    def _set_margin(self) -> None:
        self.margin = MarginColumns([self.tables.get(name, _UNKNOWN) for name in self.names])
