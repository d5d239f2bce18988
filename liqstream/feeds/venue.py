"""What the shared core needs to know of an exchange: its words, its addresses and its limits.

A new exchange is one new file with one Venue in it, and its recorded messages in the tests. A Venue reads
messages without any input or output of its own, so recorded ones run through the very code that live ones do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from liqstream.feeds.parsed import Parsed
from liqstream.feeds.rest import RestClient
from liqstream.market import Candle, MarketEvent


@dataclass(frozen=True, slots=True)
class Socket:
    """One WebSocket to hold: where, and what to say once it is open."""

    name: str
    url: str
    hello: tuple[str, ...] = ()


class Venue(ABC):
    """One exchange. Symbols are ours (BTCUSDT) on this side of every method, the exchange's behind it.

    Readers raise ValueError, KeyError, TypeError or IndexError for a message that is not what it should be;
    the core counts it and goes on. A Venue may remember what it read (an exchange that sends only changes).
    """

    name: ClassVar[str]
    rest_url: ClassVar[str]
    ws_url: ClassVar[str]
    rest_every_s: ClassVar[float] = 0.12
    """Pace of REST questions, well below the venue's limit."""
    keepalive: ClassVar[tuple[float, str] | None] = None
    """(seconds, text) the venue wants to hear from its clients."""
    max_age_s: ClassVar[float] = 23 * 3600 + 50 * 60
    """A socket is replaced at this age, before the venue ends it at 24 h."""
    poll_every_s: ClassVar[float | None] = None
    """How often `poll` is asked, for what the sockets do not carry."""
    notes: ClassVar[str] = ""
    """What a user must know of the venue (what it does not publish)."""

    def __init__(self, exchange: str | None = None) -> None:
        """`exchange` is the name put on every record, the venue's own if not given."""
        self.exchange = exchange or self.name

    @abstractmethod
    def sockets(self, symbols: Sequence[str], interval_ms: int, ws_url: str) -> list[Socket]:
        """What to hold open for bars, prices, open interest and liquidations, within the venue's limits."""

    @abstractmethod
    def read(self, text: str | bytes) -> Parsed:
        """What a socket's message says."""

    @abstractmethod
    async def server_time_ms(self, rest: RestClient) -> int:
        """The venue's clock."""

    @abstractmethod
    async def listed(self, rest: RestClient) -> frozenset[str]:
        """The symbols it lists, by our names; remembers what it needs of each contract."""

    @abstractmethod
    def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """Bars that open in [start_ms, end_ms), ascending, page by page, as far back as the venue goes."""

    @abstractmethod
    def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Open interest of the past, ascending, page by page; nothing where the venue keeps none."""

    @abstractmethod
    def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Funding that was paid in [start_ms, end_ms), page by page."""

    async def poll(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """What the sockets do not carry, as of now."""
        return ()

    def learn(self, url: str, text: str) -> None:
        """Take in what reading messages needs of a recorded answer (contract sizes); most need nothing."""
        return
