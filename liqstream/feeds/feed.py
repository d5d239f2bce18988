"""What a source of market data is to whoever reads it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from liqstream.feeds.bracket_readers import Rows
from liqstream.feeds.size_readers import MarketSize
from liqstream.feeds.venue import Instrument
from liqstream.market import ComingFunding, MarketEvent, MarketKey, Source


class FeedError(Exception):
    """What no retry can mend (a damaged recording, a symbol nobody can simulate); one line to show."""


class History(list[MarketEvent]):
    """A batch of the past: it goes to the store first, and the maps are made anew from there."""


@dataclass(slots=True)
class FeedStatus:
    """How a feed is doing, for /ready, the metrics and the page. Times are of the monotonic clock, in s."""

    connected: bool = False
    last_message_s: float | None = None
    reconnects: int = 0
    bad_messages: int = 0
    unknown_messages: int = 0
    lost_items: int = 0
    """Items of messages and REST pages that could not be read; their neighbours were taken."""
    duplicates: int = 0
    """Records the exchange sent again."""
    clock_skew_ms: float | None = None
    last_error: str = ""
    note: str = ""
    """What is worth knowing and no fault: an unusual lack of liquidations, a delisting that is announced."""
    next_try_ms: int | None = None
    """When what is wrong is tried again, UTC ms; None where nothing is wrong or nothing says when."""
    flags: dict[str, frozenset[str]] = field(default_factory=dict)
    """What the maps must say of this exchange's part, by symbol; see QUALITY_FLAGS."""
    unproven: dict[str, str] = field(default_factory=dict)
    """What no document settles, each with how its comparison with a second source stands."""
    address: str = ""
    """Where the data comes from if not from the exchange's own address; the page names it."""
    last_refusal: str = ""
    """What the guard refused last (market/record_guard.py), "" for nothing."""
    history_percent: dict[str, int] = field(default_factory=dict)
    """How much of its past is there, by symbol, of those that lack some."""
    ended: bool = field(default=False)
    """True for a feed that has delivered all it had (a replay at its end)."""


class Feed(Protocol):
    """One exchange (or its stand-in), for one or more symbols.

    `ingest/pipeline.py` first drains `backfill()` into the store, then keeps reading `events()`; both yield
    small batches of records, those of the past as History. A feed reconnects by itself; it raises FeedError
    for what no retry can mend, and what an exchange does is never that.
    """

    watched_by: Callable[[], Collection[str]]
    """Symbols somebody looks at now, which are asked for before the others; set by who runs the feed."""

    @property
    def exchange(self) -> str:
        """Our name of the exchange, e.g. "binance"."""

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

    @property
    def plays_store(self) -> bool:
        """Whether its records come out of the store, and are not to be written into it again."""

    def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """History the store lacks, oldest first; `newest_ms` is the open time of each market's newest bar."""

    def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What happens from now on: closed and forming candles, open interest, liquidations, prices."""

    def clock_ms(self) -> int | None:
        """The exchange's clock, UTC ms; None while it is not known, and for what is not live."""

    def liquidations_until_ms(self) -> Mapping[str, int]:
        """Symbols whose liquidation channel is connected, each with the time of its last message, UTC ms."""

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        """A symbol's next funding payment as it was announced last; None where no stream announces any."""

    def note_refused(self, record: MarketEvent) -> None:
        """A record that this feed delivered is impossible: it is not known, and not the newest."""

    async def recent_prices(self, symbol: str) -> tuple[float, float] | None:
        """The lowest and the highest price of a symbol of late, asked for now; None where nobody answers."""

    async def brackets(self) -> Rows | None:
        """The exchange's margin brackets of the symbols, asked for now; None where it has no public table.

        Raises RestError, and what a response of another form raises.
        """

    def note_brackets(self, text: str) -> None:
        """Show in the status what is wrong with the brackets that were read last; "" for nothing."""

    def listed(self) -> Mapping[str, Instrument] | None:
        """What the exchange lists, by our symbols; None before that was read, and where nothing is listed.

        Another object after each reading.
        """

    async def sizes(self) -> Mapping[str, MarketSize] | None:
        """How large each of the exchange's markets is now, by our symbols; None where nobody says.

        Raises RestError, and what a response of another form raises.
        """

    def follow(self, symbols: Sequence[str], newest_ms: Mapping[str, int | None]) -> None:
        """Deliver these symbols from now on; `newest_ms` has the newest stored bar of each that is new."""

    async def close(self) -> None:
        """Let go of what the feed holds (sockets, a server of its own); may be called more than once."""


def history_percent(
    statuses: Mapping[str, FeedStatus], exchanges: Collection[str], symbol: str
) -> int | None:
    """How much of a symbol's past is there, over its exchanges; None once it is whole."""
    known = [statuses[name].history_percent.get(symbol, 100) for name in exchanges if name in statuses]
    return sum(known) // len(known) if known and min(known) < 100 else None


class FeedBase:
    """The properties every feed keeps the same way (see Feed); a subclass adds `backfill` and `events`."""

    def __init__(
        self, exchange: str, symbols: Sequence[str], source: Source, history_end_ms: int | None = None
    ) -> None:
        self._exchange = exchange
        self._symbols = tuple(symbols)
        self._source: Source = source
        self._history_end_ms = history_end_ms
        self._status = FeedStatus()
        self.watched_by: Callable[[], Collection[str]] = frozenset

    @property
    def exchange(self) -> str:
        """Our name of the exchange."""
        return self._exchange

    @property
    def source(self) -> Source:
        """live, replay or simulated."""
        return self._source

    @property
    def symbols(self) -> tuple[str, ...]:
        """Our names of the symbols it delivers."""
        return self._symbols

    @property
    def status(self) -> FeedStatus:
        """Updated in place."""
        return self._status

    @property
    def history_end_ms(self) -> int | None:
        """Bars that open at or after this are the future to this feed; None: there is none."""
        return self._history_end_ms

    @property
    def plays_store(self) -> bool:
        """Only a replay of the store does."""
        return False

    def watched(self) -> Collection[str]:
        """Symbols somebody looks at now."""
        return self.watched_by()

    def clock_ms(self) -> int | None:
        """None unless a subclass has asked for it."""
        return None

    def liquidations_until_ms(self) -> Mapping[str, int]:
        """None unless a subclass listens to liquidations."""
        return {}

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        """None unless a subclass listens to announcements."""
        return None

    def note_refused(self, record: MarketEvent) -> None:
        """Nothing unless a subclass remembers what it delivered."""

    async def recent_prices(self, symbol: str) -> tuple[float, float] | None:
        """None unless a subclass has somebody to ask."""
        return None

    async def brackets(self) -> Rows | None:
        """None unless a subclass has somebody to ask."""
        return None

    def note_brackets(self, text: str) -> None:
        """Nothing unless a subclass has notes to show."""

    def listed(self) -> Mapping[str, Instrument] | None:
        """None unless a subclass reads a list."""
        return None

    async def sizes(self) -> Mapping[str, MarketSize] | None:
        """None unless a subclass has somebody to ask."""
        return None

    def follow(self, symbols: Sequence[str], newest_ms: Mapping[str, int | None]) -> None:
        """Nothing: what is not an exchange's has the symbols it began with."""

    async def close(self) -> None:
        """Release what the feed holds; nothing unless a subclass holds something."""
