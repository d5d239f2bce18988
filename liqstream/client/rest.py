"""The REST side of a server: the newest map of a symbol and its past."""

from __future__ import annotations

import asyncio

import aiohttp
import msgspec
from yarl import URL

from .errors import CannotConnectError, ClientError, RefusedError, UnknownSymbolError
from .levels import Levels
from .messages import UNREADABLE, Columns
from .snapshot import Snapshot, StateFields

ANSWER_TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""Twice what a server of ours sends at most: whoever else answers may not fill the memory."""


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
            body = await _body(answer)
            if answer.status == 200:
                return body
            raise _refusal(url, answer.status, body)
    except TimeoutError:
        raise CannotConnectError(f"{url} does not answer within {ANSWER_TIMEOUT_S:.0f} s") from None
    except ClientError:
        raise
    except Exception as error:  # noqa: BLE001  whatever an answer makes of aiohttp, it is none
        raise CannotConnectError(f"cannot reach {url}: {' '.join(str(error).split())}") from None


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """All of it, decompressed. Raises ValueError for more than any server of ours sends."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError(f"more than {MAX_ANSWER_BYTES >> 20} MiB come from there")
    return bytes(body)


def _refusal(url: URL, status: int, body: bytes) -> ClientError:
    try:
        sentence = msgspec.json.decode(body, type=_Refusal).error
    except UNREADABLE:
        return RefusedError(f"{url} answers with HTTP {status}")
    return UnknownSymbolError(sentence) if "unknown symbol" in sentence else ClientError(sentence)


def decode_latest(body: bytes) -> Snapshot:
    """The snapshot in an answer of /api/heatmap/{symbol}?columns=1. Raises ClientError if it is damaged."""
    try:
        latest = msgspec.json.decode(body, type=_Latest)
        data = latest.data
        snapshot = Snapshot.of(latest, data, Levels.of(data.p0, data.step, data.long, data.short))
    except UNREADABLE as error:
        raise ClientError(f"the server's snapshot cannot be read: {error}") from None
    if snapshot.checksum != latest.checksum:
        raise ClientError("the server's snapshot was damaged on its way: its checksum differs")
    return snapshot
