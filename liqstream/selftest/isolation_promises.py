"""Promises about what other clients can do to one: nothing."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack

import aiohttp

from liqstream.client.env_proxy import env_proxy
from liqstream.selftest.promise import Finding, Promise
from liqstream.selftest.recording import subscribe
from liqstream.selftest.stalled_client import stalled_client
from liqstream.selftest.target import Target

STALLED = 5
PINGS = 15
PING_EVERY_S = 0.1
"""A few more, or much faster, and they would meet the server's rate limit."""
WORST_PING_S = 0.25
CLIENTS = 100
MEMORY_PER_CLIENT_BYTES = 600_000
_SETTLE_S = 2.0
"""For sockets to fill, and buffers to be let go of, before the first look."""
_DEADLINE_S = 12.0
"""A slow moment of the machine is no broken promise: it is looked again until it holds or this has passed."""


async def stalled_delays_nobody(target: Target) -> Finding:
    """Round trips of pings, alone and beside clients that subscribed and never read."""
    if env_proxy(target.addresses.stream):
        return Finding("only tried without a proxy in between", None)
    alone_s = await _slowest_ping_s(target)
    async with AsyncExitStack() as stack:
        for _ in range(STALLED):
            await stack.enter_async_context(
                stalled_client(target.addresses, target.symbols, headers=target.headers)
            )
        await asyncio.sleep(_SETTLE_S)
        deadline_s = time.monotonic() + _DEADLINE_S
        beside_s = await _slowest_ping_s(target)
        while beside_s > max(WORST_PING_S, 2 * alone_s) and time.monotonic() < deadline_s:
            beside_s = min(beside_s, await _slowest_ping_s(target))
    return Finding(
        f"slowest of {PINGS} pings {alone_s * 1000:.1f} ms alone, "
        f"{beside_s * 1000:.1f} ms beside {STALLED} stalled clients",
        beside_s <= max(WORST_PING_S, 2 * alone_s),
    )


async def _slowest_ping_s(target: Target) -> float:
    slowest_s = 0.0
    async with target.session.ws_connect(target.addresses.stream) as ws:
        for _ in range(PINGS):
            began_s = time.monotonic()
            await ws.send_json({"action": "ping"})
            while json.loads((await ws.receive(timeout=10)).data)["type"] != "pong":
                pass
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            await asyncio.sleep(PING_EVERY_S)
    return slowest_s


async def memory_bounded(target: Target) -> Finding:
    """What a hundred more clients cost the server's process."""
    before = await _memory_bytes(target)
    if before is None:
        return Finding("/metrics does not have the server's memory", None)
    clients = 0
    async with AsyncExitStack() as stack:
        while clients < CLIENTS and await _joins(target, stack):
            clients += 1
        if not clients:
            return Finding("the server takes no more clients from this address", None)
        await asyncio.sleep(_SETTLE_S)
        deadline_s = time.monotonic() + _DEADLINE_S
        each = await _bytes_each(target, before, clients)
        while each > MEMORY_PER_CLIENT_BYTES and time.monotonic() < deadline_s:
            await asyncio.sleep(PING_EVERY_S)
            each = await _bytes_each(target, before, clients)
    return Finding(f"{each / 1000:.0f} kB each for {clients} clients", each <= MEMORY_PER_CLIENT_BYTES)


async def _bytes_each(target: Target, before: float, clients: int) -> float:
    after = await _memory_bytes(target) or before
    return max(0.0, after - before) / clients


async def _joins(target: Target, stack: AsyncExitStack) -> bool:
    """One more subscribed client, unless the server's caps forbid it."""
    try:
        ws = await stack.enter_async_context(target.session.ws_connect(target.addresses.stream))
    except aiohttp.WSServerHandshakeError:
        return False
    await ws.send_json(subscribe(target.symbols))
    return True


async def _memory_bytes(target: Target) -> float | None:
    if target.own is not None:
        return await asyncio.to_thread(target.own.memory_bytes)
    try:
        async with target.session.get(target.addresses.resource("/metrics")) as answer:
            text = await answer.text()
    except aiohttp.ClientError:
        return None
    lines = (line.split() for line in text.splitlines())
    return next((float(line[1]) for line in lines if line[:1] == ["process_resident_memory_bytes"]), None)


NEIGHBOUR = Promise(
    "a stalled neighbour delays nobody",
    "no ping slower than 250 ms or twice the slowest alone",
    stalled_delays_nobody,
)
MEMORY = Promise(
    "memory per client is bounded", f"at most 600 kB for each of {CLIENTS} clients", memory_bounded
)
