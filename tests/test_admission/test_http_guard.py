"""The guard before every route but the socket's: rate, token, CORS, each by the path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.admission.http_guard import (
    SOCKET_PATH,
    UNLIMITED_PATHS,
    cors_headers,
    http_guard,
    request_watch,
)
from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.admission.tokens import new_token, token_line
from liqstream.settings.table import Settings

PRIVATE, PUBLIC = "/api/heatmap/BTCUSDT", "/"
PAGE = "https://example.com"

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def guarded(settings: Settings) -> AsyncIterator[Client]:
    """A server that answers every path with 200, behind the guard."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[request_watch, http_guard])
    app[ADMISSION] = AdmissionPolicy(settings)
    await asyncio.to_thread(app[ADMISSION].tokens.reload)
    app.on_response_prepare.append(cors_headers)
    app.router.add_get("/{path:.*}", answer)
    async with TestClient(TestServer(app)) as client:
        yield client


async def status(client: Client, path: str, **headers: str) -> int:
    async with client.get(path, headers=headers) as response:
        return response.status


async def test_a_token_guards_the_data_and_nothing_else(tmp_path: Path) -> None:
    """The page, its files and the socket's own route are open; statistics are data."""
    token = new_token()
    await asyncio.to_thread((tmp_path / "tokens").write_text, token_line("ops", token))
    async with guarded(Settings(tokens_file=str(tmp_path / "tokens"))) as client:
        for path in (PRIVATE, "/ws/stats", "/metrics", "/prices/klines"):
            assert await status(client, path) == 401
            assert await status(client, path, Authorization=f"Bearer {token}") == 200
        for path in (PUBLIC, SOCKET_PATH, *UNLIMITED_PATHS):
            assert await status(client, path) == 200


async def test_the_rate_spares_what_supervisors_ask() -> None:
    """A supervisor that is refused would restart a healthy server; the socket's route counts for itself."""
    async with guarded(Settings(rest_rate_per_s=0.01, rest_burst=1)) as client:
        assert [await status(client, PUBLIC) for _ in range(2)] == [200, 429]
        for path in (SOCKET_PATH, *UNLIMITED_PATHS):
            assert [await status(client, path) for _ in range(3)] == [200] * 3


async def test_a_listed_page_may_read() -> None:
    """Its preflight request gets 204, its response names it; another page gets 403 and no header."""
    asks = {hdrs.ACCESS_CONTROL_REQUEST_METHOD: "GET"}
    async with guarded(Settings(allowed_origins=(PAGE,))) as client:
        for origin, expected in ((PAGE, 204), ("https://example.org", 403)):
            async with client.options(PRIVATE, headers={**asks, hdrs.ORIGIN: origin}) as response:
                assert response.status == expected
                allowed = response.headers.get(hdrs.ACCESS_CONTROL_ALLOW_ORIGIN)
                assert allowed == (PAGE if expected == 204 else None)
        async with client.get(PUBLIC, headers={hdrs.ORIGIN: PAGE}) as response:
            assert response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] == PAGE
            assert hdrs.ORIGIN in response.headers[hdrs.VARY]
        async with client.get(PUBLIC) as response:
            assert hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in response.headers


async def test_a_request_ends_the_wait_for_headers() -> None:
    """Else a client that keeps its connection open would be closed in the middle."""
    async with guarded(Settings()) as client:
        assert await status(client, PUBLIC) == 200
        server = client.server
        assert isinstance(server, TestServer)
        assert server.runner is not None
        assert server.runner.server is not None
        deadline = client.app[ADMISSION].deadline if client.app else None
        assert deadline is not None
        deadline._deadline_s = 0
        deadline.sweep(server.runner.server)
        assert deadline.closed == 0
