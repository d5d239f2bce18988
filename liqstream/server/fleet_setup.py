"""The server's part in its fleet, as the settings have it."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from redis import asyncio as aioredis

from liqstream.client.url_mask import masked
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.fanout.ticks import Ticks
from liqstream.fleet.coordinator import Coordinator
from liqstream.fleet.membership import DemandSource, FleetConfig
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.redis_url import RedisUrlError, connect
from liqstream.fleet.roles import NodeRole
from liqstream.fleet.shared_forecasts import SharedForecasts
from liqstream.fleet.shared_prices import SharedPrices
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.price_track import PriceSince
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.ingest.forecast_loop import ForecastLoop
from liqstream.metrics import Metrics
from liqstream.server.app_keys import FLEET
from liqstream.settings.load import BadSettingError
from liqstream.settings.table import Settings
from liqstream.store.epoch_file import EpochFile
from liqstream.supervision.supervise import Supervisor
from liqstream.ws.endpoint import MANAGER

log = structlog.get_logger(__name__)


def make_coordinator(
    settings: Settings,
    *,
    manager: ConnectionManager,
    maps: LiveMaps | None,
    epochs: EpochFile,
    metrics: Metrics,
    symbols: Sequence[str],
) -> Coordinator:
    """The stream shared through Redis; `maps` is None on a server that only fans out.

    No connection is made yet; raises BadSettingError for a REDIS_URL that cannot be used.
    """
    log.info("fleet", redis=masked(settings.redis_url), role=settings.role)
    config = FleetConfig(
        names=RedisNames(settings.redis_channel_prefix),
        server=_server_name(),
        symbols=symbols,
        lease_s=settings.lease_s,
        stale_after_s=settings.stale_after_s,
    )
    demand = DemandSource(
        manager.active_symbols,
        interval_s=lambda: manager.smallest_interval_s(settings.ws_update_interval_s),
        changed=manager.changed,
    )
    return Coordinator(connect_redis(settings), config, demand, maps=maps, epochs=epochs, metrics=metrics)


def check_redis_url(settings: Settings) -> None:
    """Raise BadSettingError for a REDIS_URL that cannot be used, before anything else is started."""
    if settings.redis_enabled:
        _ = connect_redis(settings)


def watched_symbols(app: web.Application) -> frozenset[str]:
    """The symbols that clients of any server of the fleet look at."""
    fleet = app.get(FLEET)
    return app[MANAGER].active_symbols() if fleet is None else fleet.fleet_demand.active_symbols()


def issues_forecasts(settings: Settings, coordinator: Coordinator | None) -> bool:
    """Whether this server issues forecasts now: alone, as leader, or while Redis is away."""
    if not settings.redis_enabled:
        return True
    return coordinator is not None and (coordinator.role == NodeRole.LEADER or coordinator.redis == "down")


@asynccontextmanager
async def shared_forecasts(
    settings: Settings,
    coordinator: Coordinator,
    forecasts: ForecastLoop | None,
    supervisor: Supervisor,
    symbols: Sequence[str],
) -> AsyncIterator[None]:
    """Share the leader's forecasts meanwhile; `forecasts` is None on a server without any of its own."""
    if forecasts is None:
        yield
        return
    redis = connect_redis(settings)
    shared = SharedForecasts(
        redis,
        RedisNames(settings.redis_channel_prefix),
        symbols,
        forecasts,
        leads=lambda: issues_forecasts(settings, coordinator),
    )
    async with supervisor.background("shared-forecasts", shared.run):
        yield
    await redis.aclose()


@asynccontextmanager
async def shared_prices(
    settings: Settings,
    coordinator: Coordinator,
    maps: LiveMaps | None,
    ticks: Ticks,
    supervisor: Supervisor,
) -> AsyncIterator[None]:
    """Make ticks of what the fleet's leader publishes meanwhile, and publish while this server leads.

    A snapshot of this server's own maps is looked up there. `maps` is None on a server without any.
    """
    redis = connect_redis(settings)
    shared = SharedPrices(
        redis,
        RedisNames(settings.redis_channel_prefix),
        leads=lambda: coordinator.role == NodeRole.LEADER,
        demanded=coordinator.fleet_demand.active_symbols,
        wanted=ticks.wanted,
        per_s=settings.ticks_per_s,
    )

    def price_since(symbol: str, position: StreamPosition) -> PriceSince | None:
        own = None if maps is None else maps.price_since(symbol, position)
        return own or shared.price_since(symbol, position)

    ticks.price_since, ticks.on_own_price, shared.on_price = price_since, shared.note, ticks.note
    if maps is not None:
        shared.track_of = maps.price_track
    async with (
        supervisor.background("shared-prices", shared.receive),
        supervisor.background("publish-prices", shared.publish),
    ):
        yield
    await redis.aclose()


def connect_redis(settings: Settings) -> aioredis.Redis:
    """A client of the fleet's Redis, not connected yet; BadSettingError for an address that is none."""
    try:
        return connect(settings.redis_url)
    except RedisUrlError as error:
        file = settings.redis_url_file
        raise BadSettingError(f"REDIS_URL_FILE={file}: {error}" if file else str(error)) from None


def _server_name() -> str:
    """Unique per process, and readable in `redis-cli GET heatmap:lease`."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
