"""A request that is no WebSocket handshake is refused in a sentence, and never with its own bytes."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.ws.handshake import check_handshake

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


async def _check(request: web.Request) -> web.Response:
    check_handshake(request)
    return web.Response(text="a handshake")


@pytest.mark.parametrize(
    ("version", "changed", "status", "says"),
    [
        ("1.1", {}, 200, ""),
        ("1.1", {"Upgrade": " WebSocket"}, 200, ""),
        ("1.1", {"Content-Length": "0"}, 200, ""),
        ("1.0", {}, 400, "HTTP/1.1"),
        ("2.0", {}, 400, "HTTP/1.1"),
        ("1.1", {"Upgrade": None}, 400, "ws://"),
        ("1.1", {"Upgrade": "notwebsocket"}, 400, "ws://"),
        ("1.1", {"Connection": "keep-alive"}, 400, "Upgrade and Connection"),
        ("1.1", {"Sec-WebSocket-Version": None}, 426, "version 13"),
        ("1.1", {"Sec-WebSocket-Version": "13\r\nSec-WebSocket-Version: 8"}, 426, "version 13"),
        ("1.1", {"Sec-WebSocket-Key": None}, 400, "Sec-WebSocket-Key"),
        ("1.1", {"Sec-WebSocket-Key": "<b>x</b>"}, 400, "Sec-WebSocket-Key"),
        ("1.1", {"Sec-WebSocket-Key": KEY[4:]}, 400, "Sec-WebSocket-Key"),
        ("1.1", {"Sec-WebSocket-Key": f"{KEY[:5]} {KEY[5:]}"}, 400, "Sec-WebSocket-Key"),
        ("1.1", {"Sec-WebSocket-Key": f"{KEY}\r\nSec-WebSocket-Key: {KEY}"}, 400, "Sec-WebSocket-Key"),
        ("1.1", {"Content-Length": "3"}, 400, "no body"),
        ("1.1", {"Transfer-Encoding": "chunked"}, 400, "no body"),
    ],
)
async def test_what_makes_a_handshake(
    version: str, changed: dict[str, str | None], status: int, says: str
) -> None:
    """RFC 6455 4.2.1, and no body, of which a proxy might see another end."""
    app = web.Application()
    app.router.add_get("/", _check)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        given = {name: value for name, value in (HEADERS | changed).items() if value is not None}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        writer.write(f"GET / HTTP/{version}\r\n{lines}\r\n".encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
        size = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(size)
        writer.close()
    assert int(head.split()[1]) == status
    assert ("sec-websocket-version: 13" in head.lower()) == (status == 426)
    if status != 200:
        sentence = json.loads(body)["error"]
        assert says in sentence
        assert "<b>" not in sentence
