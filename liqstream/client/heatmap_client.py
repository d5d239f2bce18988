"""The Python client: one connection that keeps itself alive and its states provably right."""

from __future__ import annotations

import asyncio

# Not structlog, which prints to stdout unless configured: a library must not write into its user's pipe.
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import aiohttp

from liqstream.client.addresses import Addresses
from liqstream.client.connection import HEARTBEAT_S, SILENT_HEARTBEATS, Connection, Ending
from liqstream.client.errors import CannotConnectError, ClientError, RefusedError, UnknownSymbolError
from liqstream.client.history import History, decode_history
from liqstream.client.messages import (
    DeltaMessage,
    ErrorMessage,
    HeartbeatMessage,
    Message,
    SnapshotMessage,
    StateMessage,
    SubscribedMessage,
    WarningMessage,
)
from liqstream.client.reconnect import full_jitter, may_reconnect
from liqstream.client.rest import decode_latest, fetch
from liqstream.client.snapshot import Snapshot
from liqstream.client.stream import Account, SymbolStream
from liqstream.client.subscription import Subscription

log = logging.getLogger(__name__)

State = Literal["connecting", "open", "waiting", "closed"]


@dataclass(frozen=True, slots=True)
class Status:
    """How the connection stands; `code` and `reason` are those of the last one that ended."""

    state: State
    attempt: int = 0
    retry_in_s: float = 0.0
    code: int = 0
    reason: str = ""


