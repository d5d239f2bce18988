"""GET /api/score/{symbol}: how good this server's own map and forecast have been, worked out now and then.

With `?against=measured` by measured positions instead of realised liquidations.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from liqstream.evaluation.forecast_score import nothing_scored
from liqstream.evaluation.market_score import (
    AGAINST_MEASURED,
    FORECAST,
    MAP,
    Asked,
    method_of_score,
    score_market,
)
from liqstream.evaluation.measured_stored import EXCHANGE, nothing_measured
from liqstream.evaluation.scoring_data import ScoreError, Span
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.http.app_keys import MAPS, STORE
from liqstream.http.params import market_param, of_symbol, symbol_param
from liqstream.http.positions_api import asks_for_measured
from liqstream.http.responses import bad_request, json_response, not_found, unavailable
from liqstream.market import MarketKey
from liqstream.model.forecast_features import HORIZONS
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore

log = structlog.get_logger(__name__)

KEEP_S = 900.0
"""A score rests on days of data: minutes more do not change it."""

FORECAST_KEEP_S = 21_600.0
"""A forecast's grades take seconds of a core: every few hours is enough, of one market at a time."""

WORKED_OUT = "the forecast's grades are being worked out: ask again in a few minutes"

WAIT_S = 4.0
"""A request waits no longer for a score; the work goes on without it."""
_RETRY_AFTER_S = 5

MAX_SCORED_BARS = 26_000
"""Bars that the map's score is worked out of: some seconds of a core. More would take minutes."""


def map_span(to_ms: int, bar_ms: int) -> Span:
    """The newest span that the map's score rests on: of 5m bars three months, of 1m bars 18 days."""
    return Span(max(0, to_ms - MAX_SCORED_BARS * bar_ms), to_ms)


class NotScoredYetError(Exception):
    """The score is being worked out, and this is the first one."""


_Scored = tuple[MarketKey, str]
"""A market and what is scored of it: MAP or AGAINST_MEASURED."""


@dataclass(slots=True)
class _Kept:
    until_s: float
    work: asyncio.Task[dict[str, Any]]


