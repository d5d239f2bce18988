"""The REST side of the client: the newest map, verified, or one line that says why not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from yarl import URL

from liqstream.client import rest
from liqstream.client.context import decode_context
from liqstream.client.errors import CannotConnectError, ClientError, RefusedError, UnknownSymbolError
from liqstream.client.forecast import decode_forecast
from liqstream.client.history import decode_history
from liqstream.client.levels import Levels
from liqstream.client.liquidations import decode_liquidations
from liqstream.client.measured_score import decode_measured_score
from liqstream.client.positions import decode_positions
from liqstream.client.rest import decode_latest, fetch
from liqstream.client.score import decode_score

BODY: dict[str, Any] = {
    "symbol": "A1",
    "timestamp": "2026-01-01T00:00:00Z",
    "epoch": 5,
    "seq": 6,
    "checksum": Levels.of(1.0, 0.5, [1.0, 0.0], [0.0, 2.0]).checksum,
    "source": "replay",
    "quality": ["partial"],
    "data": {"p0": 1.0, "step": 0.5, "long": [1.0, 0.0], "short": [0.0, 2.0], "current_price": 1.25},
}


def test_the_latest_snapshot_is_read_and_verified() -> None:
    """Every figure of the response is in it."""
    latest = decode_latest(json.dumps(BODY).encode())
    assert (latest.symbol, latest.epoch, latest.seq, latest.source) == ("A1", 5, 6, "replay")
    assert (latest.quality, latest.current_price, latest.checksum) == (("partial",), 1.25, BODY["checksum"])
    assert latest.short_usd.tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"checksum": 1}, "its checksum differs"),
        ({"timestamp": "soon"}, "cannot be read"),
        ({"seq": "x"}, "cannot"),
    ],
)
def test_a_damaged_snapshot_is_refused(change: dict[str, Any], sentence: str) -> None:
    """It is never handed out."""
    with pytest.raises(ClientError, match=sentence):
        decode_latest(json.dumps(BODY | change).encode())


@pytest.mark.parametrize(
    ("status", "body", "error", "sentence"),
    [
        (400, '{"error":"unknown symbol; one of A1"}', UnknownSymbolError, "one of A1"),
        (503, '{"error":"no data yet"}', ClientError, "no data yet"),
        (500, "<html>", RefusedError, "HTTP 500"),
        (500, '{"x":' + "[" * 100_000, RefusedError, "HTTP 500"),
        (500, b'{"error":"\xff"}', RefusedError, "HTTP 500"),
    ],
)
async def test_a_refusal_is_the_servers_own_sentence(
    status: int, body: str | bytes, error: type[ClientError], sentence: str
) -> None:
    """Or its status, where there is none."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        with pytest.raises(error, match=sentence):
            await fetch(session, server.make_url("/"))


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://a..b/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://%b/\r\n\r\n" % (b"a" * 99),
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: file:///etc/passwd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2001\r\n\r\n" + b" " * 2001,
    ],
    ids=["no HTTP", "cut", "no gzip", "no host", "a long host", "a file", "too much"],
)
async def test_whatever_answers_is_one_line(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but ClientError leaves the client."""
    monkeypatch.setattr(rest, "MAX_ANSWER_BYTES", 2000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as session:
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        with pytest.raises(CannotConnectError, match="cannot reach") as refused:
            await fetch(session, url)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "decode",
    [
        decode_latest, decode_context, decode_forecast, decode_history,
        decode_liquidations, decode_measured_score, decode_positions, decode_score,
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b'{"x":' + b"[" * 100_000, b'{"symbol":"\xff"}', b"", b"null"])
def test_a_body_of_anything_else_is_refused(decode: Callable[[bytes], object], body: bytes) -> None:
    """Nested beyond what can be followed, no UTF-8, nothing at all."""
    with pytest.raises(ClientError, match="cannot be read"):
        decode(body)


async def test_nobody_at_the_address_is_one_line() -> None:
    """It names the address."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(CannotConnectError, match=r"cannot reach http://127\.0\.0\.1:"):
            await fetch(session, URL(f"http://127.0.0.1:{unused_port()}/"))
