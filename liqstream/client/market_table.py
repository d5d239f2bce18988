"""The table of markets as a client holds it: whole, then changed, and asked for again where one is missing.

web/js/wire/market-table.js does the same; tests/market_table_cases.json holds both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from .messages import FieldChange, MarketsMessage
from .newest import Newest
from .snapshot import parse_time
from .symbol_stream import ASK_AGAIN_AFTER_DELTAS

Value: TypeAlias = int | float | str | bool | list[str] | None
"""A figure; None where it is not known."""


@dataclass(frozen=True, slots=True)
class MarketTable:
    """One state of the table: value i of each of `fields` is of symbol i (docs/websocket_api.md has them)."""

    time: datetime
    epoch: int
    seq: int
    symbols: tuple[str, ...]
    fields: Mapping[str, tuple[Value, ...]]

    def row(self, symbol: str) -> dict[str, Value]:
        """One market's figures by field. Raises KeyError for a market that is not in the table."""
        if symbol not in self.symbols:
            raise KeyError(symbol)
        at = self.symbols.index(symbol)
        return {name: values[at] for name, values in self.fields.items()}


class MarketTableState:
    """The table of one connection after the other.

    `must_ask` is true when a whole table must be asked for; asking is up to who sees it, once.
    """

    def __init__(self) -> None:
        self.table: MarketTable | None = None
        self.must_ask = False
        self._is_waiting = False  # for the whole table that was asked for
        self._unusable = 0  # messages since then

    def connection_lost(self) -> None:
        """The next connection begins with a whole table."""
        self.table, self.must_ask, self._is_waiting, self._unusable = None, False, False, 0

    def take(self, message: MarketsMessage) -> MarketTable | None:
        """The table after a message; None for one that cannot be used, which may make `must_ask` true."""
        table = self._whole(message) if message.symbols is not None else self._changed(message)
        if table is None:
            self._unusable += 1
            self.must_ask = not self._is_waiting or self._unusable >= ASK_AGAIN_AFTER_DELTAS
            if self.must_ask:
                self._is_waiting, self._unusable = True, 0
            return None
        if message.symbols is not None:
            self._is_waiting = False
        self.table = table
        return table

    def asked(self) -> None:
        """A whole table was asked for."""
        self.must_ask = False

    def _whole(self, message: MarketsMessage) -> MarketTable | None:
        symbols = tuple(message.symbols or ())
        if len(set(symbols)) < len(symbols):
            return None
        fields = {name: tuple(v) for name, v in message.fields.items() if not isinstance(v, FieldChange)}
        if len(fields) != len(message.fields) or any(len(v) != len(symbols) for v in fields.values()):
            return None
        return MarketTable(parse_time(message.timestamp), message.epoch, message.seq, symbols, fields)

    def _changed(self, message: MarketsMessage) -> MarketTable | None:
        held = self.table
        if held is None or self._is_waiting or (held.epoch, held.seq) != (message.epoch, message.prev_seq):
            return None
        fields = dict(held.fields)
        for name, change in message.fields.items():
            if not isinstance(change, FieldChange) or len(change.i) != len(change.v) or name not in fields:
                return None
            if max(change.i, default=-1) >= len(held.symbols):
                return None
            values = list(fields[name])
            for at, value in zip(change.i, change.v, strict=True):
                values[at] = value
            fields[name] = tuple(values)
        return MarketTable(parse_time(message.timestamp), message.epoch, message.seq, held.symbols, fields)


class MarketTables(Newest[MarketTable]):
    """An endless sequence of tables for `async for`: always the newest, never a queue of old ones.

    Leaving an `async with` around it, or `aclose()`, unsubscribes; so does leaving the client.
    """

    def __init__(self, on_close: Callable[[MarketTables], Awaitable[None]]) -> None:
        self.state = MarketTableState()
        super().__init__(on_close)
        self._waiting: MarketTable | None = None  # not handed out yet

    def put(self, table: MarketTable) -> None:
        """Hand on a table; it takes the place of one that waits."""
        self._waiting = table
        self._changed.set()

    def _take(self) -> MarketTable | None:
        table, self._waiting = self._waiting, None
        return table
