"""A real Redis for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis import asyncio as aioredis

from liqstream.fleet.redis_url import connect
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[aioredis.Redis]:
    """A client of an empty Redis."""
    client = connect(redis_server.url)
    yield client
    await client.aclose()
