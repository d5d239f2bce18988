"""One socket to a server: opened, read message by message, watched for silence.

An unplugged network gives no close event, so liveness is the age of the last message.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from liqstream.client.errors import CannotConnectError, RefusedError
from liqstream.client.messages import Message, NotUnderstoodError, decode
from liqstream.client.reconnect import may_ask_again

HANDSHAKE_TIMEOUT_S = 10.0
HEARTBEAT_S = 5.0
"""The server says something at least this often, or once per update interval if that is longer."""
SILENT_HEARTBEATS = 3
"""So many heartbeats in silence are an outage."""
LOST = 1006
_TICK_S = 1.0


@dataclass(slots=True)
class Ending:
    """Why a connection ended: its close code (1006: without one) and reason."""

    code: int = LOST
    reason: str = ""


class Connection:
    """An open socket; `ending` is known once `messages` is exhausted."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.ending = Ending()
        self.last_message_s = time.monotonic()
        self.not_understood = 0
        self._socket = socket
        self._ping_sent_s = 0.0

    @classmethod
    async def open(cls, session: aiohttp.ClientSession, url: URL, *, compress: bool) -> Connection:
        """Connect. Raises RefusedError if another try cannot help, else CannotConnectError."""
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                return cls(await session.ws_connect(url, compress=15 if compress else 0))
        except aiohttp.WSServerHandshakeError as error:
            raise _refusal(url, error.status) from None
        except TimeoutError:
            raise CannotConnectError(f"{url} does not answer within {HANDSHAKE_TIMEOUT_S:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise CannotConnectError(f"cannot connect to {url}: {_line(error)}") from None

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; on a connection that is ending it is lost, which `messages` will tell."""
        with suppress(aiohttp.ClientConnectionError):
            await self._socket.send_str(json.dumps(message))

    async def messages(self, longest_silence_s: Callable[[], float]) -> AsyncIterator[Message]:
        """What the server says until the connection ends or it says nothing for too long.

        Messages that are not understood are counted and passed over. Raises OldServerError.
        """
        while True:
            try:
                frame = await self._socket.receive(timeout=min(_TICK_S, longest_silence_s() / 3))
            except TimeoutError:
                if await self._is_silent(longest_silence_s()):
                    self.ending = Ending(LOST, "silence")
                    return
                continue
            if frame.type is not aiohttp.WSMsgType.TEXT:
                self.ending = self._ending(frame)
                return
            self.last_message_s = time.monotonic()
            try:
                yield decode(frame.data)
            except NotUnderstoodError:
                self.not_understood += 1

    async def _is_silent(self, limit_s: float) -> bool:
        """True after `limit_s` of silence; asks for a sign of life after a third of it."""
        now_s = time.monotonic()
        silence_s = now_s - self.last_message_s
        if min(silence_s, now_s - self._ping_sent_s) > limit_s / 3:
            self._ping_sent_s = now_s
            await self.send({"action": "ping"})
        return silence_s > limit_s

    def _ending(self, frame: aiohttp.WSMessage) -> Ending:
        reason = frame.extra if isinstance(frame.extra, str) else ""
        return Ending(self._socket.close_code or LOST, reason)

    async def close(self) -> None:
        """Say goodbye; a peer that does not answer within a second is left."""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(1.0):
                await self._socket.close()


def _refusal(url: URL, status: int) -> CannotConnectError | RefusedError:
    sentences = {
        401: f"{url} wants a token, or another one",
        403: f"{url} does not serve this origin or address",
        404: f"{url} is no liqstream server: nothing is at {url.path}",
        429: f"{url} has too many connections from this address",
        503: f"{url} takes no connections now (full, starting, or switched off)",
    }
    sentence = sentences.get(status, f"{url} answers with HTTP {status} where a WebSocket was asked for")
    return CannotConnectError(sentence) if may_ask_again(status) else RefusedError(sentence)


def _line(error: BaseException) -> str:
    cause = getattr(error, "os_error", None) or error
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__).splitlines()[0]
