"""GET /api/markets: the newest table of markets, a row of figures each."""

from __future__ import annotations

from aiohttp import web

from liqstream.fanout.market_stream import MarketStream
from liqstream.http.app_keys import MARKETS
from liqstream.http.responses import cacheable, unavailable


async def markets(request: web.Request) -> web.Response:
    """The table the stream sends, as objects; 503 before the first one."""
    newest = request.app[MARKETS].newest
    if newest is None:
        raise unavailable("no table of markets yet", retry_after_s=2)
    return cacheable(request, newest.rows, content_type="application/json")


def add_markets_route(app: web.Application, stream: MarketStream) -> None:
    """Serve the stream's newest table, under MARKETS from now on."""
    app[MARKETS] = stream
    app.router.add_get("/api/markets", markets)
