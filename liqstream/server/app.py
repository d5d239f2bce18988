"""Builds the application: settings in, an aiohttp Application out; the one module that sees everything.

Each resource is one `cleanup_ctx`, entered in this order and left in the opposite one: store, maps, feeds,
stream; a server that only fans out (LIQSTREAM_ROLE) has the stream alone. A background task that fails is
begun anew (`SUPERVISOR`) and named in /ready meanwhile; nothing that comes in ends the process.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiohttp import TraceConfig, web
from aiohttp_prometheus_exporter.trace import PrometheusTraceConfig

from liqstream.admission.http_guard import cors_headers, http_guard, request_watch
from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.admission.security_headers import security_headers
from liqstream.alerts.firing import Firings
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.fanout.timers import RunningLoop
from liqstream.feeds.feed import Feed, FeedStatus
from liqstream.heatmap.history import Histories
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.updates import SnapshotBatch, heatmap_update_generator
from liqstream.http.api_description import add_description_routes, known_parameters
from liqstream.http.app_keys import FIRINGS, HISTORIES, LATEST, MAPS, STORE, SYMBOLS
from liqstream.http.context_api import add_context_route
from liqstream.http.events_api import LIQUIDATION_BUS, add_events_route
from liqstream.http.forecast_api import FORECASTS, add_forecast_route
from liqstream.http.heatmap_api import add_api_routes, add_latest_route
from liqstream.http.history_proxy import add_forwarded_routes, forward
from liqstream.http.json_errors import expect_in_json, json_errors
from liqstream.http.markets_api import add_markets_route
from liqstream.http.pages import READINESS, PageFacts, add_page_routes
from liqstream.http.positions_api import add_positions_route
from liqstream.http.score_api import add_accuracy_route
from liqstream.http.symbols_api import add_symbols_route
from liqstream.ingest.feed_factory import make_feeds, waits_for_history, warmup_days
from liqstream.ingest.forecast_loop import ForecastLoop
from liqstream.ingest.pipeline import IngestPipeline
from liqstream.market.market_list import MarketList
from liqstream.metrics import NAMESPACE, Metrics
from liqstream.model.amplitude_prior import shipped_amplitude
from liqstream.model.forecast_priors import shipped_priors
from liqstream.model.kernel import load_kernel
from liqstream.model.margin import load_brackets
from liqstream.server.alert_setup import add_alerts, alerts_file_ctx
from liqstream.server.app_keys import EPOCHS, FLEET, FOLLOWED, METRICS, PIPELINE, SETTINGS, SUPERVISOR, WATCH
from liqstream.server.bracket_setup import brackets_read, kept_brackets
from liqstream.server.coin_verdicts import coins_kept
from liqstream.server.fleet_setup import (
    check_redis_url,
    issues_forecasts,
    make_coordinator,
    shared_forecasts,
    shared_prices,
    watched_symbols,
)
from liqstream.server.http_metrics import http_metrics
from liqstream.server.map_proof import prove_maps, try_map
from liqstream.server.market_list_setup import (
    first_list_ctx,
    follow_first_list,
    report_choice,
    running_market_list,
)
from liqstream.server.market_table_setup import MARKET_TABLE, market_table_ctx, running_market_table
from liqstream.server.positions_setup import positions_ctx, report_positions
from liqstream.server.push_setup import add_push, push_root_ctx
from liqstream.server.readiness import Readiness
from liqstream.server.state_metrics import StateCollector
from liqstream.server.store_setup import store_ctx
from liqstream.server.stream_watch import StreamWatch
from liqstream.settings.server_role import ServerRole
from liqstream.settings.table import Settings
from liqstream.store.epoch_file import EpochFile, epoch_path
from liqstream.store.market_store import MarketStore
from liqstream.store.store_files import StoreFiles
from liqstream.supervision.supervise import Supervisor
from liqstream.symbols import ascii_symbol, interval_ms
from liqstream.wire.close_codes import CLOSE_CODES, GOING_AWAY, RESTART
from liqstream.ws.endpoint import CONFIG, MANAGER, WsConfig, add_ws_routes

log = structlog.get_logger(__name__)

MakeFeeds = Callable[[Settings, MarketStore, Sequence[TraceConfig]], Coroutine[Any, Any, Sequence[Feed]]]

STREAM_RETRY_S = 30.0
"""The stream waits no longer before it is begun anew: clients wait for it."""


def make_app(settings: Settings, make_feeds: MakeFeeds = make_feeds) -> web.Application:
    """The application for `settings`. Its start-up raises what its resources raise, each one clear line."""
    check_redis_url(settings)
    metrics = Metrics()
    counted = http_metrics(metrics)
    app = web.Application(middlewares=[request_watch, counted, json_errors, http_guard, known_parameters])
    app[SETTINGS], app[METRICS] = settings, metrics
    app[SYMBOLS] = app[FOLLOWED] = MarketList(settings.symbols)
    metrics.expect((), (*map(str, CLOSE_CODES), "other"))
    app[ADMISSION] = AdmissionPolicy(settings)
    app.on_response_prepare.extend((security_headers(settings.frame_ancestors), cors_headers))
    app[SUPERVISOR] = Supervisor(on_failure=lambda name: metrics.task_failures.labels(name).inc())
    app[FIRINGS] = Firings(app[SUPERVISOR].report)
    app[MANAGER] = ConnectionManager(
        update_interval_s=settings.ws_update_interval_s,
        slow_consumer_timeout_s=settings.ws_slow_consumer_timeout_s,
        max_queue_size=settings.ws_max_queue_size,
        metrics=app[METRICS],
        timers=RunningLoop(app[SUPERVISOR].report),
    )
    app[MANAGER].ticks.per_s = settings.ticks_per_s
    app[WATCH] = StreamWatch(app[SUPERVISOR], app[MANAGER], lambda: ("stream",))
    app[ADMISSION].stream_is_down = app[WATCH].is_down
    readiness = Readiness(app[SYMBOLS], app[SUPERVISOR], app[WATCH].is_down)
    app[READINESS] = readiness.report
    app.on_shutdown.append(readiness.stopping)
    # In a fleet another server is there at once; alone, this one may be gone for good.
    close_with = RESTART if settings.redis_enabled else GOING_AWAY
    app[CONFIG] = WsConfig(
        symbols=app[SYMBOLS],
        close_with=close_with,
        max_lifetime_s=settings.max_lifetime_s or math.inf,
    )
    add_ws_routes(app)
    add_description_routes(app)
    add_page_routes(app, _page_facts(app, readiness), None if settings.metrics_host else metrics)
    add_symbols_route(app)
    add_markets_route(app, app[MANAGER].markets)
    app.cleanup_ctx.extend((_tokens_ctx, alerts_file_ctx, push_root_ctx, _epochs_ctx, first_list_ctx))
    if settings.role == ServerRole.FANOUT:
        add_latest_route(app, snapshot_of_exchanges=forward)
        add_forwarded_routes(app, settings.history_url)
    else:
        add_api_routes(app)
        add_events_route(app)
        app.cleanup_ctx.extend(
            (store_ctx, _maps_ctx, market_table_ctx, _forecasts_ctx, _feeds_ctx(make_feeds))
        )
        if settings.positions and not settings.replay:
            app.cleanup_ctx.append(positions_ctx)
        add_positions_route(app)
        add_accuracy_route(app)
        add_forecast_route(app)
        add_context_route(app)
    add_alerts(app)
    add_push(app)
    expect_in_json(app)
    stream_ctx = _fleet_ctx if settings.redis_enabled else _alone_ctx
    app.cleanup_ctx.extend((stream_ctx, running_market_table, running_market_list, _ready_ctx(readiness)))
    return app


def _page_facts(app: web.Application, readiness: Readiness) -> PageFacts:
    settings = app[SETTINGS]
    is_chosen, is_private = settings.market_choice is not None, bool(settings.tokens_file)
    return PageFacts(app[SYMBOLS], settings.interval, readiness.source, is_chosen, is_private)


async def _tokens_ctx(app: web.Application) -> AsyncIterator[None]:
    await asyncio.to_thread(app[ADMISSION].tokens.reload)
    yield


async def _epochs_ctx(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    path = None if settings.role == ServerRole.FANOUT else epoch_path(settings.db_path)
    app[EPOCHS] = EpochFile(path, on_failure=app[METRICS].epochs_not_kept.inc)
    await app[EPOCHS].load()
    yield


async def _maps_ctx(app: web.Application) -> AsyncIterator[None]:
    settings, now_ms = app[SETTINGS], time.time_ns() // 1_000_000
    # In a fleet the leader's epoch is sent, and a server that keeps one of its own would ask it for another.
    epoch = app[EPOCHS].at(now_ms) if settings.redis_enabled else await app[EPOCHS].begin(now_ms)
    app[MAPS] = LiveMaps(
        app[STORE],
        MapModel(
            await asyncio.to_thread(load_kernel, settings.kernel),
            interval_ms=interval_ms(settings.interval),
            history_days=warmup_days(settings),
            brackets=await asyncio.to_thread(load_brackets, settings.brackets),
            own_brackets=await kept_brackets(app),
            amplitude=await asyncio.to_thread(shipped_amplitude),
        ),
        stale_after_s=settings.stale_after_s,
        epoch=epoch,
        clock_s=time.monotonic,
    )
    app[MAPS].rest_unless(lambda: watched_symbols(app))
    app[HISTORIES] = Histories(app[STORE], app[MAPS])
    async with coins_kept(settings, app[MAPS], app[FOLLOWED].now):
        yield
    app[MAPS].close()


async def _forecasts_ctx(app: web.Application) -> AsyncIterator[None]:
    app[FORECASTS] = ForecastLoop(
        app[STORE],
        app[MAPS],
        app[SYMBOLS],
        priors=await asyncio.to_thread(shipped_priors),
        clock_s=time.monotonic,
        leads=lambda: issues_forecasts(app[SETTINGS], app.get(FLEET)),
    )
    async with app[SUPERVISOR].background("forecasts", app[FORECASTS].run):
        yield


def _feeds_ctx(make_feeds: MakeFeeds) -> Callable[[web.Application], AsyncIterator[None]]:
    async def _ctx(app: web.Application) -> AsyncIterator[None]:
        settings = app[SETTINGS]
        trace = PrometheusTraceConfig(namespace=NAMESPACE, registry=app[METRICS].registry)
        feeds = await make_feeds(settings, app[STORE], [trace])
        follow_first_list(app, feeds)
        for feed in feeds:
            feed.watched_by = lambda: watched_symbols(app)
        app[PIPELINE] = IngestPipeline(
            feeds,
            app[STORE],
            app[MAPS],
            interval_ms=interval_ms(settings.interval),
            await_history=waits_for_history(settings),
            listeners=(
                app[LIQUIDATION_BUS].take,
                app[FORECASTS].take,
                app[MANAGER].ticks.take,
                app[MARKET_TABLE].take,
            ),
        )
        try:
            await app[PIPELINE].start()
            app[FORECASTS].begin()
            async with (
                app[SUPERVISOR].background("collect", lambda: app[PIPELINE].run(app[SUPERVISOR])),
                brackets_read(app, feeds),
            ):
                yield
        finally:
            await app[PIPELINE].close()

    return _ctx


async def _alone_ctx(app: web.Application) -> AsyncIterator[None]:
    manager, maps = app[MANAGER], app[MAPS]
    manager.ticks.price_since = maps.price_since
    app[LATEST] = maps.get_latest_heatmap_snapshot

    async def stream() -> None:
        updates = heatmap_update_generator(
            maps.get_latest_heatmap_snapshot,
            active_symbols=manager.active_symbols,
            interval_s=lambda: manager.smallest_interval_s(app[SETTINGS].ws_update_interval_s),
            wake=manager.changed,
            on_failure=app[SUPERVISOR].report,
        )
        await prove_maps(maps, app[SYMBOLS])
        app[SUPERVISOR].mark_well("stream")
        await _stream(app, updates)

    async with _streaming(app, stream):
        yield


@asynccontextmanager
async def _streaming(
    app: web.Application, stream: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    async with (
        app[SUPERVISOR].background("stream", stream, longest_wait_s=STREAM_RETRY_S),
        app[SUPERVISOR].background("stream-watch", app[WATCH].run, longest_wait_s=STREAM_RETRY_S),
    ):
        yield


async def _fleet_ctx(app: web.Application) -> AsyncIterator[None]:
    app[FLEET] = make_coordinator(
        app[SETTINGS],
        manager=app[MANAGER],
        maps=app.get(MAPS),
        epochs=app[EPOCHS],
        metrics=app[METRICS],
        symbols=app[SYMBOLS],
    )
    app[LATEST] = app[FLEET].latest
    app[WATCH].needed = app[FLEET].needed_tasks
    async with (
        app[FLEET].running(app[SUPERVISOR]),
        shared_forecasts(app[SETTINGS], app[FLEET], app.get(FORECASTS), app[SUPERVISOR], app[SYMBOLS]),
        shared_prices(app[SETTINGS], app[FLEET], app.get(MAPS), app[MANAGER].ticks, app[SUPERVISOR]),
        _streaming(app, lambda: _stream(app, app[FLEET].batches())),
    ):
        yield


async def _stream(app: web.Application, updates: AsyncIterator[SnapshotBatch]) -> None:
    """The one loop: what is new goes to all subscribers, wherever it was generated."""
    async for batch in updates:
        await app[MANAGER].broadcast(*batch)
        app[SUPERVISOR].mark_well("stream")
        for snapshot in batch:
            app[METRICS].last_broadcast.labels(ascii_symbol(snapshot.symbol)).set_to_current_time()


def _ready_ctx(readiness: Readiness) -> Callable[[web.Application], AsyncIterator[None]]:
    async def _ctx(app: web.Application) -> AsyncIterator[None]:
        readiness.shares_port = app[SETTINGS].reuse_port
        maps = app.get(MAPS)
        statuses = app[PIPELINE].statuses if maps else dict[str, FeedStatus]
        if maps is not None:
            for symbol in app[SYMBOLS]:
                await try_map(maps, symbol)
        if STORE in app:
            readiness.store_condition = lambda: app[STORE].condition
        readiness.positions = lambda: report_positions(app)
        readiness.market_choice = lambda: report_choice(app)
        readiness.leaders_history = app[MANAGER].markets.history_percent
        readiness.watch(maps, statuses, app.get(FLEET))
        metrics, store = app[METRICS], app.get(STORE)
        files = None if store is None else StoreFiles(store.path)
        if files is not None:
            metrics.before_scrape.append(files.read)
        metrics.registry.register(
            StateCollector(
                admission=app[ADMISSION],
                stats=app[MANAGER].get_stats,
                readiness=readiness.report,
                maps=maps,
                store=store,
                files=files,
                feeds=statuses,
                certificate_expiry_s=lambda: metrics.certificate_expiry_s,
            )
        )
        yield

    return _ctx
