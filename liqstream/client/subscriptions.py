"""What a client has subscribed to: requests sent in lists the server takes, and each message's effect."""

from __future__ import annotations

import asyncio

# Not structlog, which prints to stdout unless configured: a library must not write into its user's pipe.
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from .connection import Connection
from .errors import ClientError, MarketEndedError, UnknownSymbolError
from .market_table import MarketTables
from .messages import (
    DeltaMessage,
    ErrorMessage,
    HeartbeatMessage,
    MarketsMessage,
    Message,
    PongMessage,
    SnapshotMessage,
    StateMessage,
    StreamPosition,
    SubscribedMessage,
    TickMessage,
    WarningMessage,
)
from .pending_requests import PendingRequests, ResyncPace, lists_of
from .reconnect import LONGEST_WAIT_S
from .subscription import Subscription
from .symbol_stream import SymbolStream

log = logging.getLogger(__name__)

WHOLE_STATE_DUE_S = 1.0
"""A whole state that must come by itself after an ack is asked for after so long."""

MARKETS = "markets"
"""The stream of the table, and the id of the requests for it."""


class Subscriptions:
    """The subscriptions of one client over all its connections, and the stream of each symbol."""

    def __init__(self, *, on_warning: Callable[[str, str], None] | None) -> None:
        self.streams: dict[str, SymbolStream] = {}
        self.dropped = 0
        """Snapshots of all symbols that the server dropped because this client read too slowly."""
        self.retry_after_s = 0.0
        """The server's wish for the next reconnect; whoever grants it resets it."""
        self.markets: MarketTables | None = None
        """The subscription to the table of markets, None without one."""
        self._on_warning = on_warning  # called with a warning's code and sentence
        # By symbol, with the same keys as `streams`; one subscription stands once per symbol.
        self._by_symbol: dict[str, Subscription] = {}
        self._requests = PendingRequests()  # not answered yet, of this connection
        self._pace = ResyncPace()  # of all connections
        self._to_resync: dict[str, None] = {}  # symbols, in the order they were lost
        self._is_resync_late = False  # they wait for the pace
        self._connection: Connection | None = None  # the one being read, None between two
        self._asking_again: Connection | None = None  # whose unread requests are about to be sent once more
        self._unread = 0  # times that requests were sent once more since the last ack
        self._sending: set[asyncio.Task[None]] = set()  # kept so that they are not collected while they run

    def all(self) -> list[Subscription]:
        """Each subscription once, in the order they were made."""
        return list(dict.fromkeys(self._by_symbol.values()))

    def add(self, subscription: Subscription) -> None:
        """Follow its symbols, now and after every reconnect."""
        for symbol in subscription.symbols:
            self._by_symbol[symbol] = subscription
            self.streams[symbol] = SymbolStream(symbol)
        if self._connection is not None:
            self._in_background(self._send_subscribe(self._connection, subscription))

    async def begin(self, connection: Connection) -> None:
        """Subscribe to everything on a new connection."""
        self._connection = connection
        self._unread, self._to_resync, self._is_resync_late = 0, {}, False
        self._requests.clear()
        for subscription in self.all():
            await self._send_subscribe(connection, subscription)
        if self.markets is not None:
            await self._send_markets(connection, "subscribe")

    def add_markets(self) -> MarketTables:
        """Follow the table of markets, now and after every reconnect. Raises ValueError if it is followed."""
        if self.markets is not None:
            raise ValueError("already subscribed to the markets")
        self.markets = MarketTables(self._remove_markets)
        if self._connection is not None:
            self._in_background(self._send_markets(self._connection, "subscribe"))
        return self.markets

    async def _remove_markets(self, tables: MarketTables) -> None:
        if self.markets is tables:
            self.markets = None
            if self._connection is not None:
                await self._send_markets(self._connection, "unsubscribe")

    async def _send_markets(self, connection: Connection, action: str) -> None:
        proto = {"proto": 2} if action == "subscribe" else {}
        await connection.send({"action": action, "stream": MARKETS, **proto, "id": MARKETS})

    async def _take_markets(self, connection: Connection, message: MarketsMessage) -> None:
        if self.markets is None:
            return  # was on its way when we unsubscribed
        if (table := self.markets.state.take(message)) is not None:
            self.markets.put(table)
        if self.markets.state.must_ask:
            self.markets.state.asked()
            await self._send_markets(connection, "resync")

    def end(self, error: Exception | None = None) -> None:
        """End every subscription, with an error or without one."""
        ends: list[Subscription | MarketTables] = [*self.all()]
        if self.markets is not None:
            ends.append(self.markets)
        for each in ends:
            if error is None:
                each.end()
            else:
                each.fail(error)

    def connection_lost(self) -> None:
        """The connection has ended; states are kept, to resume from."""
        self._connection = None
        if self.markets is not None:
            self.markets.state.connection_lost()
        for stream in self.streams.values():
            stream.connection_lost()

    def sending(self) -> list[asyncio.Task[None]]:
        """What is still being sent in the background."""
        return list(self._sending)

    async def _send_subscribe(self, connection: Connection, subscription: Subscription) -> None:
        for symbols in lists_of(subscription.symbols):
            await self._send_list(connection, symbols, subscription)

    async def _send_list(
        self, connection: Connection, symbols: list[str], subscription: Subscription
    ) -> None:
        message = {
            "action": "subscribe",
            "symbols": symbols,
            "update_interval": subscription.update_interval_s,
            "proto": 2,
            "delta": True,
            "id": self._requests.add(symbols),
        }
        if any(each.ticks for each in self.all()):
            message["ticks"] = True  # of the connection: whoever does not want them passes over them
        held = {symbol: self.streams[symbol].resume for symbol in symbols}
        resume = {symbol: state for symbol, state in held.items() if state}
        await connection.send(message | ({"resume": resume} if resume else {}))

    async def remove(self, subscription: Subscription) -> None:
        """Unsubscribe."""
        await self._send_unsubscribe(self._forget(subscription))

    def _forget(self, subscription: Subscription) -> list[str]:
        """Follow its symbols no more; returns those that it still had."""
        held = [symbol for symbol in subscription.symbols if self._by_symbol.get(symbol) is subscription]
        for symbol in held:
            del self._by_symbol[symbol], self.streams[symbol]
        return held

    async def _send_unsubscribe(self, held: Sequence[str]) -> None:
        for symbols in lists_of(held):
            if self._connection is not None:
                await self._connection.send({"action": "unsubscribe", "symbols": symbols})

    async def take(self, connection: Connection, message: Message) -> None:
        """Act on a message of the server."""
        match message:
            case SnapshotMessage() | DeltaMessage():
                await self._take_state(connection, message)
            case MarketsMessage():
                await self._take_markets(connection, message)
            case TickMessage():
                await self._take_tick(connection, message)
            case HeartbeatMessage():
                await self._take_positions(connection, message.symbols, SymbolStream.take_heartbeat)
            case PongMessage():
                await self._take_positions(connection, message.positions, SymbolStream.take_pong)
            case SubscribedMessage():
                self._take_ack(message)
                await self._take_positions(connection, message.positions, SymbolStream.take_ack)
                self._in_background(self._ask_for_missing(connection, message.positions))
            case ErrorMessage(code="RATE_LIMITED"):
                if self._asking_again is not connection:  # else each refusal would double what is sent
                    self._asking_again = connection
                    self._in_background(self._ask_again(connection, message.retry_after_ms / 1000))
            case ErrorMessage():
                self._take_error(message)
            case WarningMessage():
                self._take_warning(message)

    def _take_warning(self, message: WarningMessage) -> None:
        self.dropped += message.dropped_messages
        for symbol, count in message.dropped_by_symbol.items():
            if symbol in self.streams:
                self.streams[symbol].take_dropped(count)
        self.retry_after_s = message.retry_after_ms / 1000
        if message.code == "MARKET_ENDED":
            self._end_markets(message.symbols, message.message)
        else:
            self._warn(message.code, message.message)

    def _warn(self, code: str, sentence: str) -> None:
        log.info("%s: %s", code, sentence)
        if self._on_warning is not None:
            try:
                self._on_warning(code, sentence)
            except Exception:
                log.exception("the listener of warnings failed")

    def _was_followed(self, symbol: str) -> bool:
        """Whether a state of it was received: the server followed it then."""
        return (stream := self.streams.get(symbol)) is not None and stream.snapshot is not None

    def _end_markets(self, symbols: Sequence[str], sentence: str) -> None:
        """Go on without symbols that the server follows no more; a subscription of no other ends."""
        for symbol in symbols:
            subscription = self._by_symbol.pop(symbol, None)
            if subscription is not None:
                del self.streams[symbol]
                subscription.symbols = tuple(each for each in subscription.symbols if each != symbol)
                if not subscription.symbols:
                    subscription.fail(MarketEndedError(sentence))
        self._warn("MARKET_ENDED", sentence)

    async def _take_state(self, connection: Connection, message: StateMessage) -> None:
        stream = self.streams.get(message.symbol)
        if stream is None:
            return  # was on its way when we unsubscribed
        snapshot = stream.take(message)
        if snapshot is not None:
            self._by_symbol[message.symbol].put(snapshot)
        await self._resync_lost(connection, [message.symbol])

    async def _take_tick(self, connection: Connection, message: TickMessage) -> None:
        stream = self.streams.get(message.symbol)
        if stream is None:
            return
        subscription = self._by_symbol[message.symbol]
        if not subscription.ticks:
            stream.take_heartbeat(StreamPosition(message.epoch, message.seq))
        elif (snapshot := stream.take_tick(message)) is not None:
            subscription.put(snapshot)
        await self._resync_lost(connection, [message.symbol])

    async def _take_positions(
        self,
        connection: Connection,
        positions: Mapping[str, StreamPosition],
        take: Callable[[SymbolStream, StreamPosition], None],
    ) -> None:
        for symbol, at in positions.items():
            if symbol in self.streams:
                take(self.streams[symbol], at)
        await self._resync_lost(connection, positions)

    async def _ask_for_missing(self, connection: Connection, symbols: Collection[str]) -> None:
        """Ask for the whole states that should have come with an ack, once they are late."""
        await asyncio.sleep(WHOLE_STATE_DUE_S)
        if connection is self._connection:
            for symbol in symbols:
                if symbol in self.streams:
                    self.streams[symbol].ask_if_missing()
            await self._resync_lost(connection, symbols)

    async def _resync_lost(self, connection: Connection, symbols: Iterable[str]) -> None:
        streams = (self.streams.get(symbol) for symbol in symbols)
        lost = [stream.symbol for stream in streams if stream is not None and stream.must_ask_for_whole()]
        await self._send_resync(connection, lost)

    async def _send_resync(self, connection: Connection, symbols: Iterable[str]) -> None:
        self._to_resync.update(dict.fromkeys(symbols))
        while self._to_resync and not self._is_resync_late:
            if wait_s := self._pace.wait_s(time.monotonic()):
                self._is_resync_late = True
                self._in_background(self._resync_later(connection, wait_s))
                return
            names = lists_of(list(self._to_resync))[0]
            for name in names:
                del self._to_resync[name]
            await connection.send({"action": "resync", "symbols": names})

    async def _resync_later(self, connection: Connection, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        if connection is self._connection:
            self._is_resync_late = False
            await self._send_resync(connection, ())

    def _take_ack(self, message: SubscribedMessage) -> None:
        self._unread = 0
        asked, unknown = self._requests.refused_by(message)
        if unknown:
            self._fail(asked, UnknownSymbolError(f"the server does not follow {', '.join(unknown)}"))
            self._in_background(self._send_unsubscribe([each for each in asked if each not in unknown]))

    def _take_error(self, message: ErrorMessage) -> None:
        log.info("%s: %s", message.code, message.message)
        if message.id == MARKETS and self.markets is not None:
            self.markets.fail(ClientError(f"the server has no stream of markets: {message.message}"))
            self.markets = None
        elif message.code == "INVALID_SYMBOL":
            asked = self._requests.concerned_by(message)
            if message.symbols and all(map(self._was_followed, message.symbols)):
                self._end_markets(message.symbols, message.message)
            else:
                self._fail(asked, UnknownSymbolError(message.message))
                if message.symbols:  # the server follows the others by now, for nobody
                    others = [symbol for symbol in asked if symbol not in message.symbols]
                    self._in_background(self._send_unsubscribe(others))
        elif message.code in ("INVALID_MESSAGE", "INVALID_ACTION"):
            sentence = f"the server does not understand the request: {message.message}"
            self._fail(self._requests.concerned_by(message), ClientError(sentence))

    async def _ask_again(self, connection: Connection, after_s: float) -> None:
        """Send once more what the server did not read, because we sent too much; later each time."""
        least_s = 2.0 ** min(self._unread - 1, 10) if self._unread else 0.0
        await asyncio.sleep(min(max(after_s, least_s), LONGEST_WAIT_S))
        if connection is not self._connection:
            return
        self._asking_again = None
        self._unread += 1
        for symbols in self._requests.clear():
            subscription = self._by_symbol.get(symbols[0])
            if subscription is not None:
                await self._send_list(connection, symbols, subscription)
        if self.markets is not None and self.markets.state.table is None:
            await self._send_markets(connection, "subscribe")

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _fail(self, symbols: list[str], error: ClientError) -> None:
        """End the subscriptions of these symbols, which may be subscribed to anew."""
        found = (self._by_symbol.get(symbol) for symbol in symbols)
        for subscription in dict.fromkeys(each for each in found if each is not None):
            self._forget(subscription)
            subscription.fail(error)
