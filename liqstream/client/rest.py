"""The REST side of a server: the newest map of a symbol and its past."""

from __future__ import annotations

import asyncio

import aiohttp
import msgspec
from yarl import URL

from liqstream.client.errors import CannotConnectError, ClientError, RefusedError, UnknownSymbolError
from liqstream.client.levels import Levels
from liqstream.client.messages import Columns
from liqstream.client.snapshot import Snapshot, parse_time

ANSWER_TIMEOUT_S = 30.0


class _Latest(msgspec.Struct):
    symbol: str
    timestamp: str
    epoch: int
    seq: int
    checksum: int
    data: Columns
    stale: bool = False
    source: str = "live"
    quality: list[str] = []


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
        said = msgspec.json.decode(body, type=_Latest)
        levels = Levels.of(said.data.p0, said.data.step, said.data.long, said.data.short)
        time = parse_time(said.timestamp)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ClientError(f"the server's snapshot cannot be read: {error}") from None
    if levels.checksum != said.checksum:
        raise ClientError("the server's snapshot was damaged on its way: its checksum differs")
    return Snapshot(
        symbol=said.symbol,
        time=time,
        epoch=said.epoch,
        seq=said.seq,
        skipped=0,
        stale=said.stale,
        source=said.source,
        quality=tuple(said.quality),
        current_price=said.data.current_price,
        positions_created=said.data.positions_created,
        positions_consumed=said.data.positions_consumed,
        grid=levels,
    )
