"""Holding a WebSocket to an exchange for ever: reconnect, watchdog, handover without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import structlog
from yarl import URL

from liqstream.client.url_mask import masked
from liqstream.feeds.http_session import host_of, proxy_of, refused_body
from liqstream.feeds.pacing import FeedTiming, Pace
from liqstream.feeds.parsing import Parsed, SubscriptionRefusal, read_json
from liqstream.feeds.raw_frames import FrameSink
from liqstream.feeds.refusals import Refusal, RefusalKind
from liqstream.feeds.refused_topics import RefusedTopics
from liqstream.feeds.schedule import Schedule
from liqstream.feeds.subscriptions import Subscriptions
from liqstream.feeds.venue import Socket, Topic, Venue
from liqstream.feeds.venue_state import READ_EVERY_S, VenueState, ban_key, socket_host

log = structlog.get_logger(__name__)

MAX_FRAME_BYTES = 4 * 2**20
"""The largest honest message is a few hundred kilobytes."""
HANDOVER_S = 30.0
"""How long a replacement is tried for before the old socket is kept."""
FIRST_DATA_S = 15.0
"""How long one replacement may take to carry its first data before another is tried."""
HANDOVER_AGAIN_S = 300.0
"""When a handover that failed is tried again."""
HANDSHAKE_S = 20.0
HEALTHY_S = 60.0
_OVERSLEPT = 0.25
"""A timer late by this share of the silence allowed was held up by this process, not by the exchange."""
_CONNECT = aiohttp.ClientWSTimeout(ws_close=1.0)


@dataclass(frozen=True, slots=True)
class SocketHooks:
    """Who is called. `on_text` reads every text; only data counts as a sign of life. `on_break` is called
    when messages may have been missed, with the wait before the next try in s; `on_refused` when the exchange
    refuses a topic, with the seconds until it is asked for again, `on_taken` when it has one, by its name;
    `on_alive` when a socket carries data again."""

    on_text: Callable[[str], Parsed | None]
    on_break: Callable[[str, str, float], None]
    on_refused: Callable[[Topic, Refusal, float], None]
    on_alive: Callable[[str], None]
    on_taken: Callable[[str], None] = lambda _name: None


@dataclass(frozen=True, slots=True)
class SocketMeans:
    """What the sockets of one feed share."""

    venue: Venue
    session: aiohttp.ClientSession
    pace: Pace
    timing: FeedTiming
    state: VenueState
    proxy: str = ""
    sink: FrameSink | None = None


@dataclass(slots=True, eq=False)
class SocketSupervisor:
    """Keeps one socket alive, whatever happens to it."""

    socket: Socket
    means: SocketMeans
    hooks: SocketHooks
    connected: bool = False
    connects: int = 0
    _schedule: Schedule = field(init=False)
    # The last handover failed.
    _kept: bool = False
    # Set when the connection shall be handed over to a new one; reset as that begins.
    _replace: asyncio.Event = field(default_factory=asyncio.Event)
    # What the exchange refuses of the socket's topics.
    _refused: RefusedTopics = field(init=False)
    # The connection that asks for it again: the newest there is.
    _asking: _Connection | None = None

    def __post_init__(self) -> None:
        self._schedule = self.means.timing.make_schedule()
        self._refused = RefusedTopics(self.means.timing.make_schedule, self.means.venue.refused_every_s)

    def replace(self, socket: Socket | None = None) -> None:
        """Hand over to a new connection, to another address or with other topics if `socket` is given."""
        self.socket = socket or self.socket
        self._replace.set()

    async def run(self) -> None:
        """Never returns."""
        clock = self.means.timing.clock
        current: asyncio.Task[Refusal] | None = None
        try:
            while True:
                if current is None:
                    current, _ = await self._start()
                started_s = clock.time_s()
                due = asyncio.create_task(self._until_due())
                await asyncio.wait({current, due}, return_when=asyncio.FIRST_COMPLETED)
                due.cancel()
                if not current.done():
                    current = await self._hand_over(current)
                    continue
                await self._back_off(_result(current), started_s)
                current = None
        finally:
            self.connected = False
            if current is not None:
                current.cancel()
                await asyncio.wait({current})

    async def _until_due(self) -> None:
        timing = self.means.timing
        age_s = timing.max_age_s if timing.max_age_s is not None else self.means.venue.max_age_s
        if self._kept:
            age_s = min(age_s, HANDOVER_AGAIN_S)
        with suppress(TimeoutError):
            async with timing.clock.timeout(age_s):
                await self._replace.wait()

    async def _start(self) -> tuple[asyncio.Task[Refusal], asyncio.Event]:
        self._replace.clear()
        while left_s := self.means.state.pause_left_s(self._ban_key):
            await self.means.timing.clock.sleep(min(left_s, READ_EVERY_S))
        await self.means.pace.wait()
        self.connects += 1
        alive = asyncio.Event()
        return asyncio.create_task(self._hold(self.socket, alive), name=f"socket-{self.socket.name}"), alive

    @property
    def _ban_key(self) -> str:
        url = self.socket.url
        return ban_key(socket_host(url), host_of(proxy_of(url, self.means.proxy)))

    async def _back_off(self, refusal: Refusal, started_s: float) -> None:
        self.connected = False
        clock = self.means.timing.clock
        if clock.time_s() - started_s >= HEALTHY_S:
            self._schedule.reset()
        wait_s = self._schedule.next_s(refusal)
        if refusal.pause_s is not None:
            lasting = refusal.kind is RefusalKind.PASSING
            self.means.state.pause(self._ban_key, wait_s, refusal.text, lasting=lasting)
        self.hooks.on_break(self.socket.name, refusal.text, wait_s)
        if refusal.pause_s is None:
            await clock.sleep(wait_s)

    async def _hand_over(self, old: asyncio.Task[Refusal]) -> asyncio.Task[Refusal]:
        """Make before break: the old socket goes only once a replacement has carried data."""
        clock = self.means.timing.clock
        until_s = clock.time_s() + HANDOVER_S
        while True:
            new, alive = await self._start()
            first_data = asyncio.create_task(alive.wait())
            limit = asyncio.create_task(clock.sleep(FIRST_DATA_S))
            await asyncio.wait({new, first_data, limit}, return_when=asyncio.FIRST_COMPLETED)
            first_data.cancel()
            limit.cancel()
            self._kept = new.done() or not alive.is_set()
            keep, drop = (old, new) if self._kept else (new, old)
            drop.cancel()
            await asyncio.wait({drop})
            left_s = until_s - clock.time_s()
            if not self._kept or old.done() or left_s <= 0:
                self.connected = not keep.done()
                return keep
            await clock.sleep(min(left_s, self._schedule.next_s()))

    async def _hold(self, socket: Socket, alive: asyncio.Event) -> Refusal:
        """One connection from its opening to its end; why it ended."""
        refused_body.set("")
        try:
            async with self.means.timing.clock.timeout(HANDSHAKE_S):
                ws = await self.means.session.ws_connect(
                    socket.url,
                    max_msg_size=MAX_FRAME_BYTES,
                    timeout=_CONNECT,
                    autoping=True,
                    proxy=proxy_of(socket.url, self.means.proxy),
                )
        except aiohttp.WSServerHandshakeError as error:
            return self._refused_handshake(error)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Refusal(RefusalKind.PASSING, masked(str(error) or type(error).__name__))
        try:
            self._record("connect", str(URL(socket.url).with_user(None)))
            return await self._run_connection(ws, socket, alive)
        finally:
            await ws.close()

    def _refused_handshake(self, error: aiohttp.WSServerHandshakeError) -> Refusal:
        body = refused_body.get()
        try:
            parsed = read_json(body)
        except ValueError:
            parsed = None
        table, now_ms = self.means.venue.refusals, self.means.timing.clock.now_ms()
        refusal = table.of_response(error.status, error.headers or {}, parsed, body, now_ms)
        if refusal is None or refusal.kind is RefusalKind.ITEM:
            return Refusal(RefusalKind.PASSING, f"HTTP {error.status} instead of a socket")
        return Refusal(refusal.kind, f"instead of a socket {refusal.text}", refusal.pause_s)

    async def _run_connection(
        self, ws: aiohttp.ClientWebSocketResponse, socket: Socket, alive: asyncio.Event
    ) -> Refusal:
        clock = self.means.timing.clock
        connection = _Connection(clock.time_s(), Subscriptions(self.means.venue))
        if socket.subscribes:
            connection.subscriptions.ask(socket.topics)
        connection.wake.set()
        self._refused.begin(socket.topics, connection.data_s)
        self._asking = connection
        tasks = {
            asyncio.create_task(self._receive(ws, connection, alive)),
            asyncio.create_task(self._ask_again(connection)),
            asyncio.create_task(self._watch(connection)),
            asyncio.create_task(self._subscribe(ws, connection)),
            asyncio.create_task(self._keep_alive(ws)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return _result(next(iter(done)))
        finally:
            if self._asking is connection:
                self._asking = None
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _receive(
        self, ws: aiohttp.ClientWebSocketResponse, connection: _Connection, alive: asyncio.Event
    ) -> str:
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._record("recv", message.data)
                if (parsed := self.hooks.on_text(message.data)) is None:
                    continue
                if parsed.reply:
                    await self._send(ws, parsed.reply)
                if parsed.kind == "data":
                    connection.data_s = self.means.timing.clock.time_s()
                    alive.set()
                    if not self.connected:
                        self.connected = True
                        self.hooks.on_alive(self.socket.name)
                elif parsed.refusal is not None:
                    self._on_refusal(parsed.refusal, connection)
                elif parsed.kind == "closing":
                    self._replace.set()
            elif message.type is aiohttp.WSMsgType.ERROR:
                return f"broken: {message.data}"
        self._record("close", str(ws.close_code))
        return f"closed by the exchange ({ws.close_code})"

    def _on_refusal(self, refusal: SubscriptionRefusal, connection: _Connection) -> None:
        verdict = self.means.venue.refusals.of_code(refusal.code, refusal.text)
        topics = connection.subscriptions.refused(refusal)
        connection.wake.set()  # what was refused with them waits to be sent again
        if topics:
            wait_s = self._refused.refuse(topics, verdict, self.means.timing.clock.time_s())
            for topic in topics:
                self.hooks.on_refused(topic, verdict, wait_s)

    async def _ask_again(self, connection: _Connection) -> str:
        clock = self.means.timing.clock
        while True:
            await self._refused.wait(clock)
            # Where the newest connection has gone, the one that is kept goes on.
            self._asking = self._asking or connection
            if self._asking is not connection:
                continue
            if topics := self._refused.take_due(clock.time_s()):
                connection.subscriptions.ask(topics)
                connection.wake.set()
            is_sending = connection.subscriptions.has_waiting
            for topic in self._refused.take_settled(clock.time_s(), is_sending=is_sending):
                self.hooks.on_taken(topic.name)

    async def _watch(self, connection: _Connection) -> str:
        timing = self.means.timing
        grace_s = timing.stale_after_s * _OVERSLEPT
        wait_s = timing.stale_after_s
        while wait_s > 0:
            due_s = timing.clock.time_s() + wait_s
            await timing.clock.sleep(wait_s)
            now_s = timing.clock.time_s()
            wait_s = connection.data_s + timing.stale_after_s - now_s
            if now_s - due_s > grace_s:
                # It was this process that stood still: what came meanwhile has not been read yet.
                wait_s = max(wait_s, grace_s)
        return f"silent for {timing.stale_after_s:g} s"

    async def _subscribe(self, ws: aiohttp.ClientWebSocketResponse, connection: _Connection) -> str:
        while True:
            await connection.wake.wait()
            connection.wake.clear()
            while (text := connection.subscriptions.next_message()) is not None:
                await self._send(ws, text)
                await self.means.timing.clock.sleep(self.means.venue.send_every_s)

    async def _keep_alive(self, ws: aiohttp.ClientWebSocketResponse) -> str:
        if self.means.venue.keepalive is None:
            await asyncio.Event().wait()
        every_s, text = self.means.venue.keepalive or (0.0, "")
        while True:
            await self.means.timing.clock.sleep(every_s)
            await self._send(ws, text)

    async def _send(self, ws: aiohttp.ClientWebSocketResponse, text: str) -> None:
        with suppress(ConnectionResetError):  # the listener sees the end too, and says why
            await ws.send_str(text)
            self._record("send", text)

    def _record(self, kind: str, text: str) -> None:
        if self.means.sink is not None:
            self.means.sink.frame(kind, f"{self.means.venue.exchange}.{self.socket.name}", text)


@dataclass(slots=True)
class _Connection:
    data_s: float
    subscriptions: Subscriptions
    # Set when a message waits to be sent.
    wake: asyncio.Event = field(default_factory=asyncio.Event)


def _result(task: asyncio.Task[Refusal] | asyncio.Task[str]) -> Refusal:
    """Why a connection or a part of it ended; an exception nobody foresaw is a reason like any other."""
    error = task.exception()
    if error is None:
        found = task.result()
        return found if isinstance(found, Refusal) else Refusal(RefusalKind.PASSING, found)
    log.error("socket failed", task=task.get_name(), exc_info=error)
    return Refusal(RefusalKind.PASSING, repr(error))
