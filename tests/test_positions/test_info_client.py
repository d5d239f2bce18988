"""Questions tried once, on a real server: what each refusal is."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from liqstream.positions.info_client import (
    InfoClient,
    RefusedForGoodError,
    TooManyError,
    UnansweredError,
)
from tests.support.exchange_rig import serving


def answering(status: int, body: str) -> web.Application:
    """A server that answers everything alike, and counts."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, "null", TooManyError),
        (403, "", RefusedForGoodError),
        (451, "", RefusedForGoodError),
        (500, "", UnansweredError),
        (302, "", UnansweredError),
        (200, "<html>", UnansweredError),
    ],
)
async def test_what_is_refused(status: int, body: str, error: type[Exception]) -> None:
    """Too many, for good, or for now."""
    async with serving(answering(status, body)) as port, aiohttp.ClientSession() as session:
        client = InfoClient(f"http://127.0.0.1:{port}", session)
        with pytest.raises(error) as raised:
            await client.ask({"type": "meta"})
        assert type(raised.value) is error


async def test_an_answer_and_a_stream() -> None:
    """The JSON, and the bytes of a body."""
    async with serving(answering(200, '{"a": 1}')) as port, aiohttp.ClientSession() as session:
        client = InfoClient(f"http://127.0.0.1:{port}/", session)
        assert await client.ask({"type": "meta"}) == {"a": 1}
        chunks = [chunk async for chunk in client.chunks(f"http://127.0.0.1:{port}/x")]
        assert b"".join(chunks) == b'{"a": 1}'


async def test_nobody_there() -> None:
    """Unanswered, without the password of the address."""
    async with aiohttp.ClientSession() as session:
        client = InfoClient("http://user:secret@127.0.0.1:9", session)
        with pytest.raises(UnansweredError) as raised:
            await client.ask({"type": "meta"})
        assert "secret" not in str(raised.value)
