"""What a message holds of one snapshot: the one struct that the stream, REST and Redis encode from.

A field of HeatmapSnapshot stands here once: with its limits in `SnapshotMessage`, in `message_of` and
`snapshot_of`, and by its name in the part of a message it belongs to. `make docs` writes the same into
docs/asyncapi.yaml and docs/openapi.yaml; tests/test_wire/test_snapshot_fields.py finds what is forgotten.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.snapshot import HeatmapSnapshot, SilentExchange, iso_utc
from liqstream.market import Source
from liqstream.wire.numbers import json_number

_MAX_INT = 2**53
_Text = Annotated[str, Meta(max_length=64)]
_Count = Annotated[int, Meta(ge=0, le=_MAX_INT)]
_Price = Annotated[float, Meta(gt=0, description="USD")]
_Usd = Annotated[int, Meta(ge=0, le=10**15, description="whole USD")]
_Column = Annotated[list[_Usd], Meta(min_length=1, max_length=10_000, description="lowest price first")]


class SnapshotMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot in the types of JSON, with the limits a reader checks. Prices in USD.

    Level i of `long` and `short` is at `p0 + i * step`. A price is an int where it is whole.
    """

    symbol: Annotated[str, Meta(pattern=r"^[0-9A-Z\u0080-\uffff]{2,20}$")]
    timestamp_ms: _Count
    epoch: Annotated[int, Meta(ge=1, le=_MAX_INT, description="run of the generator in UTC ms")]
    seq: Annotated[int, Meta(ge=1, le=_MAX_INT)]
    p0: _Price
    step: _Price
    long: _Column
    short: _Column
    current_price: _Price
    positions_created: _Count
    positions_consumed: _Count
    stale: bool
    source: Source
    quality: Annotated[list[_Text], Meta(max_length=64)]
    kernel: _Text
    silent: Annotated[
        dict[_Text, _Count],
        Meta(max_length=64, description="silent exchanges, with the time of their newest data in UTC ms"),
    ] = {}
    checksum: Annotated[
        int,
        Meta(ge=0, le=2**32 - 1, description="CRC-32 of p0, step, long, short as little-endian float64"),
    ]

    @property
    def timestamp(self) -> str:
        """`timestamp_ms` as the stream and REST have it: ISO 8601 in UTC."""
        return iso_utc(self.timestamp_ms)

    def part(self, *names: str) -> dict[str, Any]:
        """These fields, in this order."""
        return {name: getattr(self, name) for name in names}


IDENTITY = ("symbol", "timestamp", "epoch", "seq")
"""At the top of a message: which snapshot it is."""

STATE = ("stale", "source", "quality", "silent")
"""At the top of a message: how the snapshot came about."""

OF_BASE = ("kernel",)
"""At the top of a whole snapshot; a delta has what its base has."""

GRID = ("p0", "step", "long", "short")
"""In `data`, as columns; v1 messages have `levels` instead."""

TOTALS = ("current_price", "positions_created", "positions_consumed")
"""In `data`, beside the levels."""


class Level(msgspec.Struct, frozen=True):
    """One of the `levels` of a v1 message."""

    price: _Price
    long_density: _Usd
    short_density: _Usd


def message_of(snapshot: HeatmapSnapshot) -> SnapshotMessage:
    """The message's fields of a snapshot."""
    return SnapshotMessage(
        symbol=snapshot.symbol,
        timestamp_ms=snapshot.timestamp_ms,
        epoch=snapshot.epoch,
        seq=snapshot.seq,
        p0=json_number(snapshot.grid.p0),
        step=json_number(snapshot.grid.step),
        long=snapshot.long.tolist(),
        short=snapshot.short.tolist(),
        current_price=json_number(snapshot.current_price),
        positions_created=snapshot.positions_created,
        positions_consumed=snapshot.positions_consumed,
        stale=snapshot.stale,
        source=snapshot.source,
        quality=list(snapshot.quality),
        kernel=snapshot.kernel,
        silent=dict(snapshot.silent),
        checksum=snapshot.checksum,
    )


def snapshot_of(message: SnapshotMessage) -> HeatmapSnapshot:
    """The snapshot of a decoded message, whose `long` and `short` have one length; its checksum is not
    compared."""
    return HeatmapSnapshot(
        symbol=message.symbol,
        timestamp_ms=message.timestamp_ms,
        epoch=message.epoch,
        seq=message.seq,
        grid=Grid(message.p0, message.step, len(message.long)),
        long=np.array(message.long, dtype=np.int64),
        short=np.array(message.short, dtype=np.int64),
        current_price=message.current_price,
        positions_created=message.positions_created,
        positions_consumed=message.positions_consumed,
        stale=message.stale,
        source=message.source,
        quality=tuple(message.quality),
        kernel=message.kernel,
        silent=tuple(SilentExchange(*item) for item in message.silent.items()),
    )


def v1_data(snapshot: HeatmapSnapshot) -> dict[str, Any]:
    """The `data` of a v1 snapshot: one object per level at which anything stands. Prices in USD."""
    levels = [
        {
            "price": json_number(level.price),
            "long_density": level.long_density,
            "short_density": level.short_density,
        }
        for level in snapshot.levels
    ]
    return {"levels": levels, **message_of(snapshot).part(*TOTALS)}


def column_data(snapshot: HeatmapSnapshot) -> dict[str, Any]:
    """The `data` of a snapshot as columns: the grid, and whole USD per level and side."""
    return message_of(snapshot).part(*GRID, *TOTALS)
