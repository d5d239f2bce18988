"""History and prices on a server that has none: asked of one that has.

A server that only fans out keeps no market data. It passes such requests on (LIQSTREAM_HISTORY_URL) rather
than redirecting them: the page may talk to its own origin only, and the servers behind a proxy have no
public name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from liqstream.answers import unavailable

HISTORY_URL = web.AppKey("history_url", str)
_SESSION = web.AppKey("history_session", aiohttp.ClientSession)

TIMEOUT_S = 30.0
MAX_CONNECTIONS = 32
"""Requests passed on at a time; more wait their turn."""
PATHS = (
    "/api/heatmap/{symbol}/history",
    "/api/liquidations/{symbol}",
    "/api/score/{symbol}",
    "/liquidations/heatmap-timeseries",
    "/prices/klines",
)
_ASKED = ("Accept", "Accept-Encoding", "If-None-Match")
_ANSWERED = ("Content-Type", "Content-Encoding", "ETag", "Cache-Control", "Vary", "Retry-After")


async def forward(request: web.Request) -> web.StreamResponse:
    """The other server's answer, as it came; 503 if there is none to ask or it does not answer."""
    base = request.app[HISTORY_URL]
    if not base:
        raise unavailable(
            "this server keeps no history; ask another one, or set LIQSTREAM_HISTORY_URL", retry_after_s=60
        )
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    headers.setdefault("Accept-Encoding", "identity")
    try:
        async with request.app[_SESSION].get(base.rstrip("/") + request.path_qs, headers=headers) as answer:
            return await _passed_on(request, answer)
    except (aiohttp.ClientError, TimeoutError):
        raise unavailable("the server that keeps the history does not answer", retry_after_s=5) from None


async def _passed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}
    body = await answer.read()
    return web.Response(status=answer.status, headers=headers, body=body)


async def _session_ctx(app: web.Application) -> AsyncIterator[None]:
    app[_SESSION] = aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    )
    yield
    await app[_SESSION].close()
    # aiohttp closes its TLS transports a loop iteration later.
    await asyncio.sleep(0)


def add_forwarded_routes(app: web.Application, history_url: str) -> None:
    """Serve the history endpoints by asking the server at `history_url` ("" answers 503)."""
    app[HISTORY_URL] = history_url
    app.cleanup_ctx.append(_session_ctx)
    for path in PATHS:
        app.router.add_get(path, forward)
