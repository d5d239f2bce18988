"""What Redis adds to a snapshot's way, and what it costs: `python -m bench.redis_way`.

A leader publishes maps of 300 levels, one a time and with a pause, so that nothing queues; a follower takes
them. Printed: from the leader's call to the leader's own clients, and to the follower's; CPU of each side;
what each further server costs Redis.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import RedisNames, publish_snapshot, subscribe_to_symbols
from liqstream.fleet.redis_url import connect
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.wire.snapshot_codec import decode_snapshot, encode_snapshot
from tests.support.redis_server import RedisServer, running_redis
from tests.support.snapshots import first_snapshot, next_snapshot

SNAPSHOTS = 1000
PAUSE_S = 0.005
MORE_SUBSCRIBERS = 32
NAMES = RedisNames("bench")
TOKEN = "bench:1"


async def _publish(redis: aioredis.Redis, sent: dict[int, float], own_s: list[float]) -> None:
    snapshot = first_snapshot()
    for _ in range(SNAPSHOTS):
        await asyncio.sleep(PAUSE_S)
        snapshot = next_snapshot(snapshot)
        _ = snapshot.checksum
        sent[snapshot.seq] = time.perf_counter()
        await publish_snapshot(redis, snapshot, names=NAMES, token=TOKEN, ttl_ms=60_000)
        own_s.append(time.perf_counter() - sent[snapshot.seq])


async def _follow(redis: aioredis.Redis, got: dict[int, float], ready: asyncio.Event) -> None:
    batches = subscribe_to_symbols(redis, ["BTCUSDT"], names=NAMES, on_wake=ready.set)
    async for batch in batches:
        for snapshot in batch:
            got[snapshot.seq] = time.perf_counter()
        if len(got) >= SNAPSHOTS:
            return


def _redis_cpu_s(server: RedisServer) -> float:
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _codec_us(snapshot: HeatmapSnapshot) -> tuple[float, float]:
    payload, rounds = encode_snapshot(snapshot), 2000
    began = time.process_time()
    for _ in range(rounds):
        encode_snapshot(snapshot)
    between = time.process_time()
    for _ in range(rounds):
        decode_snapshot(payload, snapshot.symbol)
    return (between - began) / rounds * 1e6, (time.process_time() - between) / rounds * 1e6


def _ms(values: list[float], percent: int) -> float:
    return round(sorted(values)[len(values) * percent // 100] * 1000, 3)


async def _drain(port: int) -> None:
    """A subscriber that costs this process as little as can be."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"SUBSCRIBE {NAMES.channel('BTCUSDT')}\r\n".encode())
    while await reader.read(1 << 20):
        pass


async def _more_subscribers_us(server: RedisServer, redis: aioredis.Redis) -> float:
    """What Redis spends on one more subscriber, per snapshot."""
    spent_s = []
    for count in (0, MORE_SUBSCRIBERS):
        drains = [asyncio.create_task(_drain(server.port)) for _ in range(count)]
        await asyncio.sleep(0.2)
        before_s = _redis_cpu_s(server)
        await _publish(redis, {}, [])
        spent_s.append(_redis_cpu_s(server) - before_s)
        for drain in drains:
            drain.cancel()
    return (spent_s[1] - spent_s[0]) / SNAPSHOTS / MORE_SUBSCRIBERS * 1e6


async def _measure(server: RedisServer) -> dict[str, float]:
    leader, follower = connect(server.url), connect(server.url)
    await leader.set(NAMES.lease, TOKEN)
    sent: dict[int, float] = {}
    got: dict[int, float] = {}
    own_s: list[float] = []
    ready = asyncio.Event()
    following = asyncio.create_task(_follow(follower, got, ready))
    while not ready.is_set():
        await leader.publish(NAMES.wake_channel, "")
        await asyncio.sleep(0.01)
    redis_s, ours_s = _redis_cpu_s(server), time.process_time()
    await _publish(leader, sent, own_s)
    await following
    redis_s, ours_s = _redis_cpu_s(server) - redis_s, time.process_time() - ours_s
    more_us = await _more_subscribers_us(server, leader)
    await leader.aclose()
    await follower.aclose()
    way_s = [got[seq] - sent[seq] for seq in got]
    encode_us, decode_us = _codec_us(first_snapshot())
    return {
        "payload_bytes": len(encode_snapshot(first_snapshot())),
        "leader_own_ms_p50": _ms(own_s, 50),
        "leader_own_ms_p99": _ms(own_s, 99),
        "follower_ms_p50": _ms(way_s, 50),
        "follower_ms_p99": _ms(way_s, 99),
        "redis_cpu_us_per_snapshot": round(redis_s / SNAPSHOTS * 1e6, 1),
        "redis_cpu_us_per_further_server": round(more_us, 1),
        "both_servers_cpu_us_per_snapshot": round(ours_s / SNAPSHOTS * 1e6, 1),
        "encode_us": round(encode_us, 1),
        "decode_us": round(decode_us, 1),
    }


def main() -> None:
    """Measure and print."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_redis(Path(folder)) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        figures = runner.run(_measure(server))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
