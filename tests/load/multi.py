"""`make load-test-multi`: a crowd of clients over two servers behind nginx, with Redis.

LOAD_CLIENTS (2000) come within LOAD_RAMP_S (20) seconds, stay for LOAD_HOLD_S (30) and ping once in a while.
Exit code 0 if fewer than 1 % failed, the 95th percentiles from subscribe to first snapshot and from ping to
pong are under 500 ms, and nobody saw anything twice, backwards or unaccounted for. LOAD_SERVERS=1 takes one
server, without nginx, to compare.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.processes import Nginx, Node
from tests.load.raw_client import Crowd, RawClient
from tests.support.redis_server import RedisServer

CLIENTS = int(os.environ.get("LOAD_CLIENTS", "2000"))
SERVERS = int(os.environ.get("LOAD_SERVERS", "2"))
RAMP_S = float(os.environ.get("LOAD_RAMP_S", "20"))
HOLD_S = float(os.environ.get("LOAD_HOLD_S", "30"))
INTERVAL_S = int(os.environ.get("LOAD_INTERVAL_S", "5"))
PROTO = int(os.environ.get("LOAD_PROTO", "1"))
MAX_FAILURES = 0.01
MAX_P95_S = 0.5
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@dataclass
class Fleet:
    """What the crowd comes to."""

    redis: RedisServer
    nodes: list[Node]
    nginx: Nginx | None
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return self.nginx.port if self.nginx else self.nodes[0].port

    def processes(self) -> dict[str, list[int]]:
        """Process ids by what they are."""
        assert self.redis.process is not None
        found = {"redis": [self.redis.process.pid]}
        for node in self.nodes:
            assert node.process is not None
            found[f"server {node.name}"] = [node.process.pid]
        if self.nginx and self.nginx.process:
            found["nginx"] = _children(self.nginx.process.pid)
        return found


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, text.split())]


def _cpu_s(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    """Redis, servers and nginx, all stopped at the end."""
    redis = RedisServer(folder)
    await asyncio.to_thread(redis.start)
    nodes = [_node(f"{number}", folder, redis) for number in range(1, SERVERS + 1)]
    nginx = Nginx(folder, [node.port for node in nodes]) if SERVERS == 2 else None
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        if nginx:
            await nginx.start()
        yield Fleet(redis, nodes, nginx)
    finally:
        if nginx:
            await nginx.kill()
        for node in nodes:
            await node.stop()
        redis.kill()


def _node(name: str, folder: Path, redis: RedisServer) -> Node:
    (folder / name).mkdir()
    return Node(
        name,
        folder / name,
        {
            "LIQSTREAM_SYMBOLS": ",".join(SYMBOLS),
            "LIQSTREAM_LOG_LEVEL": "warning",
            "LIQSTREAM_TRUSTED_PROXIES": "127.0.0.1",
            "WS_MAX_CONNECTIONS": str(CLIENTS + 100),
            "REDIS_ENABLED": "true",
            "REDIS_URL": redis.url,
        },
    )


@dataclass
class Hold:
    """What it took while everybody was there."""

    took_s: float
    frames: int
    cpu_s: dict[str, float]


async def _load(servers: Fleet, crowd: Crowd) -> Hold:
    chance, loop = random.Random(CLIENTS), asyncio.get_running_loop()
    began_s = loop.time()
    for number in range(CLIENTS):
        await asyncio.sleep(max(0.0, began_s + RAMP_S * number / CLIENTS - loop.time()))
        symbol = SYMBOLS[0] if chance.random() < 0.7 else SYMBOLS[1]
        crowd.add(RawClient(crowd, symbol, interval_s=INTERVAL_S, proto=PROTO), servers.port)
    processes, frames, held_s = servers.processes(), crowd.frames, loop.time()
    before = {name: _cpu_s(pids) for name, pids in processes.items()}
    ends_s = held_s + HOLD_S
    while loop.time() < ends_s:
        await asyncio.sleep(1)
        for client in chance.sample(crowd.clients, max(1, CLIENTS // 20)):
            client.ping()
    cpu_s = {name: _cpu_s(pids) - before[name] for name, pids in processes.items()}
    hold = Hold(loop.time() - held_s, crowd.frames - frames, cpu_s)
    await asyncio.sleep(1)
    return hold


async def main() -> int:
    """Run it and print what came of it."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory(prefix="liqstream-load-") as folder:
        async with fleet(Path(folder)) as servers:
            crowd = Crowd()
            hold = await _load(servers, crowd)
            stats = [await node.ask("/ws/stats") for node in servers.nodes]
            crowd.close()
    return _report(crowd, hold, [each["active_connections"] for each in stats])


def _report(crowd: Crowd, hold: Hold, connections: list[int]) -> int:
    failures = crowd.failed() / CLIENTS
    first, pong = crowd.percentile(crowd.first_s, 95), crowd.percentile(crowd.pong_s, 95)
    lines = [
        f"{CLIENTS} clients, {SERVERS} server(s), {len(crowd.first_s)} subscribed, spread {connections}",
        f"failed                  {failures:8.2%}   (allowed {MAX_FAILURES:.0%})",
        (
            f"subscribe to snapshot   {crowd.percentile(crowd.first_s, 50) * 1000:8.1f} ms p50, "
            f"{first * 1000:.1f} ms p95 (allowed {MAX_P95_S * 1000:.0f})"
        ),
        (
            f"ping to pong            {crowd.percentile(crowd.pong_s, 50) * 1000:8.1f} ms p50, "
            f"{pong * 1000:.1f} ms p95 (allowed {MAX_P95_S * 1000:.0f})"
        ),
        (
            f"first to last client    {crowd.percentile(crowd.spreads_s(), 50) * 1000:8.1f} ms p50, "
            f"{crowd.percentile(crowd.spreads_s(), 95) * 1000:.1f} ms p95 per snapshot"
        ),
        (
            f"snapshots               {crowd.frames:8d}   {crowd.bytes / max(1, crowd.frames):.0f} bytes "
            f"each, {hold.frames / hold.took_s:.0f}/s while all were there"
        ),
        *(
            f"cpu {name:19} {spent / hold.took_s:8.1%}   "
            f"{spent / max(1, hold.frames) * 1e6:.1f} us per snapshot"
            for name, spent in hold.cpu_s.items()
        ),
        f"violations              {len(crowd.violations):8d}   {'; '.join(crowd.violations[:3])}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    passed = failures < MAX_FAILURES and max(first, pong) < MAX_P95_S and not crowd.violations
    sys.stdout.write("passed\n" if passed else "FAILED\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
