"""A small server that gives prepared responses, and a REST client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from liqstream.feeds.http_session import make_session
from liqstream.feeds.pacing import Budget
from liqstream.feeds.refusals import RefusalTable
from liqstream.feeds.rest_client import RestClient
from tests.support.exchange_rig import serving

NO_CODES = RefusalTable()
"""An exchange that has none of its own."""


@asynccontextmanager
async def answering(
    *responses: web.Response, table: RefusalTable = NO_CODES
) -> AsyncIterator[tuple[RestClient, list[str]]]:
    """A client of a server that gives these responses in turn, and the requests it got."""
    left, asked = list(responses), []

    async def handle(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path_qs}")
        return left.pop(0)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    async with serving(app) as port, make_session() as session:
        yield RestClient("x", f"http://127.0.0.1:{port}/", session, Budget(()), table), asked
