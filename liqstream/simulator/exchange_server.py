"""The simulated exchange as a server: one market behind the REST and WebSocket interfaces of exchanges.

Every answer carries `X-Liqstream-Simulated`: market seconds per second. `/_simulator/...` reports every
position and every account and takes commands: `POST misbehave` sets Faults by name, `PUT faults` the whole
fault table, a list of its lines.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from liqstream.simulator import (
    aster_api,
    binance_api,
    bitget_api,
    bybit_api,
    gate_api,
    hyperliquid_api,
    lighter_api,
    okx_api,
)
from liqstream.simulator.app_state import STATE, AppState
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.dialect import Dialect
from liqstream.simulator.fault_effects import Handler, spoilt_response
from liqstream.simulator.fault_table import MESSAGE_KINDS, REQUEST_KINDS, Fault, FaultTable
from liqstream.simulator.faults import Faults
from liqstream.simulator.limits import Usage
from liqstream.simulator.market import SimulatedMarket
from liqstream.simulator.publisher import Publisher

SIMULATED_HEADER = "X-Liqstream-Simulated"
DIALECTS: dict[str, Dialect] = {
    api.DIALECT.name: api.DIALECT
    for api in (
        binance_api,
        bybit_api,
        okx_api,
        hyperliquid_api,
        gate_api,
        bitget_api,
        aster_api,
        lighter_api,
    )
}
MARGIN_CHANGES = 0.05
"""Share of the positions whose margin is changed in a day, so that their level moves without a trade."""
TARGETS = {name: (*dialect.endpoints, *dialect.channels) for name, dialect in DIALECTS.items()}
"""What can fail, by exchange."""


@dataclass(slots=True)
class SimulatedExchange:
    """Make with `open`, serve `app` wherever you like.

    `market`, `faults` and `table` may be used while it runs."""

    market: SimulatedMarket
    clock: MarketClock
    faults: Faults
    table: FaultTable
    publisher: Publisher
    usage: dict[str, Usage]
    marked: bool = True
    """False: it does not say that it is simulated, and holds clients to the exchanges' rate limits."""
    app: web.Application = field(init=False)
    _dialect_of: dict[str, Dialect] = field(init=False, default_factory=dict)

    @classmethod
    async def open(
        cls,
        symbols: Sequence[str],
        *,
        seed: int = 7,
        clock: MarketClock | None = None,
        round_s: float = 1.0,
        history_days: int = 7,
        population: int = 0,
        share: float = 1.0,
    ) -> SimulatedExchange:
        """Work out the market's past (in a thread; a second or two) and set up the exchange around it.

        `round_s` is wall time between two rounds of messages; `population` and `share` are SimulatedMarket's.
        Raises ValueError for an unknown symbol.
        """
        clock = clock or MarketClock()
        market = await asyncio.to_thread(
            SimulatedMarket,
            tuple(symbols),
            now_ms=clock.now_ms(),
            seed=seed,
            history_days=history_days,
            population=population,
            share=share,
        )
        market.change_margins(MARGIN_CHANGES)
        faults, table = Faults(), FaultTable(TARGETS, clock.monotonic_s)
        publisher = Publisher(market, clock, faults, table, round_s=round_s)
        usage = {name: Usage(dialect.limits, clock.monotonic_s) for name, dialect in DIALECTS.items()}
        exchange = cls(market, clock, faults, table, publisher, usage)
        table.on_add = exchange._cut_spoilt_sockets
        exchange.app = exchange._make_app()
        return exchange

    def drop_sockets(self) -> None:
        """Cut every connection without a word."""
        self.publisher.drop()

    async def close_sockets(self) -> None:
        """End every connection properly, as at the end of its 24 hours."""
        await self.publisher.close()

    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._apply_faults])
        app[STATE] = AppState(self.market, self.clock, self.faults, self.table, self.publisher)
        app.on_response_prepare.append(self._mark_simulated)
        app.cleanup_ctx.append(self._publishing)
        for dialect in DIALECTS.values():
            app.add_routes(dialect.routes)
        self._dialect_of = {
            route.path: dialect
            for dialect in DIALECTS.values()
            for route in dialect.routes
            if isinstance(route, web.RouteDef)
        }
        app.add_routes(
            [
                web.get("/_simulator/truth/{symbol}", self._known_positions),
                web.post("/_simulator/misbehave", self._command),
                web.put("/_simulator/faults", self._set_table),
                web.post("/_simulator/drop", self._drop),
                web.post("/_simulator/close", self._close),
            ]
        )
        return app

    async def _publishing(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.publisher.run())
        yield
        task.cancel()
        await asyncio.wait({task})
        await self.publisher.close()

    @web.middleware
    async def _apply_faults(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.startswith("/_simulator/") and "Upgrade" not in request.headers:
            if self.faults.rest_hangs:
                await asyncio.sleep(3600)
            if self.faults.rest_status:
                headers = {"Retry-After": str(self.faults.retry_after_s)} if self.faults.retry_after_s else {}
                return web.Response(status=self.faults.rest_status, text='{"code":-1}', headers=headers)
            dialect = self._dialect_of.get(request.path)
            if dialect is not None:
                return await self._answer(dialect, request, handler)
        response: web.StreamResponse = await handler(request)
        return response

    async def _answer(self, dialect: Dialect, request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint, symbol = await dialect.endpoint_of(request), await dialect.symbol_of(request)
        fault = self.table.hit(dialect.name, endpoint, symbol, REQUEST_KINDS)
        if fault is not None:
            return await spoilt_response(fault, request, dialect, handler)
        response = await handler(request)
        if self.marked or endpoint not in dialect.endpoints or not isinstance(response, web.Response):
            return response
        body = response.body if isinstance(response.body, bytes) else b""
        usage = self.usage[dialect.name]
        wait_s = usage.charge(dialect.costs_of(request, endpoint, body))
        if wait_s is not None:
            headers = {"Retry-After": str(math.ceil(wait_s))} if dialect.over_limit.status == 429 else {}
            response = web.Response(
                text=dialect.over_limit.body, status=dialect.over_limit.status, headers=headers
            )
        response.headers.update(dialect.used_headers(usage))
        return response

    def _cut_spoilt_sockets(self, fault: Fault) -> None:
        """Cut open sockets when handshakes or subscriptions begin to fail: they have to come anew."""
        if fault.target in DIALECTS[fault.exchange].channels and fault.kind not in MESSAGE_KINDS:
            self.publisher.drop_channel(fault.exchange, fault.target, fault.symbol)

    async def _known_positions(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        if symbol not in self.market.symbols:
            raise web.HTTPNotFound(text=f"not listed: {symbol}")
        now_ms = self.clock.now_ms()
        self.market.advance(now_ms)
        levels = self.market.standing(symbol, now_ms)
        known = {
            "symbol": symbol,
            "timestamp": now_ms,
            "price": self.market.price(symbol, now_ms),
            "open_interest": self.market.open_interest(symbol, now_ms),
            "standing": [
                {
                    "price": level.price,
                    "side": level.side,
                    "notional_usd": level.notional_usd,
                    "leverage": level.leverage,
                }
                for level in levels
            ],
            "accounts": self.market.accounts.holdings(symbol, now_ms),
        }
        return web.Response(body=orjson.dumps(known), content_type="application/json")

    async def _command(self, request: web.Request) -> web.Response:
        try:
            faults = orjson.loads(await request.read())
            if not isinstance(faults, dict):
                raise ValueError("an object of misbehaviours is needed")
            self.faults.set(faults)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return web.json_response({"ok": True})

    async def _mark_simulated(self, _request: web.Request, response: web.StreamResponse) -> None:
        if self.marked:
            response.headers[SIMULATED_HEADER] = f"{self.clock.speed:g}"

    async def _set_table(self, request: web.Request) -> web.Response:
        try:
            lines = orjson.loads(await request.read())
            if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
                raise ValueError("a list of faults is needed, each an object")
            self.table.replace([Fault.read(line) for line in lines])
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return web.json_response({"ok": True})

    async def _drop(self, request: web.Request) -> web.Response:
        self.drop_sockets()
        return web.json_response({"ok": True})

    async def _close(self, request: web.Request) -> web.Response:
        await self.close_sockets()
        return web.json_response({"ok": True})