class HeatmapClient:
    """A client of one server, for use as `async with HeatmapClient(url) as client`.

    Entering connects, and raises CannotConnectError or RefusedError with one clear sentence if it cannot
    (`patient=True` waits for the server instead). From then on a lost connection is opened again with full
    jitter from 2 s, subscriptions and states are resumed, and only an end the server calls final is raised
    out of the subscriptions. `token` is sent as a bearer token. `compress` asks for deflated frames. A
    server that says nothing for `outage_after_s` (default: three of its heartbeats) counts as lost.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        patient: bool = False,
        compress: bool = False,
        backoff: Callable[[int], float] = full_jitter,
        outage_after_s: float | None = None,
    ) -> None:
        self.status = Status("closed")
        self.dropped = 0
        """Snapshots the server says it dropped because this client read too slowly."""
        self._addresses = Addresses.of(url)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._patient = patient
        self._compress = compress
        self._backoff = backoff
        self._outage_after_s = outage_after_s
        self._streams: dict[str, SymbolStream] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._requests: dict[int, tuple[str, ...]] = {}
        self._next_id = 1
        self._sending: set[asyncio.Task[None]] = set()
        self._retry_after_s = 0.0
        self._session: aiohttp.ClientSession | None = None
        self._connection: Connection | None = None
        self._first: Connection | None = None  # opened, and not followed yet
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> HeatmapClient:
        self._session = aiohttp.ClientSession(headers=self._headers)
        try:
            self._first = None if self._patient else await self._open(1)
        except BaseException:
            await self._session.close()
            self.status = Status("closed")
            raise
        self._task = asyncio.create_task(self._run(), name="liqstream-client")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            for task in self._sending:
                task.cancel()
            await asyncio.wait([self._task, *self._sending])
        if self._first is not None:
            await self._first.close()
        for subscription in set(self._subscriptions.values()):
            subscription.end()
        if self._session is not None:
            await self._session.close()
        self.status = Status("closed")

    def subscribe(self, *symbols: str, update_interval_s: int = 5, keep: int = 1) -> Subscription:
        """Snapshots of `symbols`, at most one of each per `update_interval_s` (1 to 60 s).

        The newest arrives at once; for a slow consumer the newest `keep` of each symbol wait. Raises
        ValueError for no symbol or one that is subscribed already; the iteration raises UnknownSymbolError
        for one that the server does not follow.
        """
        held = [symbol for symbol in symbols if symbol in self._subscriptions]
        if not symbols or held:
            raise ValueError(f"already subscribed: {', '.join(held)}" if held else "no symbol given")
        subscription = Subscription(tuple(symbols), update_interval_s, keep=keep, on_close=self._unsubscribe)
        if self._task is not None and self._task.done():
            subscription.fail(ClientError("the connection has ended for good; make a new client"))
            return subscription
        for symbol in symbols:
            self._subscriptions[symbol] = subscription
            self._streams[symbol] = SymbolStream(symbol)
        if self._connection is not None:
            self._in_background(self._send_subscribe(self._connection, subscription))
        return subscription

    async def latest(self, symbol: str, *, exchanges: Collection[str] = ()) -> Snapshot:
        """The newest map of a symbol, of all venues or of some, by REST. Raises ClientError."""
        query = {"columns": "1", **_of(exchanges)}
        url = self._addresses.resource(f"/api/heatmap/{symbol}").with_query(query)
        return decode_latest(await fetch(self._opened(), url))

    async def history(
        self,
        symbol: str,
        window: str = "24h",
        *,
        interval: str | None = None,
        exchanges: Collection[str] = (),
    ) -> History:
        """The map over the last `window` (12h, 24h, 48h, 3d, 7d, ... 1y), of all venues or of some, by REST.

        Raises ClientError.
        """
        query = {"window": window, **({"interval": interval} if interval else {}), **_of(exchanges)}
        url = self._addresses.resource(f"/api/heatmap/{symbol}/history").with_query(query)
        return decode_history(await fetch(self._opened(), url))

    def account(self, symbol: str) -> Account:
        """What arrived of a subscribed symbol and what did not. Raises KeyError for others."""
        return self._streams[symbol].account

    @property
    def silence_s(self) -> float:
        """Seconds since the server last said anything; infinite while not connected."""
        if self._connection is None:
            return float("inf")
        return time.monotonic() - self._connection.last_message_s

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ClientError("the client is not open; use `async with HeatmapClient(url) as client`")
        return self._session

    async def _run(self) -> None:
        """Follow one connection after another until the client is left or the server ends it for good."""
        connection, self._first = self._first, None
        ending = Ending()
        try:
            while True:
                if connection is not None:
                    ending = await self._follow(connection)
                connection = await self._reconnect(ending)
        except Exception as error:  # noqa: BLE001  raised again out of every subscription
            for subscription in set(self._subscriptions.values()):
                subscription.fail(error)
            self.status = Status("closed", reason=str(error))

    async def _open(self, attempt: int) -> Connection:
        self.status = Status("connecting", attempt, code=self.status.code, reason=self.status.reason)
        return await Connection.open(self._opened(), self._addresses.stream, compress=self._compress)

    async def _reconnect(self, ending: Ending) -> Connection:
        if not may_reconnect(ending.code):
            raise RefusedError(f"the server ended the connection for good: {ending.code} {ending.reason}")
        code, reason, attempt = ending.code, ending.reason, 1
        while True:
            wait_s = max(self._retry_after_s, self._backoff(attempt))
            self._retry_after_s = 0.0
            self.status = Status("waiting", attempt, wait_s, code, reason)
            await asyncio.sleep(wait_s)
            try:
                return await self._open(attempt + 1)
            except CannotConnectError as error:
                attempt, reason = attempt + 1, str(error)

    async def _follow(self, connection: Connection) -> Ending:
        """Subscribe and read until the connection ends."""
        self.status = Status("open")
        self._connection = connection
        self._requests.clear()
        try:
            for subscription in dict.fromkeys(self._subscriptions.values()):
                await self._send_subscribe(connection, subscription)
            async for message in connection.messages(self._longest_silence_s):
                await self._take(connection, message)
        finally:
            self._connection = None
            for stream in self._streams.values():
                stream.connection_lost()
            await connection.close()
        log.info("connection lost: %s %s", connection.ending.code, connection.ending.reason)
        return connection.ending

    def _longest_silence_s(self) -> float:
        if self._outage_after_s is not None:
            return self._outage_after_s
        intervals_s = (float(each.update_interval_s) for each in self._subscriptions.values())
        return SILENT_HEARTBEATS * max((HEARTBEAT_S, *intervals_s))

    async def _send_subscribe(self, connection: Connection, subscription: Subscription) -> None:
        request_id, self._next_id = self._next_id, self._next_id + 1
        self._requests[request_id] = subscription.symbols
        message = {
            "action": "subscribe",
            "symbols": list(subscription.symbols),
            "update_interval": subscription.update_interval_s,
            "proto": 2,
            "delta": True,
            "id": request_id,
        }
        points = {symbol: self._streams[symbol].resume for symbol in subscription.symbols}
        resume = {symbol: {"epoch": at.epoch, "seq": at.seq} for symbol, at in points.items() if at}
        await connection.send(message | ({"resume": resume} if resume else {}))

    async def _unsubscribe(self, subscription: Subscription) -> None:
        for symbol in subscription.symbols:
            if self._subscriptions.get(symbol) is subscription:
                del self._subscriptions[symbol], self._streams[symbol]
        if self._connection is not None:
            await self._connection.send({"action": "unsubscribe", "symbols": list(subscription.symbols)})

    async def _take(self, connection: Connection, message: Message) -> None:
        match message:
            case SnapshotMessage() | DeltaMessage():
                await self._take_state(connection, message)
            case HeartbeatMessage():
                for symbol, at in message.symbols.items():
                    if symbol in self._streams:
                        self._streams[symbol].take_heartbeat(at)
                        await self._resync_if_lost(connection, symbol)
            case SubscribedMessage():
                self._take_ack(message)
            case ErrorMessage(code="RATE_LIMITED"):
                self._in_background(self._ask_again(connection, message.retry_after_ms / 1000))
            case ErrorMessage():
                self._take_error(message)
            case WarningMessage():
                self.dropped += message.dropped_messages
                self._retry_after_s = message.retry_after_ms / 1000
                log.info("%s: %s", message.code, message.message)

    async def _take_state(self, connection: Connection, message: StateMessage) -> None:
        stream = self._streams.get(message.symbol)
        if stream is None:
            return  # was on its way when we unsubscribed
        snapshot = stream.take(message)
        if snapshot is not None:
            self._subscriptions[message.symbol].put(snapshot)
        await self._resync_if_lost(connection, message.symbol)

    async def _resync_if_lost(self, connection: Connection, symbol: str) -> None:
        if self._streams[symbol].must_ask_for_whole():
            await connection.send({"action": "resync", "symbols": [symbol]})

    def _take_ack(self, message: SubscribedMessage) -> None:
        asked = self._requests.pop(message.id, ()) if isinstance(message.id, int) else ()
        unknown = [symbol for symbol in asked if symbol not in message.symbols]
        if unknown:
            self._fail(asked, UnknownSymbolError(f"the server does not follow {', '.join(unknown)}"))

    def _take_error(self, message: ErrorMessage) -> None:
        log.info("%s: %s", message.code, message.message)
        asked = self._requests.get(message.id, ()) if isinstance(message.id, int) else ()
        if not asked and message.code == "INVALID_SYMBOL" and len(self._requests) == 1:
            asked = next(iter(self._requests.values()))  # a server that does not name the request
        if message.code == "INVALID_SYMBOL":
            self._fail(asked, UnknownSymbolError(message.message))
        elif message.code in ("INVALID_MESSAGE", "INVALID_ACTION"):
            self._fail(asked, ClientError(f"the server does not understand the request: {message.message}"))

    async def _ask_again(self, connection: Connection, after_s: float) -> None:
        """Send once more what the server did not read, because we sent too much."""
        await asyncio.sleep(after_s)
        unanswered, self._requests = self._requests, {}
        for symbols in unanswered.values():
            subscription = self._subscriptions.get(symbols[0])
            if subscription is not None and connection is self._connection:
                await self._send_subscribe(connection, subscription)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _fail(self, symbols: tuple[str, ...], error: ClientError) -> None:
        for symbol in symbols:
            if symbol in self._subscriptions:
                self._subscriptions[symbol].fail(error)


def _of(exchanges: Collection[str]) -> dict[str, str]:
    return {"exchange": ",".join(exchanges)} if exchanges else {}
