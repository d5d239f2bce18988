"""What a source of market data is, to the rest of the house."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from liqstream.market import MarketEvent, MarketKey, Source


class FeedError(Exception):
    """A feed that no retry can mend (an unknown symbol, a country the venue shuts out); one line to show."""


@dataclass(slots=True)
class FeedStatus:
    """How a feed is doing, for /ready, the metrics and the page. Times are of the monotonic clock, in s."""

    connected: bool = False
    last_message_s: float | None = None
    reconnects: int = 0
    bad_messages: int = 0
    unknown_messages: int = 0
    duplicates: int = 0
    """Records the venue sent again."""
    clock_skew_ms: float | None = None
    last_error: str = ""
    address: str = ""
    """Where the data comes from if not from the venue's own address; the page names it."""
    ended: bool = field(default=False)
    """True for a feed that has said all it had (a replay at its end)."""


class Feed(Protocol):
    """One exchange (or its stand-in), for one or more symbols.

    `collect.py` first drains `backfill()` into the store, then keeps reading `events()`; both yield small
    batches of records. A feed reconnects by itself; it raises FeedError for what no retry can mend.
    """

    @property
    def exchange(self) -> str:
        """Our name of the venue, e.g. "binance"."""

    @property
    def source(self) -> Source:
        """live, replay or simulated."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Our names of the symbols it delivers."""

    @property
    def status(self) -> FeedStatus:
        """Updated in place."""

    @property
    def history_end_ms(self) -> int | None:
        """Bars that open at or after this are the future to this feed (a replay); None: there is none."""

    def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """History the store lacks, oldest first; `newest_ms` is the open time of each market's newest bar."""

    def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What happens from now on: closed and forming candles, open interest, liquidations, prices."""

    async def close(self) -> None:
        """Let go of what the feed holds (sockets, a server of its own); may be called more than once."""
