"""How scripts are run: to their end, over a connection that died in the pool, with their errors raised."""

from __future__ import annotations

import asyncio

import pytest
from redis import asyncio as aioredis
from redis.exceptions import ConnectionError as BrokenConnectionError

from liqstream.fleet.scripts import closed_is_broken, run_script, unbroken
from tests.support.redis_server import RedisServer

RELEASE_KEYS = ["lease", "demand"]


@pytest.mark.redis
async def test_a_script_runs_with_its_keys_and_arguments(redis: aioredis.Redis) -> None:
    """`release` deletes the lease of the server that is named."""
    await redis.set("lease", "one:7")
    await run_script(redis, "release", RELEASE_KEYS, ["one", "wake"])
    assert await redis.get("lease") is None


@pytest.mark.redis
async def test_a_connection_that_died_in_the_pool_is_replaced(redis: aioredis.Redis) -> None:
    """The server closed it while nobody used it: the script runs all the same."""
    await redis.set("lease", "one:7")
    await redis.client_kill_filter(_type="normal", skipme=False)
    await run_script(redis, "release", RELEASE_KEYS, ["one", "wake"])
    assert await redis.get("lease") is None


@pytest.mark.redis
async def test_a_redis_that_is_away_is_an_error(redis: aioredis.Redis, redis_server: RedisServer) -> None:
    """The one further attempt fails too, and whoever called decides what that means."""
    await redis.ping()
    redis_server.kill()
    with pytest.raises(BrokenConnectionError):
        await run_script(redis, "release", RELEASE_KEYS, ["one", "wake"])


async def test_a_cancelled_command_is_awaited_to_its_end() -> None:
    """The waiter learns of its cancellation only once the command is over."""
    started, release = asyncio.Event(), asyncio.Event()
    ended = []

    async def command() -> None:
        started.set()
        await release.wait()
        ended.append(True)

    waiter = asyncio.create_task(unbroken(command()))
    await started.wait()
    waiter.cancel()
    done, _ = await asyncio.wait([waiter], timeout=0)
    assert not done
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert ended == [True]


async def test_an_uncancelled_command_gives_its_result() -> None:
    """What it returns is returned, what it raises is raised."""

    async def fail() -> None:
        raise BrokenConnectionError("reset")

    assert await unbroken(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(BrokenConnectionError, match="reset"):
        await unbroken(fail())


def test_only_a_closed_transport_counts_as_broken() -> None:
    """uvloop's RuntimeError becomes a ConnectionError; any other RuntimeError is a defect and stays one."""
    with pytest.raises(BrokenConnectionError), closed_is_broken():
        raise RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")
    with pytest.raises(RuntimeError, match="another"), closed_is_broken():
        raise RuntimeError("another")
