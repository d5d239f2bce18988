"""GET /api/forecast/{symbol}: what will be liquidated next, with interval, chances and grades."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web

from liqstream.evaluation.issued_score import IssuedWindow, is_map_harmful, score_issued
from liqstream.http.app_keys import STORE
from liqstream.http.params import of_symbol, symbol_param
from liqstream.http.responses import json_response, not_found
from liqstream.ingest.forecast_loop import ForecastLoop
from liqstream.market import DAY_MS, FloatArray, MarketKey, TimeArray
from liqstream.market.coverage import is_covered
from liqstream.model.forecast_features import HORIZONS
from liqstream.model.market_forecast import KNOWN_WITHIN_MS
from liqstream.positions.collector import EXCHANGE
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore

FORECASTS: web.AppKey[ForecastLoop] = web.AppKey("forecasts")

GRADED_MS = 90 * DAY_MS
"""Issued forecasts of so long are graded."""

_STORED_ALONE = frozenset({"y_hat", "source"})

KEEP_S = 900.0
"""Grades rest on days of windows: minutes more do not change them."""


@dataclass(slots=True)
class IssuedGrades:
    """Grades of the forecasts a server has issued, by symbol, each worked out at most once in a while."""

    store: MarketStore
    forecasts: ForecastLoop
    clock_s: Callable[[], float] = time.monotonic
    _kept: dict[str, tuple[float, asyncio.Task[dict[str, Any]]]] = field(default_factory=dict)

    async def of(self, symbol: str, now_ms: int) -> dict[str, Any]:
        """Each horizon's grades of what was issued for a symbol up to a moment. Raises StoreError."""
        until_s, work = self._kept.get(symbol, (-1.0, None))
        if work is None or until_s <= self.clock_s() or (work.done() and work.exception() is not None):
            work = asyncio.create_task(self._grade(symbol, now_ms), name="forecast-grades")
            self._kept[symbol] = self.clock_s() + KEEP_S, work
        # Shielded: who hangs up must not take the answer from the others who wait for it.
        return await asyncio.shield(work)

    async def close(self) -> None:
        """End what is being worked out."""
        works = [work for _, work in self._kept.values()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def _grade(self, symbol: str, now_ms: int) -> dict[str, Any]:
        stored = await self.store.forecasts(symbol, start_ms=now_ms - GRADED_MS, end_ms=now_ms)
        issued = [each for each in stored if self._is_own(each)]
        grades = {}
        for name, horizon in HORIZONS.items():
            aligned = [
                each
                for each in issued
                if each.horizon == name
                and each.time_ms % horizon.length_ms == 0
                and each.time_ms + horizon.length_ms <= now_ms
            ]
            windows = await self._with_realised(symbol, aligned, horizon.length_ms)
            grades[name] = await asyncio.to_thread(score_issued, name, windows)
            off = self.forecasts.switched_off
            (off.add if is_map_harmful(grades[name]) else off.discard)((symbol, name))
        return grades

    def _is_own(self, issued: StoredForecast) -> bool:
        """Whether it was issued of this market: a demo, or a replay, may have had the same store."""
        source = self.forecasts.source(issued.symbol)
        of_market = self.forecasts.followed(issued.symbol).intersection(issued.exchanges.split(","))
        return bool(of_market) and json.loads(issued.content).get("source", source) == source

    async def _with_realised(
        self, symbol: str, issued: Sequence[StoredForecast], length_ms: int
    ) -> list[IssuedWindow]:
        """Those whose liquidations are known: on each of their exchanges of which any are, about that time.

        What another exchange had is added where it is known, as in what forecasts learn from.
        """
        if not issued:
            return []
        # Of Hyperliquid's liquidations a part is found, which says nothing of the USD of all.
        names = sorted({name for each in issued for name in each.exchanges.split(",")} - {EXCHANGE})
        opens_ms = np.arange(issued[0].time_ms, issued[-1].time_ms + 1, length_ms, dtype=np.int64)
        by_exchange = {
            name: await self._realised(MarketKey(name, symbol), opens_ms, length_ms) for name in names
        }
        rows = (np.array([each.time_ms for each in issued]) - opens_ms[0]) // length_ms
        windows = []
        for each, row in zip(issued, rows.tolist(), strict=True):
            lately = slice(max(0, row - KNOWN_WITHIN_MS // length_ms), row + 1)
            known = {name for name, usd in by_exchange.items() if np.isfinite(usd[0, row])}
            wanted = {
                name
                for name in set(each.exchanges.split(",")) & by_exchange.keys()
                if np.isfinite(by_exchange[name][0, lately]).any()
            }
            if known and wanted <= known:
                usd = np.sum([by_exchange[name][:, row] for name in sorted(known)], axis=0)
                windows.append(IssuedWindow(each.time_ms, json.loads(each.content), usd))
        return windows

    async def _realised(self, market: MarketKey, opens_ms: TimeArray, length_ms: int) -> FloatArray:
        """USD of longs and shorts per window, shape (2, windows); NaN where no total was given and single
        liquidations were not listened to."""
        start_ms, end_ms = int(opens_ms[0]), int(opens_ms[-1]) + length_ms
        totals = await self.store.liquidation_totals(
            market.symbol, length_ms, start_ms=start_ms, end_ms=end_ms, exchanges=(market.exchange,)
        )
        spans = await self.store.liquidation_spans(
            market.exchange, market.symbol, start_ms=start_ms, end_ms=end_ms
        )
        known = is_covered(spans, opens_ms, length_ms)
        usd = np.zeros((2, len(opens_ms)))
        rows = (totals.open_time_ms - start_ms) // length_ms
        usd[:, rows] = totals.long_usd, totals.short_usd
        known[rows[totals.from_totals]] = True
        return np.where(known, usd, np.nan)


GRADES: web.AppKey[IssuedGrades] = web.AppKey("forecast_grades")


async def forecast_of(request: web.Request) -> web.Response:
    """A symbol's newest forecasts with their grades; 404 with a sentence before the first was issued."""
    symbol = symbol_param(request, request.match_info["symbol"])
    newest = request.app[FORECASTS].newest(symbol)
    if newest is None:
        raise not_found(
            f"no forecast of {symbol} has been issued yet: the first comes as its next bar closes"
        )
    grades = await request.app[GRADES].of(symbol, newest["time_ms"])
    horizons = {
        name: {key: value for key, value in horizon.items() if key not in _STORED_ALONE}
        | {"skill": grades[name]}
        for name, horizon in newest["horizons"].items()
    }
    return json_response(request, {**newest, "horizons": horizons})


async def _grades_ctx(app: web.Application) -> AsyncIterator[None]:
    app[GRADES] = IssuedGrades(app[STORE], app[FORECASTS])
    yield
    await app[GRADES].close()


def add_forecast_route(app: web.Application) -> None:
    """Serve the forecast; to be called after STORE's and FORECASTS' own contexts were added."""
    app.router.add_get(of_symbol("/api/forecast/{symbol}"), forecast_of)
    app.cleanup_ctx.append(_grades_ctx)
