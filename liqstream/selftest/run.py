"""Puts the promises to the test, one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from liqstream.client import ClientError
from liqstream.selftest.isolation_promises import MEMORY, NEIGHBOUR
from liqstream.selftest.lifecycle_promises import KILL, SHUTDOWN, STALE
from liqstream.selftest.promise import Finding, Promise, Result, Verdict
from liqstream.selftest.server_process import own_server
from liqstream.selftest.stream_promises import BAD, DELTAS, FIRST, FORWARD, SKIPS
from liqstream.selftest.target import Target, reached

PROMISES: tuple[Promise, ...] = (
    FIRST,
    FORWARD,
    SKIPS,
    NEIGHBOUR,
    MEMORY,
    DELTAS,
    STALE,
    BAD,
    # Last: it ends the server under test.
    KILL,
    SHUTDOWN,
)
PROMISE_TIMEOUT_S = 60.0


@asynccontextmanager
async def target_of(url: str | None, token: str | None) -> AsyncIterator[Target]:
    """The server at `url`, or one of our own with a simulated market. Raises ClientError."""
    if url is not None:
        async with reached(url, token=token) as target:
            yield target
        return
    with TemporaryDirectory(prefix="liqstream-selftest-") as name:
        async with (
            own_server(Path(name), "--demo", "--symbol", "BTCUSDT,ETHUSDT") as server,
            reached(server.url, token=None, own=server) as target,
        ):
            yield target


async def put_to_the_test(target: Target, promises: Sequence[Promise] = PROMISES) -> AsyncIterator[Result]:
    """The result of each promise in order, as soon as it is known."""
    apart = {promise: asyncio.create_task(_result(promise, target)) for promise in promises if promise.apart}
    for promise in promises:
        yield await (apart.get(promise) or _result(promise, target))


async def _result(promise: Promise, target: Target) -> Result:
    began_s = time.monotonic()
    finding = await _finding(promise, target)
    seconds = round(time.monotonic() - began_s, 2)
    return Result(promise.name, promise.expectation, finding.observation, _verdict(finding), seconds)


async def _finding(promise: Promise, target: Target) -> Finding:
    if promise.own_server_only and target.own is None:
        return Finding("only tried on a server of one's own (run without URL)", None)
    try:
        async with asyncio.timeout(PROMISE_TIMEOUT_S):
            return await promise.check(target)
    except TimeoutError:
        return Finding(f"no result within {PROMISE_TIMEOUT_S:.0f} s", kept=False)
    except (ClientError, aiohttp.ClientError, OSError) as error:
        return Finding(f"the check failed: {str(error) or type(error).__name__}", kept=False)


def _verdict(finding: Finding) -> Verdict:
    if finding.kept is None:
        return "not applicable"
    return "kept" if finding.kept else "broken"
