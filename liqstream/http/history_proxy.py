"""History and prices on a server that has none: asked of one that has.

A server that only fans out keeps no market data. It passes such requests on (LIQSTREAM_HISTORY_URL) rather
than redirecting them: the page may talk to its own origin only, and the servers behind a proxy have no
public name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from aiohttp import hdrs, web

from liqstream.http.api_description import OPEN_API_PATH, query_names
from liqstream.http.params import of_symbol
from liqstream.http.responses import unavailable
from liqstream.http.stalled_readers import STALLED_S, abort, dropping_stalled_readers
from liqstream.market.identity import symbol_of

HISTORY_URL = web.AppKey("history_url", str)
_SESSION = web.AppKey("history_session", aiohttp.ClientSession)

TIMEOUT_S = 30.0
MAX_CONNECTIONS = 32
"""Requests passed on at a time; more wait their turn."""
MAX_BODY_BYTES = 64_000_000
"""More is no answer of a server of ours."""
_PIECE_BYTES = 65_536
DESCRIPTION_LIFE_S = 300.0
PATHS = (
    "/api/heatmap/{symbol}/history",
    "/api/liquidations/{symbol}",
    "/api/context/{symbol}",
    "/api/score/{symbol}",
    "/api/forecast/{symbol}",
    "/api/positions/{symbol}",
    "/liquidations/heatmap-timeseries",
    "/prices/klines",
)
_ASKED = ("Accept", "Accept-Encoding", "Authorization", "If-None-Match")
_ANSWERED = (
    "Content-Type",
    "Content-Encoding",
    "ETag",
    "Cache-Control",
    "Vary",
    "Retry-After",
    "WWW-Authenticate",
)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Producer:
    """What the other server says it understands, asked again now and then; None until it has answered."""

    description: dict[str, Any] | None = None
    until_s: float = 0.0


_PRODUCER = web.AppKey("history_producer", _Producer)


async def forward(request: web.Request) -> web.StreamResponse:
    """The other server's answer, as it came; 503 if there is none to ask or it does not answer."""
    base = request.app[HISTORY_URL].rstrip("/")
    if not base:
        raise unavailable(
            "this server keeps no history; ask another one, or set LIQSTREAM_HISTORY_URL", retry_after_s=60
        )
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    headers.setdefault("Accept-Encoding", "identity")
    headers[hdrs.X_FORWARDED_FOR] = _forwarded_for(request)
    query = await _understood_query(request, base)
    try:
        async with request.app[_SESSION].get(
            base + _path(request), params=query, headers=headers, allow_redirects=False
        ) as answer:
            return await _passed_on(request, answer)
    except (aiohttp.ClientError, TimeoutError):
        raise unavailable("the server that keeps the history does not answer", retry_after_s=5) from None


def _path(request: web.Request) -> str:
    """The path with the symbol that is meant, whose name in another form may hold slashes."""
    symbol, resource = request.match_info.get("symbol"), request.match_info.route.resource
    if symbol is None or resource is None:
        return request.path
    return str(resource.url_for(symbol=symbol_of(symbol)))


def _forwarded_for(request: web.Request) -> str:
    """The hops so far and this server's peer: by them the other server, which trusts this one, counts."""
    hops = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
    return ", ".join((*hops, request.remote or "127.0.0.1"))


async def _understood_query(request: web.Request, base: str) -> list[tuple[str, str]]:
    """The parameters, checked here, less those that a server of another version does not name."""
    resource = request.match_info.route.resource
    description = await _description(request.app, base)
    given = [(name, symbol_of(value) if name == "symbol" else value) for name, value in request.query.items()]
    if description is None or resource is None:
        return given
    known = query_names(description, resource.canonical)
    return [(name, value) for name, value in given if name in known]


async def _description(app: web.Application, base: str) -> dict[str, Any] | None:
    producer = app[_PRODUCER]
    if producer.until_s <= time.monotonic():
        producer.until_s = time.monotonic() + DESCRIPTION_LIFE_S
        try:
            async with app[_SESSION].get(base + OPEN_API_PATH, allow_redirects=False) as answer:
                found = await answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            producer.until_s = 0.0
            return producer.description
        producer.description = found if isinstance(found, dict) else None
    return producer.description


async def _passed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Piece by piece: what a slow reader leaves must not fill this server's memory."""
    if answer.status in (301, 302, 303, 307, 308) or (answer.content_length or 0) > MAX_BODY_BYTES:
        _log.warning("history_answer_refused", status=answer.status, bytes=answer.content_length)
        raise unavailable("the server that keeps the history gives no usable answer", retry_after_s=60)
    headers = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = answer.content_length
    await response.prepare(request)
    passed = 0
    try:
        with dropping_stalled_readers(request):
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                passed += len(piece)
                if passed > MAX_BODY_BYTES:
                    raise aiohttp.ClientPayloadError("more than the answer may have")
                await asyncio.wait_for(response.write(piece), STALLED_S)
            await asyncio.wait_for(response.write_eof(), STALLED_S)
    except aiohttp.ClientError:
        abort(request)  # the head is out: only an end without the rest tells the reader
    return response


async def _session_ctx(app: web.Application) -> AsyncIterator[None]:
    app[_SESSION] = aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(sock_connect=TIMEOUT_S, sock_read=TIMEOUT_S),
    )
    yield
    await app[_SESSION].close()
    # aiohttp closes its TLS transports a loop iteration later.
    await asyncio.sleep(0)


def add_forwarded_routes(app: web.Application, history_url: str) -> None:
    """Serve the history endpoints by asking the server at `history_url` ("" answers 503)."""
    app[HISTORY_URL] = history_url
    app[_PRODUCER] = _Producer()
    app.cleanup_ctx.append(_session_ctx)
    for path in PATHS:
        app.router.add_get(of_symbol(path), forward)
