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
from liqstream.http.params import symbol_param
from liqstream.http.responses import json_response, not_found
from liqstream.ingest.forecast_loop import ForecastLoop
from liqstream.market import DAY_MS
from liqstream.model.forecast_features import HORIZONS
from liqstream.positions.collector import EXCHANGE
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore

FORECASTS: web.AppKey[ForecastLoop] = web.AppKey("forecasts")

GRADED_MS = 90 * DAY_MS
"""Issued forecasts of so long are graded."""

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
        issued = await self.store.forecasts(symbol, start_ms=now_ms - GRADED_MS, end_ms=now_ms)
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
            if is_map_harmful(grades[name]):
                self.forecasts.switched_off.add((symbol, name))
        return grades

    async def _with_realised(
        self, symbol: str, issued: Sequence[StoredForecast], length_ms: int
    ) -> list[IssuedWindow]:
        """Those whose liquidations are known: from the first known window of their exchanges on."""
        if not issued:
            return []
        # Of Hyperliquid's liquidations a part is found, which says nothing of the USD of all.
        exchanges = sorted({name for each in issued for name in each.exchanges.split(",")} - {EXCHANGE})
        start_ms, end_ms = issued[0].time_ms, issued[-1].time_ms + length_ms
        totals = await self.store.liquidation_totals(
            symbol, length_ms, start_ms=start_ms, end_ms=end_ms, exchanges=exchanges
        )
        if not len(totals):
            return []
        first_ms = int(totals.open_time_ms[0])
        usd = dict(
            zip(
                totals.open_time_ms.tolist(),
                np.stack((totals.long_usd, totals.short_usd), axis=1),
                strict=True,
            )
        )
        nothing = np.zeros(2)
        return [
            IssuedWindow(each.time_ms, json.loads(each.content), usd.get(each.time_ms, nothing))
            for each in issued
            if each.time_ms >= first_ms
        ]


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
        name: {key: value for key, value in horizon.items() if key != "y_hat"} | {"skill": grades[name]}
        for name, horizon in newest["horizons"].items()
    }
    return json_response(request, {**newest, "horizons": horizons})


async def _grades_ctx(app: web.Application) -> AsyncIterator[None]:
    app[GRADES] = IssuedGrades(app[STORE], app[FORECASTS])
    yield
    await app[GRADES].close()


def add_forecast_route(app: web.Application) -> None:
    """Serve the forecast; to be called after STORE's and FORECASTS' own contexts were added."""
    app.router.add_get("/api/forecast/{symbol}", forecast_of)
    app.cleanup_ctx.append(_grades_ctx)
