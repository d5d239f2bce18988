"""One state of one symbol's liquidation heatmap, as every output says it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b

import numpy as np

from liqstream.heatmap.ladder import UsdArray
from liqstream.heatmap.wire_state import Grid
from liqstream.market import Source


@dataclass(frozen=True, slots=True)
class LiquidationLevel:
    """USD that would be force-closed around a price: longs below the market, shorts above it."""

    price: float
    long_density: int
    short_density: int


@dataclass(frozen=True, eq=False)
class HeatmapSnapshot:
    """The heatmap of one symbol at one time.

    `long` and `short` are whole USD per level of `grid`, on the ladder (heatmap/ladder.py).
    `timestamp_ms` is the data's time, never the sending time. `epoch` is that of the generator (UTC ms,
    only grows), `seq` counts its snapshots of this symbol from 1. `positions_created` and
    `positions_consumed` count the cells that gained and that were swept since the previous snapshot.
    `quality` holds flags from heatmap/quality.py; `kernel` names the kernel the map was made with.
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

    @cached_property
    def timestamp(self) -> str:
        """ISO 8601 in UTC, e.g. 2025-12-28T14:30:00Z (milliseconds only where there are any)."""
        return iso_utc(self.timestamp_ms)

    @cached_property
    def levels(self) -> tuple[LiquidationLevel, ...]:
        """The levels at which anything stands, by ascending price."""
        rows = np.flatnonzero(self.long | self.short)
        prices = self.grid.prices()[rows].tolist()
        return tuple(
            LiquidationLevel(price, long, short)
            for price, long, short in zip(
                prices, self.long[rows].tolist(), self.short[rows].tolist(), strict=True
            )
        )

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

    It covers grid, levels, price, stale, quality, source and kernel, but not the timestamp: a flag that
    flips is news, a clock that ticks is not.
    """
    said = (
        f"{snapshot.symbol}|{snapshot.grid}|{snapshot.current_price!r}|{snapshot.stale}|"
        f"{','.join(snapshot.quality)}|{snapshot.source}|{snapshot.kernel}"
    )
    digest = blake2b(said.encode(), digest_size=16)
    digest.update(snapshot.long.tobytes())
    digest.update(snapshot.short.tobytes())
    return digest.hexdigest()
