"""Promises about what other clients can do to one."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.selftest import isolation_promises
from liqstream.selftest.isolation_promises import STALLED, memory_bounded, stalled_delays_nobody
from liqstream.selftest.run import target_of


@asynccontextmanager
async def server(
    *, pong_after_s: float = 0.0, per_client_bytes: float | None = 0, slow_pongs: float = math.inf
) -> AsyncIterator[str]:
    """A server whose pongs take so long while others are there, and that grows by so much per client.

    So many pongs are slow; later ones are not.
    """
    clients: set[web.WebSocketResponse] = set()
    slow = iter(range(int(slow_pongs)) if math.isfinite(slow_pongs) else itertools.count())

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"symbols": {"BTCUSDT": {"stale": False}}})

    async def metrics(_request: web.Request) -> web.Response:
        if per_client_bytes is None:
            return web.Response(text="")
        resident = 1e8 + per_client_bytes * len(clients)
        return web.Response(text=f"process_resident_memory_bytes {resident}\n")

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        clients.add(socket)
        try:
            async for _ in socket:
                is_slow = len(clients) > 1 and next(slow, None) is not None
                await asyncio.sleep(pong_after_s if is_slow else 0)
                await socket.send_json({"type": "pong"})
        finally:
            clients.discard(socket)
        return socket

    app = web.Application()
    for path, handler in (("/ready", ready), ("/metrics", metrics), ("/ws/heatmap", stream)):
        app.router.add_get(path, handler)
    async with TestServer(app) as running:
        yield str(running.make_url("/"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"_SETTLE_S": 0.05, "_DEADLINE_S": 1.0, "PING_EVERY_S": 0.01, "PINGS": 3, "WORST_PING_S": 0.1}
    for name, value in quick.items():
        monkeypatch.setattr(isolation_promises, name, value)


@pytest.mark.parametrize(("pong_after_s", "kept"), [(0.0, True), (0.3, False)])
async def test_a_stalled_neighbour_must_not_delay_a_ping(pong_after_s: float, kept: bool) -> None:
    """A server that answers slowly beside stalled clients breaks the promise."""
    async with server(pong_after_s=pong_after_s) as url, target_of(url, None) as target:
        assert (await stalled_delays_nobody(target)).kept is kept


async def test_a_slow_moment_is_no_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked again until the deadline."""
    monkeypatch.setattr(isolation_promises, "_DEADLINE_S", 20.0)
    async with server(pong_after_s=0.5, slow_pongs=STALLED + 2) as url, target_of(url, None) as target:
        assert (await stalled_delays_nobody(target)).kept is True


@pytest.mark.parametrize(
    ("per_client_bytes", "kept"), [(100_000.0, True), (10_000_000.0, False), (None, None)]
)
async def test_memory_per_client_is_measured(per_client_bytes: float | None, kept: bool | None) -> None:
    """By what /metrics says of the process; without that it is not judged."""
    async with server(per_client_bytes=per_client_bytes) as url, target_of(url, None) as target:
        assert (await memory_bounded(target)).kept is kept
