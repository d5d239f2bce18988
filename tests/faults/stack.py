"""The fleet under test: Redis, two collecting servers and a fan-out one, each on a road of its own to Redis,
nginx in front of the two, and clients everywhere.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from redis import asyncio as aioredis

from liqstream.fleet.redis_url import connect
from tests.faults.checking_client import Kind, Watcher
from tests.faults.movers import Movers
from tests.faults.oracle import Oracle
from tests.faults.processes import Nginx, Node
from tests.faults.tcp_proxy import TcpProxy
from tests.support.redis_server import RedisServer

SYMBOLS = ("BTCUSDT", "ETHUSDT")
LEASE_S = 2.0
STALE_AFTER_S = 2.0
LAG_EVERY_S = 0.02
MAX_LAGS = 10_000
COLLECTING = ("one", "two")
FAN = "fan"
FRONT = "front"
MIN_EPOCH, MAX_EPOCH = 10**12, 2**43
"""Epochs are milliseconds; what is outside of this was forged by a fault."""
KINDS: tuple[Kind, ...] = ("delta", "columns", "v1")


@dataclass
class Stack:
    """Everything of one run."""

    folder: Path
    random: random.Random
    short: bool
    redis: RedisServer
    proxies: dict[str, TcpProxy]
    nodes: dict[str, Node]
    nginx: Nginx
    oracle: Oracle
    movers: Movers
    watchers: list[Watcher] = field(default_factory=list)
    spied: list[str] = field(default_factory=list)
    lags: list[tuple[float, float]] = field(default_factory=list)
    """(wall time, how late this process's own timer was), in s: what the machine itself delays."""

    @property
    def client(self) -> aioredis.Redis:
        """A Redis client past the proxies."""
        return connect(self.redis.url)

    async def leader(self) -> str:
        """Who leads by its own word, "" if nobody does."""
        for name in COLLECTING:
            node = self.nodes[name]
            if node.process is None or node.process.returncode is not None or node.frozen:
                continue
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                if (await node.ask("/ready"))["role"] == "leader":
                    return name
        return ""

    async def leader_and_follower(self) -> tuple[Node, Node]:
        """The two collecting servers, the leader first; waits until there is one."""
        await self.until_async(self.leader, "a leader", 10)
        name = await self.leader()
        other = COLLECTING[1 - COLLECTING.index(name)]
        return self.nodes[name], self.nodes[other]

    async def until_async(self, condition: Callable[[], object], what: str, within_s: float) -> float:
        """Wait for a condition (a coroutine function may be one); returns how long it took, in s."""
        began_s = time.monotonic()
        while True:
            met = condition()
            if asyncio.iscoroutine(met):
                met = await met
            if met:
                return time.monotonic() - began_s
            if time.monotonic() - began_s > within_s:
                raise TimeoutError(f"no {what} within {within_s:.1f} s")
            await asyncio.sleep(0.02)

    def live(self, nodes: Iterable[str] = (*COLLECTING, FAN, FRONT)) -> list[Watcher]:
        """The clients of these addresses."""
        return [watcher for watcher in self.watchers if watcher.node in nodes]


@asynccontextmanager
async def stack_of(folder: Path, seed: int, *, short: bool) -> AsyncIterator[Stack]:
    """Start everything; stop and kill everything."""
    chance = random.Random(seed)
    redis = RedisServer(folder)
    await asyncio.to_thread(redis.start)
    proxies = {name: TcpProxy(redis.port, random.Random(seed)) for name in (*COLLECTING, FAN)}
    for proxy in proxies.values():
        await proxy.start()
    nodes = {name: _node(name, folder, proxies[name].port) for name in (*COLLECTING, FAN)}
    nginx = Nginx(folder, [nodes[name].port for name in COLLECTING])
    oracle = Oracle({name: node.log_path for name, node in nodes.items()})
    movers = Movers(TcpProxy(nodes["one"].port))
    stack = Stack(folder, chance, short, redis, proxies, nodes, nginx, oracle, movers)
    nodes[FAN].env |= {"LIQSTREAM_ROLE": "fanout", "LIQSTREAM_HISTORY_URL": nodes["one"].url}
    try:
        await asyncio.gather(*(node.start() for node in nodes.values()), nginx.start())
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            asides = [asyncio.create_task(_spy(stack)), asyncio.create_task(_measure_lag(stack))]
            try:
                await _watch(stack, session)
                await movers.start()
                yield stack
            finally:
                for aside in asides:
                    aside.cancel()
                await movers.stop()
                await asyncio.gather(*(watcher.stop() for watcher in stack.watchers))
    finally:
        await nginx.kill()
        for node in nodes.values():
            if node.process is not None and node.process.returncode is None:
                node.process.kill()
                await node.process.wait()
        for proxy in proxies.values():
            await proxy.stop()
        redis.kill()


def _node(name: str, folder: Path, redis_port: int) -> Node:
    (folder / name).mkdir()
    return Node(
        name,
        folder / name,
        {
            "LIQSTREAM_SYMBOLS": ",".join(SYMBOLS),
            "LIQSTREAM_STALE_AFTER": str(STALE_AFTER_S),
            "LIQSTREAM_LEASE": str(LEASE_S),
            "LIQSTREAM_REST_RATE": "1000",
            "LIQSTREAM_TRUSTED_PROXIES": "127.0.0.1",
            "REDIS_ENABLED": "true",
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
        },
    )


async def _watch(stack: Stack, session: aiohttp.ClientSession) -> None:
    addresses = {name: node.url for name, node in stack.nodes.items()} | {FRONT: stack.nginx.url}
    for number, (name, url) in enumerate(addresses.items()):
        for kind in KINDS:
            symbol = SYMBOLS[number % 2] if kind == "v1" else SYMBOLS[0]
            stack.watchers.append(Watcher(name, url, symbol, kind, stack.random))
    stack.watchers.append(Watcher(FRONT, stack.nginx.url, SYMBOLS[1], "delta", stack.random))
    for watcher in stack.watchers:
        watcher.start(session)
    await stack.until_async(lambda: all(w.held > (0, 0) for w in stack.watchers), "snapshot everywhere", 20)


async def _measure_lag(stack: Stack) -> None:
    while True:
        due_s = time.monotonic() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        stack.lags.append((time.time(), max(0.0, time.monotonic() - due_s)))
        del stack.lags[:-MAX_LAGS]


async def _spy(stack: Stack) -> None:
    """Whatever is published must come in order, whoever publishes it: a zombie gets nothing through."""
    newest: dict[bytes, tuple[int, int]] = {}
    while True:
        client = connect(stack.redis.url)
        pubsub = client.pubsub()
        with suppress(aioredis.RedisError, OSError):
            await pubsub.subscribe(*(f"heatmap:{symbol}" for symbol in SYMBOLS))
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                if message is None or not message["data"].startswith(b'{"v":1,"symbol"'):
                    continue
                _note_published(stack, newest, message["channel"], message["data"])
        with suppress(aioredis.RedisError, OSError):
            await pubsub.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()
        await asyncio.sleep(0.1)


def _note_published(
    stack: Stack, newest: dict[bytes, tuple[int, int]], channel: bytes, payload: bytes
) -> None:
    said = {
        key: int(payload.partition(b'"%b":' % key.encode())[2].partition(b",")[0]) for key in ("epoch", "seq")
    }
    new, had = (said["epoch"], said["seq"]), newest.get(channel, (0, 0))
    if not MIN_EPOCH < new[0] < MAX_EPOCH:
        return
    if new < had:
        stack.spied.append(f"{channel.decode()}: {new} was published after {had}")
    newest[channel] = max(new, had)
