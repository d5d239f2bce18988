"""This server's part in a fleet of servers, as the settings ask for it."""

from __future__ import annotations

import os
import secrets
import socket

import structlog
from redis import asyncio as aioredis

from liqstream.heatmap.latest import LiveMaps
from liqstream.metrics import Metrics
from liqstream.settings import BadSettingError, Settings
from liqstream.ws.connection_manager import ConnectionManager
from liqstream.ws.redis_address import RedisUrlError, connect, without_password
from liqstream.ws.redis_pubsub import RedisNames
from liqstream.ws.shared_updates import SharedUpdates

log = structlog.get_logger(__name__)


def make_shared_updates(
    settings: Settings, *, manager: ConnectionManager, maps: LiveMaps | None, metrics: Metrics
) -> SharedUpdates:
    """The stream shared through Redis; `maps` is None on a server that only fans out.

    Nothing is dialled yet.
    """
    log.info("fleet", redis=without_password(settings.redis_url), role=settings.role)
    return SharedUpdates(
        _connect(settings),
        names=RedisNames(settings.redis_channel_prefix),
        server=_server_name(),
        symbols=settings.symbols,
        maps=maps,
        active_symbols=manager.active_symbols,
        interval_s=lambda: manager.smallest_interval_s(settings.ws_update_interval_s),
        changed=manager.changed,
        lease_s=settings.lease_s,
        stale_after_s=settings.stale_after_s,
        metrics=metrics,
    )


def check_redis_url(settings: Settings) -> None:
    """Raise BadSettingError for a REDIS_URL that cannot be used, before anything else is started."""
    if settings.redis_enabled:
        _ = _connect(settings)


def _connect(settings: Settings) -> aioredis.Redis:
    try:
        return connect(settings.redis_url)
    except RedisUrlError as error:
        raise BadSettingError(str(error)) from None


def _server_name() -> str:
    """Unique per process, and telling in `redis-cli GET heatmap:lease`."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
