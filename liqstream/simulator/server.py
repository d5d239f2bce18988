"""The simulated exchange as a server: one market behind the REST and WebSocket interfaces of two venues.

Every answer carries `X-Liqstream-Simulated`. `/_simulator/...` tells the truth and takes commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from liqstream.simulator import binance_rest, bybit_rest
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.market import SimulatedMarket
from liqstream.simulator.misbehaviour import Misbehaviour
from liqstream.simulator.publisher import Publisher
from liqstream.simulator.venue_state import VENUE, VenueState

SIMULATED_HEADER = "X-Liqstream-Simulated"


@dataclass(slots=True)
class SimulatedExchange:
    """Make with `open`, serve `app` wherever you like; `market` and `wrong` may be used while it runs."""

    market: SimulatedMarket
    clock: MarketClock
    wrong: Misbehaviour
    publisher: Publisher
    app: web.Application = field(init=False)

    @classmethod
    async def open(
        cls,
        symbols: Sequence[str],
        *,
        seed: int = 7,
        clock: MarketClock | None = None,
        tick_s: float = 1.0,
        history_days: int = 7,
        crowd: int = 0,
        share: float = 1.0,
    ) -> SimulatedExchange:
        """Work out the market's past (in a thread; a second or two) and set up the exchange around it.

        `tick_s` is wall time between two rounds of messages; `crowd` and `share` are SimulatedMarket's.
        Raises ValueError for an unknown symbol.
        """
        clock = clock or MarketClock()
        market = await asyncio.to_thread(
            SimulatedMarket,
            tuple(symbols),
            now_ms=clock.now_ms(),
            seed=seed,
            history_days=history_days,
            crowd=crowd,
            share=share,
        )
        wrong = Misbehaviour()
        exchange = cls(market, clock, wrong, Publisher(market, clock, wrong, tick_s=tick_s))
        exchange.app = exchange._make_app()
        return exchange

    def drop_sockets(self) -> None:
        """Cut every connection without a word."""
        self.publisher.drop()

    async def close_sockets(self) -> None:
        """End every connection properly, as at the end of its 24 hours."""
        await self.publisher.close()

    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._misbehave])
        app[VENUE] = VenueState(self.market, self.clock, self.wrong, self.publisher)
        app.on_response_prepare.append(_say_simulated)
        app.cleanup_ctx.append(self._publishing)
        app.add_routes(binance_rest.ROUTES)
        app.add_routes(bybit_rest.ROUTES)
        app.add_routes(
            [
                web.get("/_simulator/truth/{symbol}", self._truth),
                web.post("/_simulator/misbehave", self._command),
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
    async def _misbehave(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.startswith("/_simulator/") and "Upgrade" not in request.headers:
            if self.wrong.rest_hangs:
                await asyncio.sleep(3600)
            if self.wrong.rest_status:
                headers = {"Retry-After": str(self.wrong.retry_after_s)} if self.wrong.retry_after_s else {}
                return web.Response(status=self.wrong.rest_status, text='{"code":-1}', headers=headers)
        response: web.StreamResponse = await handler(request)
        return response

    async def _truth(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        if symbol not in self.market.symbols:
            raise web.HTTPNotFound(text=f"not listed: {symbol}")
        now_ms = self.clock.now_ms()
        self.market.advance(now_ms)
        levels = self.market.standing(symbol, now_ms)
        truth = {
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
        }
        return web.Response(body=orjson.dumps(truth), content_type="application/json")

    async def _command(self, request: web.Request) -> web.Response:
        try:
            wanted = orjson.loads(await request.read())
            if not isinstance(wanted, dict):
                raise ValueError("an object of misbehaviours is needed")
            self.wrong.set(wanted)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return web.json_response({"ok": True})

    async def _drop(self, request: web.Request) -> web.Response:
        self.drop_sockets()
        return web.json_response({"ok": True})

    async def _close(self, request: web.Request) -> web.Response:
        await self.close_sockets()
        return web.json_response({"ok": True})


async def _say_simulated(request: web.Request, response: web.StreamResponse) -> None:
    response.headers[SIMULATED_HEADER] = "1"