@dataclass(slots=True)
class Scores:
    """Scores of the running map by market, each worked out at most once in a while, whoever asks.

    One market's at a time, in the background: a request waits for WAIT_S at most, and has the score of
    before while a newer one is made. The forecast's grades come after: until they are there, they are None
    and say so.
    """

    store: MarketStore
    maps: LiveMaps
    clock_s: Callable[[], float] = time.monotonic
    _kept: dict[_Scored, _Kept] = field(default_factory=dict)
    _graded: dict[MarketKey, _Kept] = field(default_factory=dict)
    _grades: dict[MarketKey, dict[str, Any]] = field(default_factory=dict)
    # The score before the one that is being worked out.
    _before: dict[_Scored, dict[str, Any]] = field(default_factory=dict)
    _one_map: asyncio.Lock = field(default_factory=asyncio.Lock)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)

    async def of(self, market: MarketKey) -> dict[str, Any]:
        """The score of a market's map.

        Raises ScoreError with what is missing, NotScoredYetError where the first one takes more than WAIT_S.
        """
        content = await self._worked_out((market, MAP))
        return {**content, "forecast": self._forecast(market), **method_of_score()}

    async def against_measured(self, symbol: str) -> dict[str, Any]:
        """The score of Hyperliquid's map of a symbol against measured positions.

        Where there is none, or not yet, its keys are there and `reason` says why: a page asks for both.
        """
        try:
            content = await self._worked_out((MarketKey(EXCHANGE, symbol), AGAINST_MEASURED))
            measured: dict[str, Any] = content[AGAINST_MEASURED]
        except (ScoreError, NotScoredYetError) as error:
            measured = nothing_measured(symbol, self.maps.model.kernel_of(symbol, EXCHANGE), str(error))
        return {**measured, **method_of_score()}

    async def _worked_out(self, what: _Scored) -> dict[str, Any]:
        kept = self._kept.get(what)
        if kept is None or kept.until_s <= self.clock_s():
            work = asyncio.create_task(self._score_one(what), name="score")
            kept = _Kept(self.clock_s() + KEEP_S, work)
            self._kept[what] = kept
        if kept.work.done() or what not in self._before:
            # Not cancelled with the waiting: who hangs up must not take the answer from others who wait.
            await asyncio.wait([kept.work], timeout=WAIT_S)
        if not kept.work.done() and what not in self._before:
            raise NotScoredYetError(
                f"the score of {what[0].symbol} is being worked out: ask again in a moment"
            )
        return kept.work.result() if kept.work.done() else self._before[what]

    async def _score_one(self, what: _Scored) -> dict[str, Any]:
        async with self._one_map:
            content = await self._score(*what)
        self._before[what] = content
        return content

    async def graded(self, market: MarketKey) -> None:
        """Wait for the forecast's grades that are being worked out, if any are."""
        if (kept := self._graded.get(market)) is not None:
            await asyncio.shield(kept.work)

    def _forecast(self, market: MarketKey) -> dict[str, Any]:
        kept = self._graded.get(market)
        if kept is None or kept.until_s <= self.clock_s():
            work = asyncio.create_task(self._grade(market), name="score-forecast")
            self._graded[market] = _Kept(self.clock_s() + FORECAST_KEEP_S, work)
        return self._grades.get(market) or _nothing(WORKED_OUT)

    async def _grade(self, market: MarketKey) -> dict[str, Any]:
        async with self._one_at_a_time:
            try:
                grades: dict[str, Any] = (await self._score(market, FORECAST))["forecast"]
            except (ScoreError, StoreError) as error:
                log.info("forecast_not_graded", symbol=market.symbol, reason=str(error))
                grades = _nothing(str(error))
            except Exception as error:  # nobody waits for it: it is logged, and tried again later
                log.error("forecast_not_graded", symbol=market.symbol, exc_info=error)
                grades = _nothing("an error that the log of the server has")
        self._grades[market] = grades
        return grades

    async def _score(self, market: MarketKey, part: str) -> dict[str, Any]:
        to_ms = self.maps.data_time_ms(market.symbol)
        # Grades of the forecast learn from all there is, and nobody waits for them.
        span = Span(to_ms=to_ms) if part == FORECAST else map_span(to_ms, self.maps.interval_ms)
        kernel = self.maps.model.kernel_of(market.symbol, market.exchange)
        asked = Asked(span, parts=frozenset({part}))
        return await score_market(self.store, market, kernel, asked, progress=self._go_on)

    def _go_on(self, _step: str) -> None:
        """Called between the steps of the work, in its thread: a stop of the server does not wait for it."""
        if self._ending.is_set():
            raise ScoreError("the server stops")

    async def close(self) -> None:
        """End what is being worked out."""
        self._ending.set()
        works = [kept.work for kept in (*self._kept.values(), *self._graded.values())]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


def _nothing(reason: str) -> dict[str, Any]:
    return {name: nothing_scored(reason) for name in HORIZONS}


SCORES: web.AppKey[Scores] = web.AppKey("scores")


async def score_of_map(request: web.Request) -> web.Response:
    """The score with its baselines and warnings; 404 with a sentence where there is nothing to score on, 503
    while the first score of the market is worked out.
    """
    symbol = symbol_param(request, request.match_info["symbol"])
    if asks_for_measured(request):
        raise not_found(
            "measured positions are no estimate: there is nothing to score; against=measured judges the "
            "estimate by them"
        )
    try:
        if _is_against_measured(request):
            return json_response(request, await request.app[SCORES].against_measured(symbol))
        return json_response(request, await request.app[SCORES].of(market_param(request, symbol)))
    except ScoreError as error:
        raise not_found(str(error)) from None
    except NotScoredYetError as error:
        raise unavailable(str(error), retry_after_s=_RETRY_AFTER_S) from None


def _is_against_measured(request: web.Request) -> bool:
    """Whether measured positions are to judge; 400 for anything else to be judged by, or another market."""
    against = request.query.get("against")
    if against is None:
        return False
    if against != AGAINST_MEASURED:
        raise bad_request("against must be measured, or left out")
    if request.query.get("exchange", EXCHANGE) != EXCHANGE:
        raise bad_request(f"positions are measured on {EXCHANGE}, and judge the map of its market alone")
    return True


async def _scores_ctx(app: web.Application) -> AsyncIterator[None]:
    app[SCORES] = Scores(app[STORE], app[MAPS])
    yield
    await app[SCORES].close()


def add_accuracy_route(app: web.Application) -> None:
    """Serve the score; to be called after STORE's and MAPS' own contexts were added."""
    app.router.add_get(of_symbol("/api/score/{symbol}"), score_of_map)
    app.cleanup_ctx.append(_scores_ctx)
