"""The store of this server: opened at the start, kept to its retention while it runs, closed at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import web

from liqstream.http.app_keys import STORE
from liqstream.server.app_keys import SETTINGS, SUPERVISOR
from liqstream.store.market_store import MarketStore

RETENTION_EVERY_S = 3600.0


async def store_ctx(app: web.Application) -> AsyncIterator[None]:
    """Open the store, and delete what is older than LIQSTREAM_RETENTION_DAYS while the server runs."""
    settings = app[SETTINGS]
    app[STORE] = await MarketStore.open(settings.db_path, retention_days=settings.retention_days)
    if settings.replay or (settings.demo_start and not settings.exchanges):
        # An old recording in the store, or a market of another time, is what is being played: the computer's
        # clock does not say how old it is.
        yield
    else:
        async with app[SUPERVISOR].background("retention", lambda: _expire(app[STORE])):
            yield
    await app[STORE].close()


async def _expire(store: MarketStore) -> None:
    while True:
        await store.expire(time.time_ns() // 1_000_000)
        await asyncio.sleep(RETENTION_EVERY_S)
