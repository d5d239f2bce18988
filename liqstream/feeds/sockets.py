"""Holding a WebSocket to an exchange for ever: reconnect, watchdog, a change of sockets without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import structlog

from liqstream.feeds.backoff import FullJitter, Pace
from liqstream.feeds.feed import FeedError
from liqstream.feeds.frames import FrameSink
from liqstream.feeds.venue import Socket, Venue

log = structlog.get_logger(__name__)

MAX_FRAME_BYTES = 4 * 2**20
"""The largest honest message is a few hundred kilobytes."""
HELLO_EVERY_S = 0.25
"""Binance takes 10 messages a second from a client, Bybit and OKX fewer on a bad day."""
HANDOVER_S = 30.0
"""How long a replacement may take to say its first word before the old socket is kept on."""
HEALTHY_S = 60.0
_CONNECT = aiohttp.ClientWSTimeout(ws_close=1.0)
_REFUSED = (403, 451)


@dataclass(slots=True, eq=False)
class Keeper:
    """Keeps one socket alive. `take` is called with every text and says whether it carried data; what only
    acknowledges does not count as a sign of life. `broke` is called when messages may have been missed."""

    venue: Venue
    socket: Socket
    session: aiohttp.ClientSession
    pace: Pace
    silence_s: float
    take: Callable[[str], bool]
    broke: Callable[[str], None]
    sink: FrameSink | None = None
    max_age_s: float | None = None
    backoff: FullJitter = field(default_factory=FullJitter)
    connected: bool = False
    connects: int = 0

    async def run(self) -> None:
        """Never returns; raises FeedError if the venue shuts this address out."""
        current: asyncio.Task[str] | None = None
        try:
            while True:
                if current is None:
                    current, _ = await self._start()
                started_s = asyncio.get_running_loop().time()
                await asyncio.wait({current}, timeout=self._age_s())
                if not current.done():
                    current = await self._hand_over(current)
                    continue
                await self._lick_wounds(current.result(), started_s)
                current = None
        finally:
            self.connected = False
            if current is not None:
                current.cancel()
                await asyncio.wait({current})

    def _age_s(self) -> float:
        return self.max_age_s if self.max_age_s is not None else self.venue.max_age_s

    async def _start(self) -> tuple[asyncio.Task[str], asyncio.Event]:
        await self.pace.wait()
        self.connects += 1
        alive = asyncio.Event()
        return asyncio.create_task(self._hold(alive), name=f"socket-{self.socket.name}"), alive

    async def _lick_wounds(self, reason: str, started_s: float) -> None:
        self.connected = False
        if asyncio.get_running_loop().time() - started_s >= HEALTHY_S:
            self.backoff.reset()
        wait_s = self.backoff.next_s()
        self.broke(reason)
        log.debug(
            "socket lost",
            exchange=self.venue.exchange,
            socket=self.socket.name,
            reason=reason,
            again_in_s=round(wait_s, 1),
        )
        await asyncio.sleep(wait_s)

    async def _hand_over(self, old: asyncio.Task[str]) -> asyncio.Task[str]:
        """Make before break: the old socket goes only when its replacement has spoken."""
        new, alive = await self._start()
        spoken = asyncio.create_task(alive.wait())
        await asyncio.wait({new, spoken}, timeout=HANDOVER_S, return_when=asyncio.FIRST_COMPLETED)
        spoken.cancel()
        keep, drop = (new, old) if alive.is_set() and not new.done() else (old, new)
        drop.cancel()
        await asyncio.wait({drop})
        self.connected = not keep.done()
        return keep

    async def _hold(self, alive: asyncio.Event) -> str:
        """One connection from its opening to its end; why it ended."""
        try:
            async with self.session.ws_connect(
                self.socket.url, max_msg_size=MAX_FRAME_BYTES, timeout=_CONNECT, autoping=True
            ) as ws:
                self._note("connect", self.socket.url)
                return await self._converse(ws, alive)
        except aiohttp.WSServerHandshakeError as error:
            if error.status in _REFUSED:
                raise FeedError(
                    f"{self.venue.exchange} does not serve this address (HTTP {error.status}): its terms or "
                    "a firewall shut out this country or network"
                ) from None
            return f"HTTP {error.status} instead of a socket"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return str(error) or type(error).__name__

    async def _converse(self, ws: aiohttp.ClientWebSocketResponse, alive: asyncio.Event) -> str:
        heard = _Heard(asyncio.get_running_loop().time())
        tasks = {
            asyncio.create_task(self._listen(ws, heard, alive)),
            asyncio.create_task(self._watch(heard)),
            asyncio.create_task(self._speak(ws)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse, heard: _Heard, alive: asyncio.Event) -> str:
        now_s = asyncio.get_running_loop().time
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._note("recv", message.data)
                if self.take(message.data):
                    heard.at_s = now_s()
                    self.connected = True
                    alive.set()
            elif message.type is aiohttp.WSMsgType.ERROR:
                return f"broken: {message.data}"
        self._note("close", str(ws.close_code))
        return f"closed by the venue ({ws.close_code})"

    async def _watch(self, heard: _Heard) -> str:
        loop = asyncio.get_running_loop()
        while (left_s := heard.at_s + self.silence_s - loop.time()) > 0:  # noqa: ASYNC110  # the deadline moves
            await asyncio.sleep(left_s)
        return f"silent for {self.silence_s:g} s"

    async def _speak(self, ws: aiohttp.ClientWebSocketResponse) -> str:
        for text in self.socket.hello:
            await self._say(ws, text)
            await asyncio.sleep(HELLO_EVERY_S)
        if self.venue.keepalive is None:
            await asyncio.Event().wait()
        every_s, text = self.venue.keepalive or (0.0, "")
        while True:
            await asyncio.sleep(every_s)
            await self._say(ws, text)

    async def _say(self, ws: aiohttp.ClientWebSocketResponse, text: str) -> None:
        with suppress(ConnectionResetError):  # the listener sees the end too, and says why
            await ws.send_str(text)
            self._note("send", text)

    def _note(self, kind: str, text: str) -> None:
        if self.sink is not None:
            self.sink.frame(kind, f"{self.venue.exchange}.{self.socket.name}", text)


@dataclass(slots=True)
class _Heard:
    at_s: float
