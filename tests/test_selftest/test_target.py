"""The server under test, found at an address."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from liqstream.client import ClientError
from liqstream.selftest.target import reached
from tests.support.lying_server import lying_server


async def test_its_symbols_are_those_it_names() -> None:
    """And what is recorded of its stream is recorded once."""
    async with lying_server([1]) as url, reached(url, token="secret") as target:
        assert target.symbols == ("BTCUSDT",)
        assert target.headers == {"Authorization": "Bearer secret"}
        assert await target.recordings() is await target.recordings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("<html>", "does not answer in JSON"), ("[]", "names no symbols"), ("{}", "no symbols")],
)
async def test_what_is_no_liqstream_server_is_named(text: str, sentence: str) -> None:
    """One line, with the address."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_get("/ready", handle)
    async with TestServer(app) as server:
        with pytest.raises(ClientError, match=sentence):
            async with reached(str(server.make_url("/")), token=None):
                pass


async def test_nobody_there_is_one_line() -> None:
    """With the address that was tried."""
    port = unused_port()
    with pytest.raises(ClientError, match=rf"cannot reach http://127\.0\.0\.1:{port}/ready"):
        async with reached(f"http://127.0.0.1:{port}", token=None):
            pass
