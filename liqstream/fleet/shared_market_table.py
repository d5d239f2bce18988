"""The table of markets in a fleet: the leader publishes it under its lease, every other server passes it on.

It lies in a hash like a snapshot (epoch, seq, payload), written by the same script, which checks the fencing
token first. Servers that do not lead read it twice a second, and get the payload only where it is new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames
from liqstream.fleet.scripts import run_script
from liqstream.heatmap.market_table import MarketTable
from liqstream.heatmap.snapshot import NO_POSITION
from liqstream.wire.market_table_message import MAX_TABLE_BYTES, BadTableError, decode_table, encode_table

log = structlog.get_logger(__name__)

READ_EVERY_S = 0.5
LIVES_MS = 600_000
"""A table of a fleet without a leader is of no use for longer."""


class SharedMarketTable:
    """Joins one server's table to the fleet's; `run` is a task of its own.

    `token` is that of this server's term as leader, "" while it is none; `take` gets what is to be shown to
    this server's clients. Where no table comes for `stale_after_s`, the last is shown as stale.
    """

    def __init__(
        self,
        redis: aioredis.Redis,
        names: RedisNames,
        *,
        token: Callable[[], str],
        makes_its_own: Callable[[], bool],
        take: Callable[[MarketTable], None],
        stale_after_s: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis  # closed by who made it
        self._names = names  # the fleet's keys
        self._token = token  # of the term as leader
        self._makes_its_own = makes_its_own  # whether the table is this server's own just now
        self._take = take  # of this server's stream
        self._stale_after_s = stale_after_s  # without a table for so long, what is shown is stale
        self._clock_s = clock_s  # monotonic seconds
        self._position = NO_POSITION  # of what was read last
        self._read: MarketTable | None = None  # last, and not marked stale since
        self._read_s = 0.0  # when that was

    async def publish(self, table: MarketTable) -> None:
        """Show a table to this server's clients, published first where it leads; not one that is refused."""
        token = self._token()
        if token and not await self._publish(token, table):
            return
        self._take(table)

    async def _publish(self, token: str, table: MarketTable) -> bool:
        keys = [self._names.lease, self._names.markets]
        place = (self._names.markets_channel, *table.position, encode_table(table))
        try:
            return int(await run_script(self._redis, "publish", keys, [token, LIVES_MS, *place])) >= 0
        except REDIS_ERRORS as error:
            log.info("markets_not_published", reason=str(error))
            return False

    async def run(self) -> None:
        """Take in what the leader published, until cancelled."""
        while True:
            if not self._makes_its_own():
                try:
                    await self.read()
                except REDIS_ERRORS as error:
                    log.debug("markets_not_read", reason=str(error))
                self.mark_stale()
            await asyncio.sleep(READ_EVERY_S)

    async def read(self) -> None:
        """Take in the published table if it is new. Raises what redis-py raises."""
        known = [*self._position, MAX_TABLE_BYTES]
        (payload,) = await run_script(self._redis, "newer", [self._names.markets], known)
        if not payload:
            return
        try:
            table = decode_table(payload)
        except BadTableError as error:
            log.warning("published_table_refused", reason=str(error)[:200])
            return
        self._position, self._read, self._read_s = table.position, table, self._clock_s()
        self._take(table)

    def mark_stale(self) -> None:
        """Show the last table as stale once none has come for too long: nobody makes it any more."""
        if self._read is not None and self._clock_s() - self._read_s > self._stale_after_s:
            self._take(self._read.marked_stale())
            self._read = None
