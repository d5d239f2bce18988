"""Who of a fleet does a thing that only one should do: whoever claims it first, for a while."""

from __future__ import annotations

from hashlib import sha256

import structlog
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames
from liqstream.fleet.scripts import closed_is_broken
from liqstream.supervision.supervise import raise_if_cancelled

_log = structlog.get_logger(__name__)


class SharedClaims:
    """Claims of one kind in Redis; they end by themselves."""

    def __init__(self, redis: aioredis.Redis, names: RedisNames, kind: str) -> None:
        self._redis = redis  # the caller closes it
        self._base = names.claims(kind)

    async def take(self, what: tuple[str, ...], for_ms: int) -> bool:
        """Claim `what` for so long; False if another server, or this one before, has it.

        While Redis is away everybody has it: done twice is better than not at all. It raises nothing of
        Redis'.
        """
        digest = sha256("\0".join(what).encode()).hexdigest()[:32]
        try:
            with closed_is_broken():
                return bool(await self._redis.set(f"{self._base}:{digest}", b"1", nx=True, px=for_ms))
        except REDIS_ERRORS as error:
            raise_if_cancelled(error)
            _log.debug("not_claimed", reason=str(error))
            return True
