"""One socket to a server: opened, read message by message, watched for silence.

An unplugged network gives no close event, so liveness is the age of the last message.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import aiohttp
from yarl import URL

from .errors import CannotConnectError, RefusedError
from .frame_check import CheckedSocket
from .messages import Message, NotUnderstoodError, decode
from .reconnect import may_ask_again
from .url_mask import masked

HANDSHAKE_TIMEOUT_S = 10.0
HEARTBEAT_S = 5.0
"""The server sends something at least this often, or once per update interval if that is longer."""
SILENT_HEARTBEATS = 3
"""So many heartbeats in silence are an outage."""
LOST = 1006
_SILENCE_CHECK_S = 1.0


@dataclass(slots=True)
class Ending:
    """Why a connection ended: its close code (1006: without one) and reason."""

    code: int = LOST
    reason: str = ""


State = Literal["connecting", "open", "waiting", "closed"]


@dataclass(frozen=True, slots=True)
class Status:
    """How the connection stands; `code` and `reason` are those of the last one that ended."""

    state: State
    attempt: int = 0
    retry_in_s: float = 0.0
    code: int = 0
    reason: str = ""


def make_session(headers: Mapping[str, str], proxy: str | None) -> aiohttp.ClientSession:
    """A session for stream and REST that follows no redirect: whoever sends one could send us anywhere.

    A browser's WebSocket follows none either.
    """

    async def refuse_redirect(
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        params: aiohttp.TraceRequestRedirectParams,
    ) -> None:
        target = masked(params.response.headers.get("Location", "nowhere"))
        raise aiohttp.ClientError(f"it redirects to {target}, which is not followed: name that address")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse_redirect)
    return aiohttp.ClientSession(
        headers=headers, proxy=proxy, trace_configs=[trace], ws_response_class=CheckedSocket
    )


class Connection:
    """An open socket; `ending` is known once `messages` is exhausted."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.ending = Ending()
        self.last_message_s = time.monotonic()
        self.not_understood = 0
        self._socket = socket
        self._ping_sent_s = 0.0

    @classmethod
    async def open(
        cls, session: aiohttp.ClientSession, url: URL, *, compress: bool, is_first: bool = True
    ) -> Connection:
        """Connect. Raises RefusedError if another try cannot help, else CannotConnectError.

        Unless it `is_first`, a connection has worked before, and few refusals are final.
        """
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                return cls(await session.ws_connect(url, compress=15 if compress else 0))
        except aiohttp.WSServerHandshakeError as error:
            challenge = error.headers.get("WWW-Authenticate", "") if error.headers else ""
            may_retry = may_ask_again(error.status, challenge, is_first=is_first)
            sentence = _refusal(url, error)
            raise (CannotConnectError(sentence) if may_retry else RefusedError(sentence)) from None
        except TimeoutError:
            raise CannotConnectError(f"{url} does not answer within {HANDSHAKE_TIMEOUT_S:.0f} s") from None
        except Exception as error:  # noqa: BLE001  whatever an answer makes of aiohttp, it is no connection
            raise CannotConnectError(f"cannot connect to {url}: {_line(error)}") from None

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; on a connection that is ending it is lost, and `messages` ends."""
        with suppress(aiohttp.ClientConnectionError):
            await self._socket.send_str(json.dumps(message))

    async def messages(self, longest_silence_s: Callable[[], float]) -> AsyncIterator[Message]:
        """What the server sends until the connection ends or nothing comes for too long.

        Messages that are not understood are counted and passed over. Raises OldServerError.
        """
        while True:
            try:
                frame = await self._socket.receive(timeout=min(_SILENCE_CHECK_S, longest_silence_s() / 3))
            except TimeoutError:
                if await self._is_silent(longest_silence_s()):
                    self.ending = Ending(LOST, "silence")
                    return
                continue
            except aiohttp.ClientConnectionError as error:  # a ping that cannot be answered any more
                self.ending = Ending(LOST, _line(error))
                return
            if frame.type is aiohttp.WSMsgType.BINARY:
                self.last_message_s = time.monotonic()
                self.not_understood += 1
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
        """True after `limit_s` of silence; pings a second after a third of it, when a message was due."""
        now_s = time.monotonic()
        silence_s = now_s - self.last_message_s
        if min(silence_s, now_s - self._ping_sent_s) > min(limit_s / 3 + 1.0, 0.4 * limit_s):
            self._ping_sent_s = now_s
            await self.send({"action": "ping"})
        return silence_s > limit_s

    def _ending(self, frame: aiohttp.WSMessage) -> Ending:
        if frame.type is aiohttp.WSMsgType.ERROR:  # our own verdict on a frame is not the server's last word
            return Ending(LOST, f"damaged: {frame.data}".splitlines()[0])
        reason = frame.extra if isinstance(frame.extra, str) else ""
        return Ending(self._socket.close_code or LOST, reason)

    async def close(self) -> None:
        """Close the socket; a peer that does not answer within a second is left."""
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(1.0):
                await self._socket.close()


def _refusal(url: URL, error: aiohttp.WSServerHandshakeError) -> str:
    status = error.status
    sentences = {
        101: f"{url} agrees to a WebSocket, but not as RFC 6455 wants it: {error.message.lower()}",
        401: f"{url} wants a token, or another one",
        403: f"{url} does not serve this origin or address",
        404: f"{url} is no liqstream server: nothing is at {url.path}",
        429: f"{url} has too many connections from this address",
        503: f"{url} takes no connections now (full, starting, or switched off)",
    }
    return sentences.get(status, f"{url} answers with HTTP {status} where a WebSocket was asked for")


def _line(error: BaseException) -> str:
    cause = getattr(error, "os_error", None) or error
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__).splitlines()[0]
