"""The REST side of a server: the newest map of a symbol and its past."""

from __future__ import annotations

import asyncio

import aiohttp
import msgspec
from yarl import URL

from .errors import CannotConnectError, ClientError, RefusedError, UnknownSymbolError
from .levels import Levels
from .messages import Columns
from .snapshot import Snapshot, StateFields

ANSWER_TIMEOUT_S = 30.0


class _Latest(StateFields, frozen=True, kw_only=True):
    data: Columns


class _Refusal(msgspec.Struct):
    error: str


async def fetch(session: aiohttp.ClientSession, url: URL) -> bytes:
    """The body at an address.

    Raises UnknownSymbolError or ClientError with the server's own sentence, CannotConnectError if none came.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S), session.get(url) as answer:
            body = await answer.read()
            if answer.status == 200:
                return body
            raise _refusal(url, answer.status, body)
    except TimeoutError:
        raise CannotConnectError(f"{url} does not answer within {ANSWER_TIMEOUT_S:.0f} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise CannotConnectError(f"cannot reach {url}: {error}") from None


def _refusal(url: URL, status: int, body: bytes) -> ClientError:
    try:
        sentence = msgspec.json.decode(body, type=_Refusal).error
    except msgspec.MsgspecError:
        return RefusedError(f"{url} answers with HTTP {status}")
    return UnknownSymbolError(sentence) if "unknown symbol" in sentence else ClientError(sentence)


def decode_latest(body: bytes) -> Snapshot:
    """The snapshot in an answer of /api/heatmap/{symbol}?columns=1. Raises ClientError if it is damaged."""
    try:
        latest = msgspec.json.decode(body, type=_Latest)
        data = latest.data
        snapshot = Snapshot.of(latest, data, Levels.of(data.p0, data.step, data.long, data.short))
    except (msgspec.MsgspecError, ValueError) as error:
        raise ClientError(f"the server's snapshot cannot be read: {error}") from None
    if snapshot.checksum != latest.checksum:
        raise ClientError("the server's snapshot was damaged on its way: its checksum differs")
    return snapshot
