"""The table of markets on the wire: whole or as changes, each framed and deflated once for all clients."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta

from liqstream.heatmap.market_table import FIELDS, MarketTable, Value
from liqstream.heatmap.snapshot import StreamPosition, iso_utc
from liqstream.market import DAY_MS
from liqstream.wire.frames import message_frame

MAX_TABLE_BYTES = 4 * 1024 * 1024
"""Of a table in Redis; one of 500 markets has 0.2 MB."""

_ADDED_FIELDS = ("history_percent",)
"""Of no table of version 0.1."""
_MAX_INT = 2**53
_MAX_EPOCH_AHEAD_MS = 10 * 365 * DAY_MS
"""An epoch further in the future is forged: nothing would be newer."""


class BadTableError(ValueError):
    """Bytes that are no table of ours; the message says why in one line."""


class EncodedMarketTable:
    """A table, and every frame made of it so far. `base` is the table that deltas build on, if one can."""

    __slots__ = ("_base", "_delta", "_frames", "_rows", "_whole", "position", "table")

    def __init__(self, table: MarketTable, base: MarketTable | None = None) -> None:
        self.table = table
        self.position = table.position
        can_build = base is not None and base.epoch == table.epoch and base.symbols == table.symbols
        self._base = base if can_build else None
        # Made when first asked for; frames by (whether a delta, window bits).
        self._whole: bytes | None = None
        self._delta: bytes | None = None
        self._rows: bytes | None = None
        self._frames: dict[tuple[bool, int], bytes] = {}

    @property
    def base(self) -> StreamPosition | None:
        """Where a client must stand for a delta."""
        return None if self._base is None else self._base.position

    @property
    def body(self) -> bytes:
        """The whole table as JSON."""
        if self._whole is None:
            self._whole = orjson.dumps(
                {**self._head(), "symbols": self.table.symbols, "fields": dict(self.table.fields)}
            )
        return self._whole

    @property
    def rows(self) -> bytes:
        """The table as JSON with an object per market."""
        if self._rows is None:
            head = self._head()
            del head["type"]
            self._rows = orjson.dumps({**head, "markets": self.table.rows()})
        return self._rows

    def frame(self, window_bits: int, *, is_delta: bool) -> bytes:
        """The frame for clients that negotiated this window; a delta only for those that hold `base`."""
        key = (is_delta, window_bits)
        if key not in self._frames:
            self._frames[key] = message_frame(self._changes() if is_delta else self.body, window_bits)
        return self._frames[key]

    def _head(self) -> dict[str, Any]:
        table = self.table
        return {
            "type": "markets",
            "timestamp": iso_utc(table.timestamp_ms),
            "epoch": table.epoch,
            "seq": table.seq,
        }

    def _changes(self) -> bytes:
        if self._delta is None:
            assert self._base is not None
            changes = self.table.changes(self._base)
            self._delta = orjson.dumps({**self._head(), "prev_seq": self._base.seq, "fields": changes})
        return self._delta


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What is decoded; a key or a field that a later version adds is passed over."""

    v: Literal[1]
    timestamp_ms: Annotated[int, Meta(ge=0, le=_MAX_INT)]
    epoch: Annotated[int, Meta(ge=1, le=_MAX_INT)]
    seq: Annotated[int, Meta(ge=1, le=_MAX_INT)]
    symbols: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=10_000)]
    fields: dict[str, list[int | float | str | bool | list[str] | None]]


_decoder = msgspec.json.Decoder(_Payload)


def encode_table(table: MarketTable) -> bytes:
    """The table with all its fields, for Redis."""
    return orjson.dumps(
        {
            "v": 1,
            "timestamp_ms": table.timestamp_ms,
            "epoch": table.epoch,
            "seq": table.seq,
            "symbols": table.symbols,
            "fields": dict(table.fields),
        }
    )


def decode_table(payload: bytes) -> MarketTable:
    """The table in `payload`. Raises BadTableError for anything oversized, malformed or out of range."""
    if len(payload) > MAX_TABLE_BYTES:
        raise BadTableError(f"{len(payload)} bytes, more than {MAX_TABLE_BYTES}")
    try:
        found = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadTableError(str(error)) from None
    if found.epoch > time.time() * 1000 + _MAX_EPOCH_AHEAD_MS:
        raise BadTableError("an epoch of the far future")
    # A leader of an earlier version, in a fleet that is being renewed, has no field that was added since.
    added: dict[str, list[Value]] = {name: [None] * len(found.symbols) for name in _ADDED_FIELDS}
    fields: dict[str, list[Value]] = {
        name: list(found.fields[name]) if name in found.fields else added.get(name, []) for name in FIELDS
    }
    if any(len(values) != len(found.symbols) for values in fields.values()):
        raise BadTableError("a field is missing, or has another length than the symbols")
    if any(isinstance(each, float) and not math.isfinite(each) for row in fields.values() for each in row):
        raise BadTableError("a figure that is no number")
    return MarketTable(found.timestamp_ms, found.epoch, found.seq, tuple(found.symbols), fields)
