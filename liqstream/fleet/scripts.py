"""Runs the Lua scripts that lie beside this file: each is one atomic step in Redis.

`sync` and `release` are the leader lease's, `publish` and `newer` the shared stream's, `put_record` and
`drop_record` keep what owners have. What a script takes and returns stands at its head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Literal, TypeVar

from redis import asyncio as aioredis
from redis.exceptions import ConnectionError as BrokenConnectionError

T = TypeVar("T")

ScriptName = Literal["sync", "release", "publish", "newer", "put_record", "drop_record"]

# Read once, at import: a publication must not wait for the disk.
_SOURCES: dict[ScriptName, str] = {
    name: files("liqstream.fleet").joinpath(f"{name}.lua").read_text()
    for name in ("sync", "release", "publish", "newer", "put_record", "drop_record")
}


async def run_script(
    redis: aioredis.Redis, name: ScriptName, keys: Sequence[str], args: Sequence[str | bytes | int]
) -> Any:
    """Run a script, to its end even if the caller is cancelled, and return its result.

    A connection that died while it lay in the pool is no outage: the script is sent once more on a fresh one,
    so each script must do no harm when it runs twice. Raises what redis-py raises.
    """
    return await unbroken(_run(redis, _SOURCES[name], keys, args))


async def _run(
    redis: aioredis.Redis, source: str, keys: Sequence[str], args: Sequence[str | bytes | int]
) -> Any:
    # EVAL, not EVALSHA: a flushed script cache must not cost another round trip.
    try:
        with closed_is_broken():
            return await redis.eval(source, len(keys), *keys, *args)
    except BrokenConnectionError:
        with closed_is_broken():
            await redis.connection_pool.disconnect(inuse_connections=False)
            return await redis.eval(source, len(keys), *keys, *args)


async def unbroken(command: Awaitable[T]) -> T:
    """Await a command to its end even when the waiter is cancelled; the cancellation is raised afterwards.

    A command cancelled in flight leaves its response in the connection for the next one to take as its own
    (CVE-2023-28858). The socket timeout bounds the wait.
    """
    task = asyncio.ensure_future(command)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


@contextmanager
def closed_is_broken() -> Iterator[None]:
    """Raise ConnectionError of redis-py where uvloop raises RuntimeError: on a transport that was reset."""
    try:
        yield
    except RuntimeError as error:
        if "the handler is closed" not in str(error):
            raise
        raise BrokenConnectionError(str(error)) from error
