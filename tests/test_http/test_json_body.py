"""The body of a request: bounded however it is sent, strict, refused in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.http import json_body as module
from liqstream.http.json_body import MAX_BODY_BYTES, json_body
from liqstream.settings.table import Settings


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    size: int


async def _echo(request: web.Request) -> web.Response:
    return web.json_response({"size": (await json_body(request, Thing)).size})


async def test_a_body_is_taken_or_refused(aiohttp_client: AiohttpClient) -> None:
    """Also one whose length nobody named."""
    app = web.Application()
    app.router.add_put("/", _echo)
    client = await aiohttp_client(app)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES):
            yield b"  "

    as_json = {"Content-Type": "application/json"}
    for data, headers, status in (
        (b'{"size":3}', as_json, 200),
        (b'{"size":"3"}', as_json, 400),
        (b'{"size":3,"x":1}', as_json, 400),
        (b"\xff", as_json, 400),
        (b"[" * 9999, as_json, 400),
        (b" " * (MAX_BODY_BYTES + 1), as_json, 413),
        (endless(), as_json, 413),
        (b'{"size":3}', {"Content-Type": "text/plain"}, 415),
        (b"no gzip", as_json | {"Content-Encoding": "gzip"}, 400),
    ):
        async with client.put("/", data=data, headers=headers) as answer:
            assert answer.status == status, await answer.text()


async def test_a_body_that_does_not_come_is_not_waited_for(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends it byte by byte holds a connection that nothing else bounds."""
    monkeypatch.setattr(module, "BODY_DEADLINE_S", 0.05)
    app = web.Application()
    app[ADMISSION] = AdmissionPolicy(Settings())
    app.router.add_put("/", _echo)
    client = await aiohttp_client(app)
    sent, headers = asyncio.Event(), {"Content-Type": "application/json"}

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await sent.wait()

    async with client.put("/", data=stuck(), headers=headers) as answer:
        assert answer.status == 408
        assert "did not come" in await answer.text()
        sent.set()
    assert app[ADMISSION].deadline.closed == 1
