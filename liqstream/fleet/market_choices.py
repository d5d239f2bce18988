"""Which choice of markets (`top:50`, `all`) each server of a fleet was given: the leader's alone counts.

A hash by server holds when a server's statement ends, in seconds of Redis' own clock, and its choice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import structlog
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames
from liqstream.fleet.scripts import closed_is_broken

log = structlog.get_logger(__name__)

STATE_EVERY_S = 5.0
LIVES_S = 20
"""A server that has not stated its choice for so long is gone."""
_STATEMENT = re.compile(r"([0-9]{1,12}) (top:[0-9]{1,5}|all)", re.ASCII)
_MOST_SHOWN = 32


class MarketChoices:
    """States one server's choice and reads the others'; `run` is a task of its own."""

    def __init__(self, redis: aioredis.Redis, names: RedisNames, *, server: str, choice: str) -> None:
        self._redis = redis  # closed by who made it
        self._names = names  # the fleet's keys
        self._server = server  # this one's name in the fleet
        self._choice = choice  # of this server's settings
        self._others: dict[str, str] = {}  # choice by server, as of the last statement

    @property
    def differing(self) -> Mapping[str, str]:
        """The choices of other servers that have another one, by server."""
        return {server: each for server, each in self._others.items() if each != self._choice}

    async def run(self) -> None:
        """State and read again and again, until cancelled; while Redis is away nothing is known of others."""
        while True:
            try:
                await self.exchange()
            except REDIS_ERRORS as error:
                self._others = {}
                log.debug("market_choices_not_shared", reason=str(error))
            await asyncio.sleep(STATE_EVERY_S)

    async def exchange(self) -> None:
        """State this server's choice once, and read the others'. Raises what redis-py raises."""
        key = self._names.market_choices
        with closed_is_broken():
            now_s, _ = await self._redis.time()
            await self._redis.hset(key, self._server, f"{now_s + LIVES_S} {self._choice}")
            await self._redis.expire(key, 3 * LIVES_S)
            stated: dict[Any, Any] = await self._redis.hgetall(key)
            read = {
                name.decode("utf-8", "replace"): _STATEMENT.fullmatch(text.decode("ascii", "replace"))
                for name, text in stated.items()
            }
            ended = [name for name, found in read.items() if found is None or int(found[1]) < now_s]
            if ended:
                await self._redis.hdel(key, *ended)
        before = self.differing
        current = {name: found[2] for name, found in read.items() if found and name not in ended}
        self._others = {name: current[name] for name in sorted(current)[:_MOST_SHOWN] if name != self._server}
        if self.differing and self.differing != before:
            log.warning("market_choices_differ", own=self._choice, others=dict(self.differing))
