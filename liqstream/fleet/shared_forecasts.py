"""Forecasts in a fleet: the leader issues and publishes them, every server keeps and serves the same.

One key per symbol holds the newest ones, as JSON, and lives for a day. Servers that do not lead read the keys
every few seconds and store what is new as the leader issued it, so that whoever leads next has the same past.
While Redis is away, each server issues its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames
from liqstream.fleet.scripts import closed_is_broken
from liqstream.ingest.forecast_loop import ForecastLoop
from liqstream.store import StoreError
from liqstream.store.forecasts import StoredForecast
from liqstream.supervision.supervise import raise_swallowed_cancellation

log = structlog.get_logger(__name__)

READ_EVERY_S = 2.0
LIVES_MS = 86_400_000
MAX_BYTES = 1_000_000
"""More is no forecast of ours."""


class SharedForecasts:
    """Joins one server's forecasts to the fleet's; `run` is a task of its own."""

    def __init__(
        self,
        redis: aioredis.Redis,
        names: RedisNames,
        symbols: Sequence[str],
        loop: ForecastLoop,
        *,
        leads: Callable[[], bool],
    ) -> None:
        self._redis = redis
        self._names = names  # the fleet's keys
        self._symbols = symbols  # whose forecasts are read; the list may change
        self._loop = loop  # this server's own forecasts
        self._leads = leads  # whether this server issues for the fleet now
        loop.on_issued = self.publish

    async def publish(self, newest: dict[str, Any], records: Sequence[StoredForecast]) -> None:
        """Give the fleet what was issued last for a symbol; nothing while another leads or Redis is away."""
        if not self._leads():
            return
        content = {"newest": newest, "records": [_fields(record) for record in records]}
        try:
            with closed_is_broken():
                await self._redis.set(
                    self._names.forecast(newest["symbol"]), json.dumps(content), px=LIVES_MS
                )
        except REDIS_ERRORS as error:
            log.info("forecast_not_published", symbol=newest["symbol"], reason=str(error))

    async def run(self) -> None:
        """Take in what the leader published, until cancelled."""
        while True:
            if not self._leads():
                try:
                    await self.read()
                except REDIS_ERRORS as error:
                    log.debug("forecasts_not_read", reason=str(error))
                except StoreError as error:
                    log.warning("forecast_not_kept", reason=str(error))
            raise_swallowed_cancellation()
            await asyncio.sleep(READ_EVERY_S)

    async def read(self) -> None:
        """Take in what is new in the keys. Raises what redis-py raises, and StoreError."""
        symbols = tuple(self._symbols)
        with closed_is_broken():
            found = await self._redis.mget([self._names.forecast(symbol) for symbol in symbols])
        for symbol, payload in zip(symbols, found, strict=True):
            content = _decoded(symbol, payload)
            if content is not None:
                await self._loop.adopt(*content)


def _fields(record: StoredForecast) -> list[str | int]:
    return [
        record.symbol,
        record.horizon,
        record.time_ms,
        record.exchanges,
        record.method,
        record.content,
    ]


def _decoded(symbol: str, payload: bytes | str | None) -> tuple[dict[str, Any], list[StoredForecast]] | None:
    """What a key holds; None for nothing, and for what no server of ours wrote."""
    if payload is None or len(payload) > MAX_BYTES:
        return None
    try:
        content = json.loads(payload)
        newest, records = content["newest"], [StoredForecast(*fields) for fields in content["records"]]
        right = (
            newest["symbol"] == symbol
            and isinstance(newest["time_ms"], int)
            and all(isinstance(horizon["until_ms"], int) for horizon in newest["horizons"].values())
            and all(record.symbol == symbol and isinstance(record.time_ms, int) for record in records)
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("published_forecast_refused", symbol=symbol, reason=str(error))
        return None
    return (newest, records) if right else None
