"""GET /api/symbols: the markets that are followed, and by which names and exchanges."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.http.app_keys import MAPS, MARKETS, SYMBOLS
from liqstream.http.pages import PAGE
from liqstream.http.params import WINDOWS
from liqstream.http.responses import json_response, unavailable
from liqstream.market.identity import ccxt_name


async def followed_symbols(request: web.Request) -> web.Response:
    """Each market with its ccxt name, exchanges, bar interval, windows of history, source and staleness."""
    interval, windows = request.app[PAGE].interval, tuple(WINDOWS)
    rows = [
        {
            "symbol": symbol,
            "ccxt": ccxt_name(symbol),
            "exchanges": state["venues"],
            "interval": interval,
            "windows": windows,
            "source": state["source"],
            "stale": state["stale"],
            **({"history_percent": percent} if (percent := state.get("history_percent")) is not None else {}),
        }
        for symbol, state in _states(request.app).items()
    ]
    return json_response(request, {"symbols": rows})


def _states(app: web.Application) -> dict[str, dict[str, Any]]:
    """Of the symbols that are followed now: by the table, which is the same on every server; what it does not
    have yet by our own maps."""
    newest, maps = app[MARKETS].newest, app.get(MAPS)
    if newest is None and maps is None:
        raise unavailable("no table of markets yet", retry_after_s=2)
    rows = {} if newest is None else {str(row["symbol"]): row for row in newest.table.rows()}
    return {symbol: rows.get(symbol) or _own_state(maps, symbol) for symbol in app[SYMBOLS]}


def _own_state(maps: LiveMaps | None, symbol: str) -> dict[str, Any]:
    if maps is None:
        return {"venues": [], "source": "live", "stale": True}
    return {
        "venues": maps.exchanges(symbol),
        "source": maps.source(symbol),
        "stale": maps.is_stale(symbol),
    }


def add_symbols_route(app: web.Application) -> None:
    """Serve the list; app.py sets MARKETS and SYMBOLS, and MAPS where there are any."""
    app.router.add_get("/api/symbols", followed_symbols)
