"""GET /api/score/{symbol}: how good this server's own map has been, worked out now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from liqstream.answers import json_answer, not_found
from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.score import ScoreError
from liqstream.heatmap.score_stored import score_stored
from liqstream.market import MarketKey
from liqstream.questions import market_asked_for, symbol_asked_for
from liqstream.resources import MAPS, STORE
from liqstream.store.market_store import MarketStore

KEEP_S = 900.0
"""A score rests on days of data: minutes more do not change it."""


@dataclass(slots=True)
class _Kept:
    until_s: float
    work: asyncio.Task[dict[str, Any]]


@dataclass(slots=True)
class Scores:
    """Scores of the running map by market, each worked out at most once in a while, whoever asks."""

    store: MarketStore
    maps: LiveMaps
    clock_s: Callable[[], float] = time.monotonic
    _kept: dict[MarketKey, _Kept] = field(default_factory=dict)

    async def of(self, market: MarketKey) -> dict[str, Any]:
        """The score of a market's map. Raises ScoreError with what is missing."""
        kept = self._kept.get(market)
        if kept is None or kept.until_s <= self.clock_s():
            kept = _Kept(self.clock_s() + KEEP_S, asyncio.create_task(self._score(market), name="score"))
            self._kept[market] = kept
        # Shielded: who hangs up must not take the answer from the others who wait for it.
        return await asyncio.shield(kept.work)

    async def _score(self, market: MarketKey) -> dict[str, Any]:
        scored = await score_stored(
            self.store,
            market.exchange,
            market.symbol,
            self.maps.kernel_of(market.symbol),
            to_ms=self.maps.data_time_ms(market.symbol),
        )
        return scored.content

    async def close(self) -> None:
        """End what is being worked out."""
        works = [kept.work for kept in self._kept.values()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


SCORES: web.AppKey[Scores] = web.AppKey("scores")


async def score_of_map(request: web.Request) -> web.Response:
    """The score with its baselines and warnings; 404 with a sentence where there is nothing to score on."""
    symbol = symbol_asked_for(request, request.match_info["symbol"])
    try:
        return json_answer(request, await request.app[SCORES].of(market_asked_for(request, symbol)))
    except ScoreError as error:
        raise not_found(str(error)) from None


async def _scores_ctx(app: web.Application) -> AsyncIterator[None]:
    app[SCORES] = Scores(app[STORE], app[MAPS])
    yield
    await app[SCORES].close()


def add_accuracy_route(app: web.Application) -> None:
    """Serve the score; to be called after STORE's and MAPS' own contexts were added."""
    app.router.add_get("/api/score/{symbol}", score_of_map)
    app.cleanup_ctx.append(_scores_ctx)
