"""The list of markets in a fleet: the leader chooses and publishes it, every other server follows it.

It lies in a hash like a snapshot (epoch, seq, payload), written by the same script, which checks the fencing
token first. While Redis is away every server goes by the list it had last.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import structlog
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames
from liqstream.fleet.scripts import run_script
from liqstream.heatmap.followed_list import FollowedList, read_followed_list
from liqstream.heatmap.snapshot import NO_POSITION, StreamPosition

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
PUBLISH_EVERY_S = 60.0
"""A list that does not change is published so often, so that Redis has it while there is a leader."""
LIVES_MS = 600_000
MAX_BYTES = 1_000_000
"""A longer one is no list of ours; one of 600 markets at eight exchanges has 0.1 MB."""


class SharedMarketList:
    """Joins one server's list to the fleet's; `run` is a task of its own.

    `token` is that of this server's term as leader, "" while it is none; `newest` is this server's list, and
    `adopt` is awaited with the leader's.
    """

    def __init__(
        self,
        redis: aioredis.Redis,
        names: RedisNames,
        *,
        token: Callable[[], str],
        newest: Callable[[], FollowedList],
        adopt: Callable[[FollowedList], Awaitable[None]],
        clock_s: Callable[[], float],
    ) -> None:
        self._redis = redis  # closed by who made it
        self._names = names  # the fleet's keys
        self._token = token  # see the class
        self._newest = newest  # see the class
        self._adopt = adopt  # see the class
        self._clock_s = clock_s  # monotonic seconds
        self._published: FollowedList | None = None  # last, under `_published_by`
        self._published_by = ""  # the token of that
        self._published_s = 0.0  # when that was
        self._position = NO_POSITION  # of what was published or read last

    async def run(self) -> None:
        """Publish while this server leads, else follow who does, until cancelled."""
        while True:
            try:
                if token := self._token():
                    await self.publish(token)
                else:
                    await self.read()
            except REDIS_ERRORS as error:
                log.debug("market_list_not_shared", reason=str(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def publish(self, token: str) -> None:
        """Publish this server's list, if it or the term is new or it is time. Raises what redis-py raises."""
        newest, now_s = self._newest(), self._clock_s()
        is_known = newest is self._published and token == self._published_by
        # Before a first choice there is none to give.
        if not newest.ranked_ms or (is_known and now_s - self._published_s < PUBLISH_EVERY_S):
            return
        epoch = int(token.rpartition(":")[2])
        seq = self._position.seq + 1 if self._position.epoch == epoch else 1
        payload = json.dumps(newest.document()).encode()
        keys = [self._names.lease, self._names.market_list]
        place = (self._names.market_list_channel, epoch, seq, payload)
        if int(await run_script(self._redis, "publish", keys, [token, LIVES_MS, *place])) >= 0:
            self._published, self._published_by, self._published_s = newest, token, now_s
            self._position = StreamPosition(epoch, seq)

    async def read(self) -> None:
        """Follow the published list if it is new. Raises what redis-py raises."""
        known = [*self._position, MAX_BYTES]
        (payload,) = await run_script(self._redis, "newer", [self._names.market_list], known)
        if not payload:
            return
        at = await self._redis.hmget(self._names.market_list, "epoch", "seq")
        try:
            found = read_followed_list(json.loads(payload))
            position = StreamPosition(int(at[0] or ""), int(at[1] or ""))
        except (ValueError, TypeError, RecursionError) as error:
            log.warning("published_market_list_refused", reason=str(error)[:200])
            return
        await self._adopt(found)
        self._position = position
