"""One state of one symbol's heatmap, as the client hands it out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from .levels import FloatArray, Level, Levels
from .tables import data_frame, short_usd

MAX_INTEGER = 2**53
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Ordinal = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
Price = Annotated[float, Meta(gt=0, le=1e15)]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


class StateFields(Struct, frozen=True, kw_only=True):
    """What every message with a state has at its top, in the stream and in REST."""

    symbol: str
    timestamp: str
    epoch: Ordinal
    seq: Ordinal
    checksum: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    stale: bool = False
    source: str = "live"
    quality: list[str] = []
    kernel: str = ""
    silent: dict[str, Count] = {}


class Totals(Struct, frozen=True, kw_only=True):
    """What every message with a state has in its `data`, beside the levels. Prices in USD."""

    current_price: Price
    positions_created: Count = 0
    positions_consumed: Count = 0


@dataclass(frozen=True, slots=True)
class Tick:
    """The newest price of a symbol at `time` (the data's own, UTC), and what was passed since a snapshot.

    The server clears longs down to `low` and shorts up to `high`, in USD; of several exchanges the one
    that cleared least counts. `n` counts the ticks that the server made of the symbol.
    """

    time: datetime
    n: int
    current_price: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The heatmap of one symbol at `time` (the data's own, UTC).

    `epoch` (UTC ms, only grows) is that of the generator, `seq` counts its snapshots of this symbol.
    `skipped` says how many snapshots the update interval passed over since the previous one. `stale` means
    that no record came for the stale time; `source` is "live", "replay" or "simulated". `positions_created`
    and `positions_consumed` count the levels that gained and that were swept. `kernel` names the kernel the
    map was made with ("" from a server that does not name it), `silent` the exchanges whose part is old while
    others go on, with the time of their newest data (UTC ms, 0 for none). Prices and densities are in USD.
    `tick`, where ticks are subscribed to, is the newest one since: time, price and levels are then as of it.
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
    kernel: str = ""
    silent: Mapping[str, int] = field(default_factory=dict)
    tick: Tick | None = None

    @classmethod
    def of(cls, fields: StateFields, totals: Totals, grid: Levels, *, skipped: int = 0) -> Snapshot:
        """The snapshot of a message whose levels are `grid`. Raises ValueError for a time that is none."""
        return cls(
            symbol=fields.symbol,
            time=parse_time(fields.timestamp),
            epoch=fields.epoch,
            seq=fields.seq,
            skipped=skipped,
            stale=fields.stale,
            source=fields.source,
            quality=tuple(fields.quality),
            current_price=totals.current_price,
            positions_created=totals.positions_created,
            positions_consumed=totals.positions_consumed,
            grid=grid,
            kernel=fields.kernel,
            silent=dict(fields.silent),
        )

    def at(self, tick: Tick) -> Snapshot:
        """This state at a tick's price, without the levels that were passed whole since."""
        return replace(
            self,
            time=tick.time,
            current_price=tick.current_price,
            grid=self.grid.masked(tick.low, tick.high),
            tick=tick,
        )

    def __repr__(self) -> str:
        """One line: market, time, price, sums, and every reason to doubt it."""
        doubts = [self.source, *(["stale"] if self.stale else []), *self.quality]
        return (
            f"<Snapshot {self.symbol} {self.time:%Y-%m-%dT%H:%M:%SZ} price {self.current_price:,.10g} "
            f"long {short_usd(float(self.long_usd.sum()))} "
            f"short {short_usd(float(self.short_usd.sum()))} USD, "
            f"{len(self.grid)} levels, {', '.join(doubts)}>"
        )

    def to_pandas(self) -> Any:
        """A DataFrame with `long_usd` and `short_usd` by `price`; what else is known stands in its `attrs`.

        Raises ImportError where pandas is missing.
        """
        columns = {"price": self.prices, "long_usd": self.long_usd, "short_usd": self.short_usd}
        facts = {
            "symbol": self.symbol,
            "time": self.time,
            "current_price": self.current_price,
            "source": self.source,
            "stale": self.stale,
            "quality": self.quality,
        }
        return data_frame(columns, "price", facts)

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
        """CRC-32 of the levels, as the server states it of a snapshot without a tick."""
        return self.grid.checksum


def parse_time(timestamp: str) -> datetime:
    """A time in UTC as the server writes it, ISO 8601 with a Z. Raises ValueError."""
    if _TIME.fullmatch(timestamp) is None:
        raise ValueError(f"{timestamp!r:.60} is no time in UTC")
    return datetime.fromisoformat(timestamp).astimezone(UTC)
