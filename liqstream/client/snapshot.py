"""One state of one symbol's heatmap, as the client hands it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from liqstream.client.levels import FloatArray, Level, Levels


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The heatmap of one symbol at `time` (the data's own, UTC).

    `epoch` (UTC ms, only grows) is that of the generator, `seq` counts its snapshots of this symbol.
    `skipped` says how many snapshots the update interval passed over since the previous one. `stale` means
    that the source has gone silent; `source` is "live", "replay" or "simulated". `positions_created` and
    `positions_consumed` count the levels that gained and that were swept. Prices and densities are in USD.
    """

    symbol: str
    time: datetime
    epoch: int
    seq: int
    skipped: int
    stale: bool
    source: str
    quality: tuple[str, ...]
    current_price: float
    positions_created: int
    positions_consumed: int
    grid: Levels

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels at which anything stands, by ascending price."""
        return self.grid.occupied()

    @property
    def prices(self) -> FloatArray:
        """The price of every level, an array as long as `long_usd` and `short_usd`."""
        return self.grid.prices

    @property
    def long_usd(self) -> FloatArray:
        """USD of longs that would be force-closed at each level."""
        return self.grid.long_usd

    @property
    def short_usd(self) -> FloatArray:
        """USD of shorts that would be force-closed at each level."""
        return self.grid.short_usd

    @property
    def checksum(self) -> int:
        """CRC-32 of the levels, as the server states it."""
        return self.grid.checksum


def parse_time(timestamp: str) -> datetime:
    """An ISO 8601 time as the server says it. Raises ValueError."""
    return datetime.fromisoformat(timestamp).astimezone(UTC)
