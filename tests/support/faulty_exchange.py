"""A simulated exchange of which single answers are others than its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from liqstream.simulator.clock import MarketClock
from liqstream.simulator.exchange_server import SimulatedExchange
from tests.support.exchange_rig import SYMBOLS, serving
from tests.support.market_start import SHORT_HISTORY_DAYS, START_MS

Answer = Callable[[web.Request], web.Response | None]
"""The response to a request, None for the exchange's own."""


@asynccontextmanager
async def faulty_exchange(
    answer: Answer,
    *,
    bend: Callable[[web.Request, Any], None] | None = None,
    speed: float = 60.0,
    symbols: Sequence[str] = SYMBOLS,
) -> AsyncIterator[tuple[SimulatedExchange, int]]:
    """Three hours into its day, and the port it is on; `answer` is asked first, `bend` alters its JSON."""
    exchange = await SimulatedExchange.open(
        symbols, clock=MarketClock(speed, START_MS), round_s=0.05, history_days=SHORT_HISTORY_DAYS
    )

    @web.middleware
    async def ask_first(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = answer(request)
        if response is not None:
            return response
        given = await handler(request)
        if bend is None or not isinstance(given, web.Response) or not isinstance(given.body, bytes):
            return given
        body = orjson.loads(given.body)
        bend(request, body)
        return web.json_response(body)

    exchange.app.middlewares.insert(0, ask_first)
    async with serving(exchange.app) as port:
        yield exchange, port
