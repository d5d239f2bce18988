"""The choice of markets on this server (`top:N`, `all`): the list kept last, changed while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from liqstream.feeds.feed import Feed
from liqstream.fleet.leader_lease import lease_token
from liqstream.fleet.market_choices import MarketChoices
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.roles import NodeRole
from liqstream.fleet.shared_market_list import SharedMarketList
from liqstream.heatmap.followed_list import FollowedList, FollowedMarket
from liqstream.heatmap.snapshot import iso_utc
from liqstream.http.app_keys import MAPS
from liqstream.http.forecast_api import FORECASTS
from liqstream.ingest.market_list_loop import MarketListLoop, keep_list, list_path, read_kept_list
from liqstream.server.app_keys import FLEET, FOLLOWED, METRICS, PIPELINE, SETTINGS, SUPERVISOR
from liqstream.server.fleet_setup import connect_redis
from liqstream.settings.server_role import ServerRole
from liqstream.settings.table import Settings
from liqstream.wire.messages import market_ended_message
from liqstream.ws.endpoint import MANAGER

FIRST_LIST = web.AppKey("first_market_list", FollowedList)
"""What is followed until the first choice; set where markets are chosen."""
MARKET_LIST = web.AppKey("market_list", MarketListLoop)
"""Set where markets are chosen."""
MARKET_CHOICES = web.AppKey("market_choices", MarketChoices)
"""Set where markets are chosen in a fleet."""

_DIFFERING = "servers of this fleet were given other choices of markets; the leader's list counts for all"


async def first_list_ctx(app: web.Application) -> AsyncIterator[None]:
    """Begin with the list kept last, else with the symbols that have a margin table of their own."""
    settings = app[SETTINGS]
    if settings.market_choice is not None:
        kept = None
        if settings.role != ServerRole.FANOUT:
            kept = await asyncio.to_thread(read_kept_list, list_path(settings.db_path))
        app[FIRST_LIST] = kept or _default_list(settings)
        app[FOLLOWED].replace(app[FIRST_LIST].markets)
    _expect(app)
    yield


def _default_list(settings: Settings) -> FollowedList:
    everywhere = FollowedMarket(settings.exchanges)
    return FollowedList("", 0, dict.fromkeys(settings.symbols, everywhere))


def follow_first_list(app: web.Application, feeds: Sequence[Feed]) -> None:
    """Have the feeds, which have not begun, follow the list this server begins with."""
    if FIRST_LIST in app:
        symbols = app[FIRST_LIST].by_exchange(tuple(feed.exchange for feed in feeds))
        for feed in feeds:
            feed.follow(symbols[feed.exchange], {})


async def running_market_list(app: web.Application) -> AsyncIterator[None]:
    """Choose markets as the server runs, and share the list with the fleet or take the leader's."""
    settings = app[SETTINGS]
    async with AsyncExitStack() as running:
        if settings.market_choice is not None:
            feeds = app[PIPELINE].feeds if PIPELINE in app else ()
            loop = app[MARKET_LIST] = MarketListLoop(
                feeds,
                settings.market_choice,
                app[FIRST_LIST],
                on_list=lambda found: _follow(app, found),
                leads=lambda: bool(_token(app)) if settings.redis_enabled else True,
            )
            if settings.redis_enabled:
                redis = connect_redis(settings)
                running.push_async_callback(redis.aclose)
                shared = SharedMarketList(
                    redis,
                    RedisNames(settings.redis_channel_prefix),
                    token=lambda: _token(app),
                    newest=lambda: loop.newest,
                    adopt=loop.adopt,
                    clock_s=time.monotonic,
                )
                choices = app[MARKET_CHOICES] = MarketChoices(
                    redis,
                    RedisNames(settings.redis_channel_prefix),
                    server=app[FLEET].server,
                    choice=str(settings.market_choice),
                )
                for name, task in (("shared-market-list", shared.run), ("market-choices", choices.run)):
                    _ = await running.enter_async_context(app[SUPERVISOR].background(name, task))
            if feeds:
                _ = await running.enter_async_context(app[SUPERVISOR].background("market-list", loop.run))
        yield


def _token(app: web.Application) -> str:
    """What this server publishes by as leader, "" while it does not lead."""
    fleet, maps = app.get(FLEET), app.get(MAPS)
    leads = fleet is not None and maps is not None and fleet.role == NodeRole.LEADER
    return lease_token(fleet.server, maps.epoch) if fleet and maps and leads else ""


async def _follow(app: web.Application, found: FollowedList) -> None:
    """Follow a list from now on: first its data, then whoever reads it, then the end of what is not in it."""
    before = app[FOLLOWED].now
    if PIPELINE in app:
        exchanges = tuple(feed.exchange for feed in app[PIPELINE].feeds)
        await app[PIPELINE].markets.follow(found.by_exchange(exchanges))
    app[FOLLOWED].replace(found.markets)
    _expect(app)
    for symbol in (each for each in before if each not in app[FOLLOWED]):
        reason = found.ended.get(symbol, "it has left the list of markets")
        await app[MANAGER].end_market(symbol, market_ended_message(symbol, reason))
        if FLEET in app:
            app[FLEET].snapshots.forget(symbol)
        if FORECASTS in app:
            app[FORECASTS].forget(symbol)
        app[METRICS].forget(symbol)
    if app[SETTINGS].role != ServerRole.FANOUT:
        await asyncio.to_thread(keep_list, list_path(app[SETTINGS].db_path), found)


def _expect(app: web.Application) -> None:
    app[METRICS].expect(app[FOLLOWED].now, ())
    app[METRICS].markets_followed.set(len(app[FOLLOWED]))


def report_choice(app: web.Application) -> dict[str, object]:
    """How markets are chosen, for /ready; {} where they are named."""
    if MARKET_LIST not in app:
        return {}
    newest = app[MARKET_LIST].newest
    differing = app[MARKET_CHOICES].differing if MARKET_CHOICES in app else {}
    return {
        "choice": str(app[SETTINGS].market_choice),
        "followed": len(app[FOLLOWED]),
        "ranked": iso_utc(newest.ranked_ms) if newest.ranked_ms else None,
        **({"other_choices": dict(differing), "note": _DIFFERING} if differing else {}),
    }
