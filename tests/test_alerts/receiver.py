"""A receiver of alerts on a local port, and an alert to send there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.alerts.firing import Firing
from liqstream.market import Source
from liqstream.metrics import Metrics

TIME_MS = 1_767_323_045_000
"""2026-01-02T03:04:05Z"""


@asynccontextmanager
async def receiver(
    statuses: list[int], retry_after: str = ""
) -> AsyncIterator[tuple[str, asyncio.Queue[tuple[str, Any]]]]:
    """A local receiver that answers with these statuses, then with 200, and queues (path, body).

    Its refusals have the header Retry-After, if one is given.
    """
    received: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        received.put_nowait((request.path, await request.json()))
        headers = {"Retry-After": retry_after} if statuses and retry_after else {}
        return web.Response(status=statuses.pop(0) if statuses else 200, headers=headers)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/"), received


def counted(metrics: Metrics, what: str) -> float:
    return metrics.registry.get_sample_value(f"liqstream_alerts_{what}_total", {"target": "webhook"}) or 0


def alert_to(
    *names: str, source: Source = "live", text: str = "1,500 USD at 99.5", **facts: object
) -> Firing:
    facts = {"symbol": "BTCUSDT", "usd": 1500.0, **facts}
    return Firing("near", "", "BTCUSDT", "cluster", text, TIME_MS, source, facts=facts, to=names)
