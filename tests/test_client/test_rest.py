"""The REST side of the client: the newest map, verified, or one line that says why not."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from yarl import URL

from liqstream.client.errors import CannotConnectError, ClientError, RefusedError, UnknownSymbolError
from liqstream.client.levels import Levels
from liqstream.client.rest import decode_latest, fetch

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
    ],
)
async def test_a_refusal_is_the_servers_own_sentence(
    status: int, body: str, error: type[ClientError], sentence: str
) -> None:
    """Or its status, where there is none."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        with pytest.raises(error, match=sentence):
            await fetch(session, server.make_url("/"))


async def test_nobody_at_the_address_is_one_line() -> None:
    """It names the address."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(CannotConnectError, match=r"cannot reach http://127\.0\.0\.1:"):
            await fetch(session, URL(f"http://127.0.0.1:{unused_port()}/"))
