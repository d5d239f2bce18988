"""Rows on their way into the store, each fact once, split by table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqstream.market import Candle, MarketEvent, MarketKey
from liqstream.store.tables import TABLES, Table

Key = tuple[Any, ...]

Fields = Callable[[object], Key]


def _fields(names: tuple[str, ...]) -> Fields:
    return attrgetter(*(name for name in names if name != "occurrence"))


_KEY_OF: dict[str, Fields] = {table.name: _fields(table.key) for table in TABLES}
_ROW_OF: dict[str, Fields] = {table.name: _fields(table.columns) for table in TABLES}
_TABLE_OF: dict[type, Table] = {table.record: table for table in TABLES}


class Batch:
    """Records to be written together; the newest of equal keys wins.

    Forming candles and mark prices are left out: they live in memory only.
    """

    __slots__ = ("duplicates", "replaced", "rows")

    def __init__(self) -> None:
        self.rows: dict[str, dict[Key, Key]] = {table.name: {} for table in TABLES}
        self.duplicates = 0
        self.replaced = 0

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))

    def add(self, records: Sequence[MarketEvent]) -> None:
        """Take in the records of one message.

        Equal liquidations within it are different ones (an exchange lists each once); equal ones in another
        call are the same ones received again.
        """
        occurrences: Counter[Key] = Counter()
        for record in records:
            table = _TABLE_OF.get(type(record))
            if table is None or (isinstance(record, Candle) and not record.closed):
                continue
            key, row = _KEY_OF[table.name](record), _ROW_OF[table.name](record)
            if table.counted:
                key = row = (*key, occurrences[key])
                occurrences[key[:-1]] += 1
            self._put(table.name, key, row)

    def _put(self, name: str, key: Key, row: Key) -> None:
        known = self.rows[name].get(key)
        if known == row:
            self.duplicates += 1
            return
        if known is not None:
            self.replaced += 1
        self.rows[name][key] = row

    def records(self, market: MarketKey) -> list[MarketEvent]:
        """The records of one market, as they were taken in."""
        found: list[MarketEvent] = []
        for table in TABLES:
            names = [name for name in table.columns if name != "occurrence"]
            for row in self.rows[table.name].values():
                values = dict(zip(names, row, strict=False))
                if (values["exchange"], values["symbol"]) == (market.exchange, market.symbol):
                    found.append(table.record(**values))
        return found

    def put_back(self, older: Batch) -> None:
        """Take in what an earlier batch could not write; what this batch knows is newer and stays."""
        for name, rows in older.rows.items():
            self.rows[name] = rows | self.rows[name]

    def drop_oldest(self, keep: int) -> int:
        """Give up rows until `keep` are left; returns how many were given up."""
        surplus = max(0, len(self) - keep)
        left = surplus
        for rows in self.rows.values():
            for key in list(rows)[:left]:
                del rows[key]
                left -= 1
        return surplus


def columns(table: Table, rows: Sequence[Key]) -> dict[str, NDArray[Any]]:
    """Rows of one table (at least one) as NumPy columns by name; unknown numbers are NaN."""
    return {
        name: np.array(values, dtype=_dtype(table, name))
        for name, values in zip(table.columns, zip(*rows, strict=True), strict=True)
    }


def _dtype(table: Table, column: str) -> type:
    if column in table.texts:
        return object
    if column in table.booleans:
        return np.bool_
    return np.int64 if column in table.integers else np.float64
