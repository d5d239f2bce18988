"""GET /api/positions/{symbol}: measured positions, the largest first; and the layer they make."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqstream.http.app_keys import MEASURED_LAYER
from liqstream.http.params import of_symbol, symbol_param, usd_param, whole_number
from liqstream.http.responses import bad_request, json_response, unavailable
from liqstream.ingest.measured_layer import MEASURED, MeasuredLayer, MeasuredRange

MOST_POSITIONS = 200
_OFF = "positions are not measured here; LIQSTREAM_POSITIONS=true, or serve --positions, measures them"


def asks_for_measured(request: web.Request) -> bool:
    """Whether a request names the measured layer; 400 where it is not alone, for it cannot be added up."""
    names = {name.strip().lower() for name in request.query.get("exchange", "").split(",")} - {""}
    if MEASURED not in names:
        return False
    if len(names) > 1:
        raise bad_request(
            f"{MEASURED} cannot be added to others: it is USD of positions at their liquidation price, and "
            "Hyperliquid would be counted twice; ask for it alone"
        )
    return True


def measured_layer(request: web.Request, symbol: str) -> MeasuredLayer:
    """The layer, if it has something to show of a symbol; else a 400 or 503 that says why not."""
    layer = request.app.get(MEASURED_LAYER)
    if layer is None:
        raise bad_request(_OFF)
    lack = layer.lack(symbol)
    if lack:
        raise unavailable(lack, retry_after_s=60)
    return layer


async def measured_positions(request: web.Request) -> web.Response:
    """Positions by `side`, levels from `low` to `high`, at most `limit`, with coverage and ages."""
    symbol = symbol_param(request, request.match_info["symbol"])
    wanted = _range(request)
    layer = measured_layer(request, symbol)
    body: dict[str, Any] = {"symbol": symbol, **layer.facts(symbol), "data": layer.largest(symbol, wanted)}
    return json_response(request, body)


def _range(request: web.Request) -> MeasuredRange:
    side = request.query.get("side", "")
    if side not in ("", "long", "short"):
        raise bad_request("side must be long or short, or left out")
    low, high = usd_param(request, "low"), usd_param(request, "high")
    limit = whole_number(request, "limit", default=50, most=MOST_POSITIONS)
    return MeasuredRange(side, low, high or float("inf"), limit)


def add_positions_route(app: web.Application) -> None:
    """Serve the positions; app.py sets MEASURED_LAYER where they are measured."""
    app.router.add_get(of_symbol("/api/positions/{symbol}"), measured_positions)
