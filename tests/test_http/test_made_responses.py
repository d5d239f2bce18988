"""Responses that are made: their headers, codings, errors, and readers that do not read."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import hdrs, web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.admission.policy import ADMISSION, AdmissionPolicy, RefusalReason
from liqstream.http import made_responses
from liqstream.http.made_responses import (
    QUEUES,
    Cost,
    NoAnswerYetError,
    ResponseQueues,
    made_response,
)
from liqstream.settings.table import Settings
from liqstream.wire.history_json import HistoryTooLargeError
from tests.support.ws_server import until

TEXT = b"0123456789" * 100_000
HEAVY = Cost(1_000_000, 2_000_000)

Client = TestClient[Any, Any]


@asynccontextmanager
async def served(error: Exception | None = None, cost: Cost = HEAVY) -> AsyncIterator[Client]:
    """A server of one text in two parts, or of one error."""

    async def parts() -> Iterable[bytes]:
        if error is not None:
            raise error
        return (TEXT[:500_000], TEXT[500_000:])

    async def handle(request: web.Request) -> web.StreamResponse:
        return await made_response(request, cost, parts, content_type="text/plain")

    app = web.Application()
    app[ADMISSION] = AdmissionPolicy(Settings())
    app.router.add_get("/text", handle)

    async def queues(app: web.Application) -> AsyncIterator[None]:
        app[QUEUES] = ResponseQueues()
        yield
        await app[QUEUES].close()

    app.cleanup_ctx.append(queues)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


async def test_a_body_comes_whole_in_the_coding_liked_best() -> None:
    """With its length, one ETag for all codings, and 304 to a client that has it."""
    async with served() as client:
        etags = set()
        for accepted, decode in (("gzip", gzip.decompress), ("identity", bytes)):
            async with client.get("/text", headers={hdrs.ACCEPT_ENCODING: accepted}) as answer:
                body = await answer.read()
                assert decode(body) == TEXT
                assert answer.headers[hdrs.CONTENT_LENGTH] == str(len(body))
                assert answer.headers[hdrs.VARY] == "Accept, Accept-Encoding"
                etags.add(answer.headers[hdrs.ETAG])
        (etag,) = etags
        async with client.get("/text", headers={hdrs.IF_NONE_MATCH: etag}) as again:
            assert (again.status, again.headers[hdrs.ETAG], await again.read()) == (304, etag, b"")
        async with client.head("/text", headers={hdrs.ACCEPT_ENCODING: "identity"}) as head:
            assert head.headers[hdrs.CONTENT_LENGTH] == str(len(TEXT))
        assert client.app is not None
        assert client.app[QUEUES].budget.held == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [(NoAnswerYetError("nothing of it yet"), 503), (HistoryTooLargeError("half fits"), 400)],
)
async def test_what_cannot_be_made_is_a_sentence(error: Exception, status: int) -> None:
    """To each of those who share the work."""
    async with served(error) as client:
        answers = await asyncio.gather(*(client.get("/text") for _ in range(3)))
        assert [answer.status for answer in answers] == [status] * 3
        assert [(await answer.json())["error"] for answer in answers] == [str(error)] * 3
        assert (hdrs.RETRY_AFTER in answers[0].headers) == (status == 503)


async def test_a_heavy_request_costs_more_of_the_rate() -> None:
    """A token for every 50,000 cells; a light one costs no more than its own."""
    for cost, left in ((HEAVY, 380), (Cost(1000, 10_000), 400)):
        async with served(cost=cost) as client:
            assert (await client.get("/text")).status == 200
            assert client.app is not None
            bucket = client.app[ADMISSION].requests._bucket("127.0.0.1")
            assert round(bucket._tokens) == left


async def test_no_place_is_a_503_with_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted as a refusal."""
    monkeypatch.setattr(made_responses, "HEAVY_PLACES", -2)
    async with served() as client:
        answer = await client.get("/text")
        assert (answer.status, answer.headers[hdrs.RETRY_AFTER]) == (503, "3")
        assert "too many large requests" in (await answer.json())["error"]
        assert client.app is not None
        assert client.app[ADMISSION].refused()[RefusalReason.BUSY] == 1


async def test_a_reader_that_stalls_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was held for it is free again."""
    monkeypatch.setattr(made_responses, "STALLED_S", 0.05)
    monkeypatch.setattr(f"{__name__}.TEXT", TEXT * 30)
    async with served() as client:
        assert client.app is not None
        app, server = client.app, client.server
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1)
        writer.write(b"GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: app[ADMISSION].refused()[RefusalReason.STALLED] == 1)
        assert app[QUEUES].budget.held == 0
        writer.transport.abort()
        del reader
