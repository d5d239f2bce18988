"""What the shared core needs to know of an exchange: its words, its addresses and its limits.

A new exchange is one new file with one Venue in it, and its recorded messages in the tests. A Venue reads
messages without any input or output of its own, so recorded ones run through the very code that live ones do.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from liqstream.feeds.ahead import ClockMs, unknown_clock
from liqstream.feeds.announced_funding import AnnouncedFunding
from liqstream.feeds.pacing import Limit
from liqstream.feeds.parsing import LATEST_MS, BadItems, Json, Parsed, utc_ms
from liqstream.feeds.refusals import RefusalTable
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.trial import OFF, Question, Trial
from liqstream.market import DAY_MS, MINUTE_MS, Candle, ComingFunding, MarketEvent
from liqstream.market.record_bounds import time_of
from liqstream.symbols import INTERVALS_MS

R = TypeVar("R", bound=MarketEvent)

_NEVER = (None, "", 0, "0", "-1")
"""How exchanges write that a contract has no end; Binance gives a date of the year 2100."""

RecordKind: TypeAlias = Literal["bars", "marks", "open_interest", "liquidations", "funding", "instruments"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing to subscribe to: the exchange's `name` for it, our `symbol` ("" for the whole exchange), the
    kinds of records it carries. `words` all stand in a refusal that means it. Symbols of one contract have
    a Topic each, of one name, which is subscribed to once."""

    name: str
    symbol: str
    kinds: tuple[RecordKind, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Socket:
    """One WebSocket to hold: where, and the topics it carries. With `subscribes` they are asked for by
    messages, else the address names them."""

    name: str
    url: str
    topics: tuple[Topic, ...] = ()
    subscribes: bool = True


@dataclass(frozen=True, slots=True)
class Instrument:
    """A listed contract. `state` is the exchange's own word for it; one that is not `tradable` is waited for.

    `contract_base` is what a contract holds in base coin where sizes are in contracts, else 1.
    `delists_at_ms` is when it will be delisted, UTC, None while nothing is announced. `stands_in` names the
    contract that is followed for want of the symbol's own, settled in another coin.
    """

    symbol: str
    tradable: bool
    state: str
    contract_base: float = 1.0
    delists_at_ms: int | None = None
    stands_in: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """The addresses an exchange has for users of one region."""

    rest_url: str
    ws_url: str


class Venue(ABC):
    """One exchange. Symbols are ours (BTCUSDT) on this side of every method, the exchange's behind it.

    Readers raise ValueError, KeyError, TypeError or IndexError for a message that is not what it should be;
    the core counts it and goes on. A Venue may remember what it read (an exchange that sends only changes).
    """

    name: ClassVar[str]
    """What users call it, in settings and on records: small letters and digits, the module's name."""
    display_name: ClassVar[str]
    """How it writes itself, in help and docs."""
    rest_url: ClassVar[str]
    ws_url: ClassVar[str]
    regions: ClassVar[Mapping[str, Region]] = {}
    """Further addresses of its own, by the region's name (LIQSTREAM_<NAME>_REGION)."""
    checked_on: ClassVar[date]
    """When these facts were last compared with `documents`."""
    documents: ClassVar[tuple[str, ...]]
    """Where they can be read."""
    unproven: ClassVar[tuple[str, ...]] = ()
    """Sides and units that no document states and nothing can prove; users see them flagged."""
    questions: ClassVar[Mapping[str, Question]] = {}
    """Those that a second source can prove: the records are held back until `examine` has compared them."""
    margin_coin: ClassVar[str] = ""
    """The coin that all its contracts are settled in, where their names (BTCUSDT) do not say it."""
    intervals_ms: ClassVar[frozenset[int]] = frozenset(INTERVALS_MS.values())
    """Bars it offers."""
    ping_path: ClassVar[str] = "/"
    """A REST path that answers a GET cheaply; `liqstream doctor` asks it."""
    refusals: ClassVar[RefusalTable] = RefusalTable()
    """What its codes mean."""
    limits: ClassVar[tuple[Limit, ...]] = (Limit(5.0, 1.0),)
    """How much may be asked by REST."""
    topics_per_message: ClassVar[int] = 10
    send_every_s: ClassVar[float] = 0.25
    """How often a socket sends; Binance takes 10 messages a second, Bybit and OKX fewer on a bad day."""
    refused_every_s: ClassVar[float] = 2.0
    """How often, at most, it is asked again for a topic that it refused, of all of them together."""
    keepalive: ClassVar[tuple[float, str] | None] = None
    """(seconds, text) the venue wants to hear from its clients."""
    max_age_s: ClassVar[float] = 23 * 3600 + 50 * 60
    """A socket is replaced at this age, before the venue ends it at 24 h."""
    list_every_s: ClassVar[float] = float("inf")
    """How often its list of contracts is read at least, where the usual hour is too seldom."""
    poll_every_s: ClassVar[float | None] = None
    """How often `poll` is asked, for what the sockets do not carry."""
    keeps_open_interest: ClassVar[bool] = True
    """Whether open interest of the past can be asked for."""
    keeps_liquidations: ClassVar[bool] = False
    """Whether liquidations of the past can be asked for."""
    liquidations_in_s: ClassVar[bool] = False
    """Whether those of the past have whole seconds, and maybe another price than the sockets'."""
    notes: ClassVar[str] = ""
    """What a user must know of the venue (what it does not publish)."""

    def __init__(self, exchange: str | None = None) -> None:
        """`exchange` is the name put on every record, the venue's own if not given."""
        self.exchange = exchange or self.name
        self.bad_items = BadItems()
        """Parts of what was read that could not be; whoever calls the readers takes the count."""
        self.now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        """For messages that bear no time, UTC: ours, in a feed the exchange's, in a recording the frame's."""
        self.clock_ms: ClockMs = unknown_clock
        """The exchange's clock, in a feed."""
        self.contract_sizes: dict[str, float] = {}
        """What a contract, or the step of its quantities, holds in base coin, as the exchange's list has it.

        At first what a recording without such a list is read by; a live feed takes nothing but the list's.
        """
        self.announced = AnnouncedFunding(self.exchange, lambda: self.now_ms())  # noqa: PLW0108  it is replaced
        """The funding payments that its streams announce, where they do."""
        self.trials: dict[str, Trial[Any]] = {name: Trial(each) for name, each in self.questions.items()}
        """How its questions stand."""

    @classmethod
    def address_warning(cls, rest_url: str, ws_url: str) -> str:
        """What is known to be wrong with addresses that are not the exchange's own; "" for nothing."""
        return ""

    @abstractmethod
    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """What to subscribe to for bars, prices, open interest and liquidations."""

    @property
    def publishes_liquidations(self) -> bool:
        """Whether any topic carries them."""
        return any("liquidations" in topic.kinds for topic in self.topics(("BTCUSDT",), MINUTE_MS))

    @abstractmethod
    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """What to hold open for some topics, within the venue's limits."""

    def subscription(self, topics: Sequence[Topic], request_id: str) -> str:
        """The message that asks for at most `topics_per_message` topics."""
        raise NotImplementedError(f"{self.name} names its topics in the address")

    @abstractmethod
    def read(self, text: str | bytes) -> Parsed:
        """What a socket's message says."""

    def contract(self, symbol: str) -> str:
        """The contract the exchange lists of a symbol, as we write it: 1000PEPEUSDT where it has no other."""
        return symbol

    def note_break(self) -> None:
        """Messages may have been missed: forget what only the very next one would have completed."""
        return

    @abstractmethod
    async def server_time_ms(self, rest: RestClient) -> int:
        """The venue's clock."""

    @abstractmethod
    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """The contracts it lists, by our symbols; remembers what it needs of each."""

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

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        """The next payment as it was announced last, which may be over; None where none was."""
        return self.announced.coming(symbol)

    def past_liquidations(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Liquidations of [start_ms, end_ms), page by page, where `keeps_liquidations`."""
        return _nothing()

    async def poll(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """What the sockets do not carry, as of now."""
        return ()

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """Mark price and open interest as of now, for when the sockets are late with them."""
        return await self.poll(rest, symbol)

    async def examine(self, rest: RestClient, symbols: Sequence[str], now_ms: int) -> Sequence[MarketEvent]:
        """Compare what is held of these symbols with its second source; what need not be held any more.

        `now_ms` is the venue's time, UTC. Asked every few seconds.
        """
        return ()

    def take(self, question: str, readings: Mapping[str, Any]) -> list[Any]:
        """A record in each reading; it as it is to be used, nothing while it is held back or off.

        One of a time that cannot be goes on at once: it is the guard's to refuse.
        """
        record = next(iter(readings.values()))
        is_ahead = time_of(record) > self.now_ms() + DAY_MS
        return [record] if is_ahead else self.trials[question].take(readings)

    def within(self, records: Iterable[R], start_ms: int, end_ms: int) -> list[R]:
        """Those of [start_ms, end_ms), UTC; what lies beyond is another page's.

        One of a time that cannot be stays: it is the guard's to refuse, which is shown.
        """
        ahead_ms = self.now_ms() + DAY_MS
        return [each for each in records if start_ms <= time_of(each) < end_ms or time_of(each) > ahead_ms]

    @staticmethod
    def page_after(records: Iterable[MarketEvent], start_ms: int, step_ms: int, page_ms: int) -> int:
        """Where the page after the one from `start_ms` on begins: `step_ms` after its newest record, UTC ms.

        After a page without any record of its span another page's length further: whatever an exchange sends,
        asking comes to an end.
        """
        newest_ms = max(map(time_of, records), default=start_ms - 1)
        return newest_ms + step_ms if newest_ms >= start_ms else start_ms + page_ms

    def not_ahead(self, time_ms: int) -> int:
        """The time of a record of the past, UTC ms. Raises ValueError for one that cannot be.

        For records that are held back until their reading is known, and never reach the guard before.
        """
        if time_ms > self.now_ms() + DAY_MS:
            raise ValueError(f"{time_ms} is no time of the past")
        return time_ms

    def delisting_ms(self, value: Json) -> int | None:
        """When a contract will be delisted, UTC ms; None for never, as exchanges write it.

        What is no time is counted as lost; the contract is followed all the same.
        """
        is_never = value in _NEVER or (isinstance(value, int) and 0 <= value - LATEST_MS < 730 * DAY_MS)
        return None if is_never else self.bad_items.attempt(utc_ms, value)

    def verdict_on(self, kind: RecordKind, *, past: bool = False) -> str | None:
        """How records of a kind are read: None while they are held back, OFF if they never are."""
        trials = [
            trial
            for trial in self.trials.values()
            if trial.question.kind == kind and (trial.question.past if past else trial.question.live)
        ]
        if any(trial.verdict == OFF for trial in trials):
            return OFF
        return None if any(trial.is_open for trial in trials) else "as documented"

    def learn(self, url: str, text: str) -> None:
        """Take in what reading messages needs of a recorded response (contract sizes); most need nothing."""
        return


def by_symbol(listed: Iterable[Instrument]) -> dict[str, Instrument]:
    """Contracts by symbol; of several of one symbol one that trades: the other was delisted."""
    return {one.symbol: one for one in sorted(listed, key=lambda one: one.tradable)}


async def _nothing() -> AsyncGenerator[Sequence[MarketEvent]]:
    for _ in ():
        yield ()
