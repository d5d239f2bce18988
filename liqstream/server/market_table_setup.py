"""The table of markets on this server: made here or taken from the fleet's leader, and streamed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from aiohttp import web

from liqstream.feeds.feed import history_percent
from liqstream.fleet.leader_lease import lease_token
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.roles import NodeRole
from liqstream.fleet.shared_market_table import SharedMarketTable
from liqstream.heatmap.market_table import MarketTable
from liqstream.http.app_keys import MAPS, MARKETS, STORE, SYMBOLS
from liqstream.ingest.market_table_loop import MarketTableLoop
from liqstream.server.app_keys import FLEET, PIPELINE, SETTINGS, SUPERVISOR
from liqstream.server.fleet_setup import connect_redis, issues_forecasts

MARKET_TABLE = web.AppKey("market_table", MarketTableLoop)
"""Set where this server collects data."""


async def market_table_ctx(app: web.Application) -> AsyncIterator[None]:
    """Prepare the making of the table, which must learn of liquidations from the first on."""

    async def show(table: MarketTable) -> None:
        app[MARKETS].offer(table)

    app[MARKET_TABLE] = MarketTableLoop(
        app[STORE],
        app[MAPS],
        app[SYMBOLS],
        on_table=show,
        clock_s=time.monotonic,
        leads=lambda: _makes_its_own(app),
        history_percent=lambda symbol: _history_percent(app, symbol),
    )
    yield


async def running_market_table(app: web.Application) -> AsyncIterator[None]:
    """Make tables, and share them with the fleet or take the leader's."""
    settings, loop = app[SETTINGS], app.get(MARKET_TABLE)
    async with AsyncExitStack() as running:
        if settings.redis_enabled:
            redis = connect_redis(settings)
            running.push_async_callback(redis.aclose)
            shared = SharedMarketTable(
                redis,
                RedisNames(settings.redis_channel_prefix),
                token=lambda: _token(app),
                makes_its_own=lambda: loop is not None and _makes_its_own(app),
                take=app[MARKETS].offer,
                stale_after_s=settings.stale_after_s,
            )
            if loop is not None:
                loop.on_table = shared.publish
            _ = await running.enter_async_context(app[SUPERVISOR].background("shared-markets", shared.run))
        if loop is not None:
            _ = await running.enter_async_context(app[SUPERVISOR].background("markets", loop.run))
        yield


def _history_percent(app: web.Application, symbol: str) -> int | None:
    return history_percent(app[PIPELINE].statuses(), app[MAPS].exchanges(symbol), symbol)


def _token(app: web.Application) -> str:
    """What this server publishes by as leader, "" while it does not lead."""
    fleet, maps = app[FLEET], app.get(MAPS)
    return lease_token(fleet.server, maps.epoch) if maps and fleet.role == NodeRole.LEADER else ""


def _makes_its_own(app: web.Application) -> bool:
    return issues_forecasts(app[SETTINGS], app.get(FLEET))
