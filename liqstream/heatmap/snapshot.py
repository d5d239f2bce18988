"""The snapshot: one immutable state of one symbol's liquidation heatmap, the same in every output."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import UsdArray
from liqstream.market import Source


class StreamPosition(NamedTuple):
    """A snapshot's place in its symbol's stream: ordered by epoch, then seq, over all nodes."""

    epoch: int
    seq: int


NO_POSITION = StreamPosition(0, 0)
"""Before every snapshot: epochs and seqs count from 1."""


@dataclass(frozen=True, slots=True)
class LiquidationLevel:
    """USD that would be force-closed around a price: longs below the market, shorts above it."""

    price: float
    long_density: int
    short_density: int


class SilentExchange(NamedTuple):
    """An exchange that is silent beside others, and the time of its newest data, UTC ms; 0 if it had none."""

    exchange: str
    since_ms: int


@dataclass(frozen=True, eq=False)
class HeatmapSnapshot:
    """The heatmap of one symbol at one time.

    `long` and `short` are whole USD per cell of `grid`, quantised (heatmap/quantise.py); shape (cells,).
    `timestamp_ms` is the data's time, never the sending time. `epoch` is that of the generator (UTC ms,
    only grows), `seq` counts its snapshots of this symbol from 1. `positions_created` and
    `positions_consumed` count the cells that gained and that were swept since the previous snapshot.
    `quality` holds flags from market/data_quality.py; `kernel` names the kernel the map was made with,
    `silent` the exchanges whose part is old while others go on.
    """

    symbol: str
    timestamp_ms: int
    epoch: int
    seq: int
    grid: Grid
    long: UsdArray
    short: UsdArray
    current_price: float
    positions_created: int
    positions_consumed: int
    stale: bool
    source: Source
    quality: tuple[str, ...] = ()
    kernel: str = ""
    silent: tuple[SilentExchange, ...] = ()

    @cached_property
    def position(self) -> StreamPosition:
        """The snapshot's place in its symbol's stream."""
        return StreamPosition(self.epoch, self.seq)

    @cached_property
    def timestamp(self) -> str:
        """ISO 8601 in UTC, e.g. 2025-12-28T14:30:00Z (milliseconds only where there are any)."""
        return iso_utc(self.timestamp_ms)

    @cached_property
    def levels(self) -> tuple[LiquidationLevel, ...]:
        """The levels that are not zero, by ascending price."""
        cells = np.flatnonzero(self.long | self.short)
        prices = self.grid.prices()[cells].tolist()
        return tuple(
            LiquidationLevel(price, long, short)
            for price, long, short in zip(
                prices, self.long[cells].tolist(), self.short[cells].tolist(), strict=True
            )
        )

    @cached_property
    def digest(self) -> str:
        """What `hash_snapshot` makes of it, made once."""
        return hash_snapshot(self)

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of p0, step, long[] and short[] as little-endian float64: equal states, equal sums."""
        head = np.array([self.grid.p0, self.grid.step], dtype="<f8").tobytes()
        return zlib.crc32(
            self.short.astype("<f8").tobytes(),
            zlib.crc32(self.long.astype("<f8").tobytes(), zlib.crc32(head)),
        )


def iso_utc(time_ms: int) -> str:
    """UTC epoch milliseconds as ISO 8601 with a Z."""
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(
        timespec="milliseconds" if time_ms % 1000 else "seconds"
    )
    return text.replace("+00:00", "Z")


def hash_snapshot(snapshot: HeatmapSnapshot) -> str:
    """A digest of everything a reader would notice; equal digests need not be sent again.

    It covers grid, levels, price, stale, quality, source, kernel and silent exchanges, but not the timestamp:
    a flag that changes is worth a snapshot, time that passes is not.
    """
    fields = (
        f"{snapshot.symbol}|{snapshot.grid}|{snapshot.current_price!r}|{snapshot.stale}|"
        f"{','.join(snapshot.quality)}|{snapshot.source}|{snapshot.kernel}|"
        f"{snapshot.silent}"
    )
    digest = blake2b(fields.encode(), digest_size=16)
    digest.update(snapshot.long.tobytes())
    digest.update(snapshot.short.tobytes())
    return digest.hexdigest()
