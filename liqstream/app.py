"""Puts the house together: settings in, an aiohttp Application out; the one module that sees everything.

Each resource is one `cleanup_ctx`, entered in this order and left in the opposite one: store, maps, feeds,
stream; a server that only fans out (LIQSTREAM_ROLE) has the stream alone. A background task that dies ends
the process (`FATAL`): a page that silently stands still is worse than one that is gone.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
from aiohttp import TraceConfig, web
from aiohttp_prometheus_exporter.trace import PrometheusTraceConfig

from liqstream.accuracy import add_accuracy_route
from liqstream.admission.door import DOOR, Door
from liqstream.admission.http_guard import cors_headers, http_guard
from liqstream.admission.security_headers import security_headers
from liqstream.alerts.config import read_alerts
from liqstream.alerts.rules import Watch
from liqstream.alerts.sending import Sender
from liqstream.alerts.watching import Watcher
from liqstream.api import add_api_routes, add_latest_route
from liqstream.background import background
from liqstream.collect import Collector
from liqstream.events import TAPE, add_events_route
from liqstream.feeds.feed import Feed, FeedStatus
from liqstream.fleet import check_redis_url, make_shared_updates
from liqstream.forwarding import add_forwarded_routes, forward
from liqstream.heatmap.history import Histories
from liqstream.heatmap.kernel import load_kernel
from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.margin import load_brackets
from liqstream.heatmap.updates import Tick, heatmap_update_generator
from liqstream.http_metrics import http_metrics
from liqstream.metrics import Metrics
from liqstream.pages import READINESS, PageFacts, add_page_routes
from liqstream.readiness import Readiness
from liqstream.resources import HISTORIES, LATEST, MAPS, STORE, SYMBOLS
from liqstream.scrape import HouseCollector
from liqstream.settings import Settings
from liqstream.sources import make_feeds, waits_for_history
from liqstream.store.market_store import MarketStore
from liqstream.symbols import interval_ms
from liqstream.ws.close_codes import CLOSE_CODES, GOING_AWAY, RESTART
from liqstream.ws.connection_manager import ConnectionManager
from liqstream.ws.endpoint import CONFIG, MANAGER, WsConfig, add_ws_routes
from liqstream.ws.shared_updates import SharedUpdates

log = structlog.get_logger(__name__)

SETTINGS = web.AppKey("settings", Settings)
METRICS = web.AppKey("metrics", Metrics)
COLLECTOR = web.AppKey("collector", Collector)
FLEET = web.AppKey("fleet", SharedUpdates)
"""Set where several servers share one stream (REDIS_ENABLED)."""
FATAL: web.AppKey[asyncio.Future[None]] = web.AppKey("fatal")
"""Fails with the error of a background task that died; whoever runs the app watches it."""

MakeFeeds = Callable[[Settings, MarketStore, Sequence[TraceConfig]], Coroutine[Any, Any, Sequence[Feed]]]

RETENTION_EVERY_S = 3600.0


def make_app(settings: Settings, make_feeds: MakeFeeds = make_feeds) -> web.Application:
    """The application for `settings`. Its start-up raises what its resources raise, each one clear line."""
    check_redis_url(settings)
    if settings.role == "producer":
        settings = settings.model_copy(update={"ws_enabled": False})
    metrics = Metrics()
    app = web.Application(middlewares=[http_metrics(metrics), http_guard])
    app[SETTINGS] = settings
    app[SYMBOLS] = settings.symbols
    app[METRICS] = metrics
    metrics.expect(settings.symbols, (*map(str, CLOSE_CODES), "other"))
    app[DOOR] = Door(settings)
    app.on_response_prepare.extend((security_headers(settings.frame_ancestors), cors_headers))
    app[MANAGER] = ConnectionManager(
        update_interval_s=settings.ws_update_interval_s,
        slow_consumer_timeout_s=settings.ws_slow_consumer_timeout_s,
        max_queue_size=settings.ws_max_queue_size,
        metrics=app[METRICS],
    )
    readiness = Readiness(settings.symbols)
    app[READINESS] = readiness.report
    app.on_shutdown.append(readiness.stopping)
    # In a fleet another server is there at once; alone, this one may be gone for good.
    close_with = RESTART if settings.redis_enabled else GOING_AWAY
    app[CONFIG] = WsConfig(
        symbols=settings.symbols,
        close_with=close_with,
        max_lifetime_s=settings.max_lifetime_s or math.inf,
    )
    add_ws_routes(app)
    facts = PageFacts(
        settings.symbols, settings.interval, readiness.source, private=bool(settings.tokens_file)
    )
    add_page_routes(app, facts, None if settings.metrics_host else metrics.registry)
    app.cleanup_ctx.extend((_fatal_ctx, _door_ctx))
    if settings.role == "fanout":
        add_latest_route(app, of_venues=forward)
        add_forwarded_routes(app, settings.history_url)
    else:
        add_api_routes(app)
        add_events_route(app)
        app.cleanup_ctx.extend((_store_ctx, _maps_ctx, _feeds_ctx(make_feeds)))
        if settings.alerts_file:
            app.cleanup_ctx.append(_alerts_ctx)
        add_accuracy_route(app)
    app.cleanup_ctx.extend((_fleet_ctx if settings.redis_enabled else _alone_ctx, _ready_ctx(readiness)))
    return app


async def _fatal_ctx(app: web.Application) -> AsyncIterator[None]:
    app[FATAL] = asyncio.get_running_loop().create_future()
    yield
    if not app[FATAL].done():
        app[FATAL].cancel()
    elif not app[FATAL].cancelled():
        app[FATAL].exception()


async def _door_ctx(app: web.Application) -> AsyncIterator[None]:
    await asyncio.to_thread(app[DOOR].tokens.reload)
    yield


async def _store_ctx(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[STORE] = await MarketStore.open(settings.db_path, retention_days=settings.retention_days)
    if settings.replay:
        # An old recording in the store is what is being played, not what has expired.
        yield
    else:
        async with background(_expire(app[STORE]), app[FATAL], name="retention"):
            yield
    await app[STORE].close()


async def _expire(store: MarketStore) -> None:
    while True:
        await store.expire(time.time_ns() // 1_000_000)
        await asyncio.sleep(RETENTION_EVERY_S)


async def _maps_ctx(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[MAPS] = LiveMaps(
        app[STORE],
        await asyncio.to_thread(load_kernel, settings.kernel),
        interval_ms=interval_ms(settings.interval),
        history_days=settings.history_days,
        stale_after_s=settings.stale_after_s,
        epoch=time.time_ns() // 1_000_000,
        clock_s=time.monotonic,
        brackets=await asyncio.to_thread(load_brackets, settings.brackets),
    )
    app[HISTORIES] = Histories(app[STORE], app[MAPS])
    yield
    app[MAPS].close()


def _feeds_ctx(make_feeds: MakeFeeds) -> Callable[[web.Application], AsyncIterator[None]]:
    async def feeds_ctx(app: web.Application) -> AsyncIterator[None]:
        settings = app[SETTINGS]
        app[COLLECTOR] = Collector(
            await make_feeds(settings, app[STORE], [PrometheusTraceConfig(registry=app[METRICS].registry)]),
            app[STORE],
            app[MAPS],
            interval_ms=interval_ms(settings.interval),
            await_history=waits_for_history(settings),
            listeners=(app[TAPE].take,),
        )
        try:
            await app[COLLECTOR].start()
            async with background(app[COLLECTOR].run(), app[FATAL], name="collect"):
                yield
        finally:
            await app[COLLECTOR].close()

    return feeds_ctx


async def _alerts_ctx(app: web.Application) -> AsyncIterator[None]:
    config = await asyncio.to_thread(read_alerts, Path(app[SETTINGS].alerts_file))
    watcher = Watcher(
        Watch(config.rule),
        Sender(config.target, app[METRICS]),
        maps=app[MAPS],
        tape=app[TAPE],
        symbols=app[SETTINGS].symbols,
    )
    async with background(watcher.run(), app[FATAL], name="alerts"):
        yield


async def _alone_ctx(app: web.Application) -> AsyncIterator[None]:
    manager, maps = app[MANAGER], app[MAPS]
    app[LATEST] = maps.get_latest_heatmap_snapshot
    updates = heatmap_update_generator(
        maps.get_latest_heatmap_snapshot,
        active_symbols=manager.active_symbols,
        interval_s=lambda: manager.smallest_interval_s(app[SETTINGS].ws_update_interval_s),
        wake=manager.changed,
    )
    async with background(_stream(app, updates), app[FATAL], name="stream"):
        yield


async def _fleet_ctx(app: web.Application) -> AsyncIterator[None]:
    app[FLEET] = make_shared_updates(
        app[SETTINGS], manager=app[MANAGER], maps=app.get(MAPS), metrics=app[METRICS]
    )
    app[LATEST] = app[FLEET].latest
    async with (
        background(app[FLEET].run(), app[FATAL], name="fleet"),
        background(_stream(app, app[FLEET].ticks()), app[FATAL], name="stream"),
    ):
        yield


async def _stream(app: web.Application, updates: AsyncIterator[Tick]) -> None:
    """The one loop: what is new goes to everyone who follows it, wherever it was made."""
    async for tick in updates:
        await app[MANAGER].broadcast(*tick)
        for snapshot in tick:
            app[METRICS].last_broadcast.labels(snapshot.symbol).set_to_current_time()


def _ready_ctx(readiness: Readiness) -> Callable[[web.Application], AsyncIterator[None]]:
    async def ready_ctx(app: web.Application) -> AsyncIterator[None]:
        maps = app.get(MAPS)
        statuses = app[COLLECTOR].statuses if maps else dict[str, FeedStatus]
        if maps is not None:
            for symbol in app[SYMBOLS]:
                await maps.get_latest_heatmap_snapshot(symbol)
        readiness.watch(maps, statuses, app.get(FLEET))
        app[METRICS].registry.register(
            HouseCollector(
                door=app[DOOR],
                stats=app[MANAGER].get_stats,
                readiness=readiness.report,
                maps=maps,
                store=app.get(STORE),
                feeds=statuses,
            )
        )
        yield

    return ready_ctx
