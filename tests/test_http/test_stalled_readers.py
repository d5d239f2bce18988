"""liqstream/http/stalled_readers.py: who is dropped, and what is counted."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from liqstream.admission.policy import ADMISSION, AdmissionPolicy, RefusalReason
from liqstream.http.stalled_readers import abort, dropping_stalled_readers
from liqstream.settings.table import Settings


@pytest.mark.parametrize(("error", "counted"), [(TimeoutError, 1), (ConnectionResetError, 0)])
async def test_only_a_reader_that_takes_nothing_is_counted(
    aiohttp_client: AiohttpClient, error: type[OSError], counted: int
) -> None:
    """It gets an end without the rest; one that has left by itself is no refusal."""

    async def fail(request: web.Request) -> None:
        if error is ConnectionResetError:
            abort(request)
        raise error

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 10
        await response.prepare(request)
        with dropping_stalled_readers(request):
            await response.write(b"half ")
            await fail(request)
        return response

    app = web.Application()
    app[ADMISSION] = AdmissionPolicy(Settings())
    app.router.add_get("/half", half)
    client = await aiohttp_client(app)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with client.get("/half") as answer:
            await answer.read()
    assert app[ADMISSION].refused()[RefusalReason.STALLED] == counted


async def test_another_error_is_not_swallowed(aiohttp_client: AiohttpClient) -> None:
    """A fault of the server's own stays one."""

    async def broken(request: web.Request) -> web.StreamResponse:
        with dropping_stalled_readers(request):
            raise ZeroDivisionError

    app = web.Application()
    app.router.add_get("/broken", broken)
    client = await aiohttp_client(app)
    async with client.get("/broken") as answer:
        assert answer.status == 500
