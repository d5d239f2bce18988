"""Every fault: what is done to the fleet, and what is expected of it beyond the invariants."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.wire.snapshot_codec import encode_snapshot
from tests.faults.checking_client import Watcher
from tests.faults.clients import SYMBOL as CROWD_SYMBOL
from tests.faults.stack import COLLECTING, FAN, FRONT, LEASE_S, STALE_AFTER_S, Stack
from tests.support.snapshots import first_snapshot

FALLBACK_S = 2.0
"""Within this, servers that lost Redis stream by themselves."""


class UnexpectedError(AssertionError):
    """What a fault showed was not what it should show."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was observed; `untouched` names addresses whose clients must not have noticed."""

    observed: str
    untouched: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """`run` does it, waits as long as it lasts, undoes it, and returns what it saw."""

    name: str
    family: str
    expected: str
    run: Callable[[Stack], Awaitable[Outcome]]


FAULTS: list[Fault] = []
Run = Callable[[Stack], Awaitable[Outcome]]


def fault(name: str, family: str, expected: str) -> Callable[[Run], Run]:
    """Put a fault into the catalogue."""

    def add(run: Run) -> Run:
        FAULTS.append(Fault(name, family, expected, run))
        return run

    return add


def hold_s(stack: Stack, long_s: float) -> float:
    """How long a fault lasts: seeded, a few seconds in a short run."""
    return stack.random.uniform(2.5, 3.0) if stack.short else long_s * stack.random.uniform(0.8, 1.2)


async def _mode(stack: Stack, name: str) -> str:
    return str((await stack.nodes[name].ask("/ready"))["mode"])


async def _modes(stack: Stack) -> dict[str, str]:
    return {name: await _mode(stack, name) for name in stack.nodes}


async def until_alone(stack: Stack, *names: str) -> float:
    """Until these servers serve without Redis; returns the seconds that took, at most FALLBACK_S."""

    async def alone() -> bool:
        return all([await _mode(stack, name) in ("fallback", "cut_off") for name in names])

    return await stack.until_async(alone, f"fallback of {', '.join(names)}", FALLBACK_S)


async def until_together(stack: Stack, within_s: float) -> float:
    """Until one leads and the others follow; returns the seconds that took."""

    async def together() -> bool:
        return sorted((await _modes(stack)).values()) == ["follower", "follower", "leader"]

    return await stack.until_async(together, "one leader and followers", within_s)


def _mark(watcher: Watcher) -> int:
    return len(watcher.received)


async def until_news(stack: Stack, watchers: list[Watcher], within_s: float) -> None:
    """Until every one of these clients gets something new."""
    marks = [_mark(watcher) for watcher in watchers]
    await stack.until_async(
        lambda: all(_mark(watcher) > mark for watcher, mark in zip(watchers, marks, strict=True)),
        "news for every client",
        within_s,
    )


# Redis


@fault("redis-kill-restart-empty", "redis", "fallback within 2 s, fan-out stale, together within 2 s")
async def redis_kill(stack: Stack) -> Outcome:
    stack.redis.kill()
    alone_s = await until_alone(stack, *stack.nodes)
    await until_news(stack, stack.live(COLLECTING), 2)
    await stack.until_async(lambda: all(w.received[-1].stale for w in stack.live([FAN])), "stale mark", 2)
    await asyncio.sleep(hold_s(stack, 10))
    await asyncio.to_thread(stack.redis.start)
    return Outcome(f"alone after {alone_s:.2f} s, together after {await until_together(stack, 2):.2f} s")


@fault("redis-sigstop", "redis", "a hung Redis holds nothing up: fallback within 2 s, together within 3 s")
async def redis_sigstop(stack: Stack) -> Outcome:
    stack.redis.freeze()
    alone_s = await until_alone(stack, *stack.nodes)
    await until_news(stack, stack.live(COLLECTING), 2)
    await asyncio.sleep(hold_s(stack, 30))
    stack.redis.thaw()
    return Outcome(f"alone after {alone_s:.2f} s, together after {await until_together(stack, 3):.2f} s")


@fault("redis-flushall", "redis", "lease, epoch and truth are put back; the stream goes on")
async def redis_flushall(stack: Stack) -> Outcome:
    stack.redis.tell("FLUSHALL")
    await until_news(stack, stack.live(), 3)
    back_s = await stack.until_async(
        lambda: stack.redis.tell("EXISTS", "heatmap:lease", "heatmap:BTCUSDT:latest") == b":2",
        "lease and truth",
        2,
    )
    return Outcome(f"back after {back_s:.2f} s, together after {await until_together(stack, 2):.2f} s")


@fault("redis-kill-subscribers", "redis", "followers resubscribe and read the truth: no client waits")
async def redis_client_kill(stack: Stack) -> Outcome:
    for _ in range(3 if stack.short else 10):
        stack.redis.tell("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(stack.random.uniform(0.1, 0.5))
    await until_news(stack, stack.live(), 3)
    return Outcome("news everywhere")


@fault("redis-output-overflow", "redis", "subscribers dropped by Redis come back and read the truth")
async def redis_overflow(stack: Stack) -> Outcome:
    stack.redis.tell("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 1mb 1")
    try:
        for _ in range(3):
            await asyncio.to_thread(stack.redis.tell, "PUBLISH", "heatmap:BTCUSDT", "x" * 10_000_000)
            await asyncio.sleep(0.2)
    finally:
        stack.redis.tell("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")
    await until_news(stack, stack.live(), 3)
    return Outcome("news everywhere")


@fault("redis-garbage", "redis", "garbage is counted and passed over; the stream goes on in order")
async def redis_garbage(stack: Stack) -> Outcome:
    before = await _garbage_counted(stack)
    for payload in ("", "null", '{"v":1}', "[" * 50_000, "x" * 10_000_000, *map(_text, _forged())):
        # In a thread: this loop carries the servers' connections to Redis, which time out after a second.
        await asyncio.to_thread(stack.redis.tell, "PUBLISH", "heatmap:BTCUSDT", payload)
    stack.redis.tell("DEL", "heatmap:BTCUSDT:latest")
    stack.redis.tell("SET", "heatmap:BTCUSDT:latest", "no hash")
    stack.redis.tell("DEL", "heatmap:ETHUSDT:latest")
    stack.redis.tell(
        "HSET", "heatmap:ETHUSDT:latest", "epoch", "9e99", "seq", "x", "payload", "y" * 5_000_000
    )
    stack.redis.tell("HSET", "heatmap:wanted", "intruder", "99999999999999 1 1 BTCUSDT DROP;TABLE ETHUSDT")
    stack.redis.tell("SET", "heatmap:epoch", "garbage")
    await until_news(stack, stack.live(), 3)

    async def all_counted() -> bool:
        return await _garbage_counted(stack) >= before + 6 * 3

    counted_s = await stack.until_async(all_counted, "count of all the garbage", 5)
    return Outcome(f"all counted by three servers after {counted_s:.2f} s")


def _text(payload: bytes) -> str:
    return payload.decode()


def _forged() -> list[bytes]:
    """A snapshot of the far future, one of another symbol, one with other levels than its checksum."""
    far: HeatmapSnapshot = first_snapshot(epoch=2**53, seq=1)
    other = first_snapshot("ETHUSDT", epoch=1)
    bent = encode_snapshot(first_snapshot(epoch=1)).replace(b'"p0":90000,', b'"p0":90050,')
    return [encode_snapshot(far), encode_snapshot(other), bent]


async def _garbage_counted(stack: Stack) -> int:
    return int(sum([await node.metric("liqstream_redis_garbage_total") for node in stack.nodes.values()]))


# The leader


@fault("leader-kill", "leader", "the follower leads within the lease + 1 s")
async def leader_kill(stack: Stack) -> Outcome:
    leader, follower = await stack.leader_and_follower()
    await leader.stop(signal.SIGKILL)

    async def took_over() -> bool:
        return await stack.leader() == follower.name

    change_s = await stack.until_async(took_over, "new leader", LEASE_S + 1)
    await until_news(stack, stack.live([follower.name, FAN]), 2)
    await leader.start()
    return Outcome(f"led after {change_s:.2f} s", restarted=(leader.name,))


@fault("leader-zombie", "leader", "stopped beyond its lease and woken, a leader gets not one message through")
async def leader_zombie(stack: Stack) -> Outcome:
    leader, follower = await stack.leader_and_follower()
    leader.tell(signal.SIGSTOP)
    try:

        async def took_over() -> bool:
            return await stack.leader() == follower.name

        change_s = await stack.until_async(took_over, "new leader", LEASE_S + 1)
        await asyncio.sleep(hold_s(stack, 8))
    finally:
        leader.tell(signal.SIGCONT)
    together_s = await until_together(stack, 3)
    return Outcome(f"led after {change_s:.2f} s, zombie follows after {together_s:.2f} s")


@fault("lease-deleted", "leader", "exactly one leads again, in a higher epoch")
async def lease_deleted(stack: Stack) -> Outcome:
    for _ in range(3):
        stack.redis.tell("DEL", "heatmap:lease")
        await asyncio.sleep(stack.random.uniform(0.05, 0.5))
    return Outcome(f"together after {await until_together(stack, 2):.2f} s")


async def _newest_epoch(stack: Stack) -> int:
    client = stack.client
    epoch = await client.get("heatmap:epoch")
    await client.aclose()
    return int(epoch or 0)


@fault("two-leaders", "leader", "the lease is forced upon the follower: the other one is refused and follows")
async def two_leaders(stack: Stack) -> Outcome:
    leader, follower = await stack.leader_and_follower()
    theirs, epoch = (await follower.ask("/ready"))["server"], (await _newest_epoch(stack)) + 1
    stack.redis.tell("SET", "heatmap:lease", f"{theirs}:{epoch}", "PX", str(int(LEASE_S * 1000)))

    async def took_over() -> bool:
        return await stack.leader() == follower.name

    change_s = await stack.until_async(took_over, "forced leader", 2)
    return Outcome(f"{follower.name} leads after {change_s:.2f} s instead of {leader.name}")


@fault("clock-jump", "leader", "an hour and a day forth and back on the leader: order and stream hold")
async def clock_jump(stack: Stack) -> Outcome:
    leader, follower = await stack.leader_and_follower()
    try:
        for offset_ms in (86_400_000, 3_600_000, -3_600_000, -86_400_000):
            await leader.step_clock(offset_ms)
            await until_news(stack, stack.live(), 3)
    finally:
        await leader.step_clock(0)
    await until_news(stack, stack.live(), 3)
    return Outcome("order held", untouched=(follower.name,))


# The network


@fault(
    "follower-cut-off", "network", "a follower without Redis goes on alone and returns; others notice nothing"
)
async def follower_cut_off(stack: Stack) -> Outcome:
    leader, follower = await stack.leader_and_follower()
    return await _cut_off(stack, follower.name, untouched=(leader.name,))


@fault(
    "leader-cut-off", "network", "a leader without Redis goes on alone; the follower leads within lease + 1 s"
)
async def leader_cut_off(stack: Stack) -> Outcome:
    leader, _ = await stack.leader_and_follower()
    return await _cut_off(stack, leader.name)


async def _cut_off(stack: Stack, name: str, untouched: tuple[str, ...] = ()) -> Outcome:
    proxy = stack.proxies[name]
    proxy.go_dark()
    try:
        alone_s = await until_alone(stack, name)
        await until_news(stack, stack.live([name]), 2)
        await asyncio.sleep(hold_s(stack, 8))
    finally:
        proxy.behave()
    together_s = await until_together(stack, 4)
    return Outcome(f"alone after {alone_s:.2f} s, together after {together_s:.2f} s", untouched)


@fault("slow-road", "network", "150 +- 50 ms and slices of 64 bytes to Redis: late, in order, complete")
async def slow_road(stack: Stack) -> Outcome:
    return await _road(stack, latency_s=0.15, jitter_s=0.05, slice_bytes=64)


@fault(
    "terrible-road",
    "network",
    "500 +- 200 ms and single bytes to Redis: whoever it is, in order and complete",
)
async def terrible_road(stack: Stack) -> Outcome:
    return await _road(stack, latency_s=0.5, jitter_s=0.2, slice_bytes=1)


@fault("narrow-road", "network", "4 kB/s to Redis: late or alone, in order and complete")
async def narrow_road(stack: Stack) -> Outcome:
    return await _road(stack, bytes_per_s=4000.0)


async def _road(
    stack: Stack,
    *,
    latency_s: float = 0.0,
    jitter_s: float = 0.0,
    slice_bytes: int = 0,
    bytes_per_s: float = 0.0,
) -> Outcome:
    proxy = stack.proxies[stack.random.choice(COLLECTING)]
    proxy.latency_s, proxy.jitter_s = latency_s, jitter_s
    proxy.slice_bytes, proxy.bytes_per_s = slice_bytes, bytes_per_s
    await asyncio.sleep(hold_s(stack, 10))
    proxy.behave()
    proxy.reset()
    return Outcome(f"together after {await until_together(stack, 4):.2f} s")


@fault("resets", "network", "connections to Redis reset again and again: the stream goes on")
async def resets(stack: Stack) -> Outcome:
    until_s = time.monotonic() + hold_s(stack, 10)
    while time.monotonic() < until_s:
        stack.proxies[stack.random.choice(COLLECTING)].reset()
        await asyncio.sleep(stack.random.uniform(0.05, 0.4))
    return Outcome(f"together after {await until_together(stack, 3):.2f} s")


# The front


@fault("nginx-reload", "front", "old workers end, clients come back by themselves")
async def nginx_reload(stack: Stack) -> Outcome:
    stack.nginx.reload()
    await asyncio.sleep(hold_s(stack, 12))
    await until_news(stack, stack.live([FRONT]), 4)
    return Outcome("clients of nginx have news", untouched=COLLECTING)


@fault("nginx-kill", "front", "killed and started again, its clients come back; others notice nothing")
async def nginx_kill(stack: Stack) -> Outcome:
    await stack.nginx.kill()
    await asyncio.sleep(0.5)
    await stack.nginx.start()
    await until_news(stack, stack.live([FRONT]), 4)
    return Outcome("clients of nginx have news", untouched=COLLECTING)


@fault("rolling-restart", "front", "SIGTERM one after the other: exit 0 in 10 s, told 1012, never 1006")
async def rolling_restart(stack: Stack) -> Outcome:
    endings = {id(w): w.endings.copy() for w in stack.watchers}
    slowest_s = 0.0
    for name in COLLECTING:
        node, began_s = stack.nodes[name], time.monotonic()
        code = await node.stop()
        slowest_s = max(slowest_s, time.monotonic() - began_s)
        if code != 0 or slowest_s > 10:
            raise UnexpectedError(f"{name} ended with {code} after {slowest_s:.1f} s")
        await node.start()
        await until_news(stack, stack.live([name, FRONT]), 5)
    codes = {code for w in stack.watchers for code in w.endings - endings[id(w)]}
    if not codes <= {1012}:
        raise UnexpectedError(f"clients were closed with {sorted(codes)}")
    warned = sum(w.warnings["SERVER_SHUTDOWN"] for w in stack.watchers)
    if not warned:
        raise UnexpectedError("no client was told SERVER_SHUTDOWN")
    return Outcome(f"closed with {sorted(codes)}, slowest stop {slowest_s:.1f} s", restarted=COLLECTING)


# Clients


@fault("clients-stopped", "client", "SIGSTOPped clients cost the others nothing; woken, they get the newest")
async def clients_stopped(stack: Stack) -> Outcome:
    count = 20 if stack.short else 200
    crowd = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.clients", stack.nodes["one"].url, str(count)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert crowd.stdout is not None
    assert crowd.stdin is not None
    try:
        async with asyncio.timeout(20):
            await crowd.stdout.readline()
        crowd.send_signal(signal.SIGSTOP)
        await asyncio.sleep(hold_s(stack, 40))
        stack.oracle.read()
        epoch, seq = stack.oracle.newest([CROWD_SYMBOL])[CROWD_SYMBOL]
        crowd.send_signal(signal.SIGCONT)
        crowd.stdin.write(f"{epoch} {seq}\n".encode())
        async with asyncio.timeout(10):
            report = orjson.loads(await crowd.stdout.readline())
    finally:
        crowd.kill()
        await crowd.wait()
    if report["violations"]:
        raise UnexpectedError(str(report["violations"][:3]))
    if report["behind"]:
        raise UnexpectedError(f"{report['behind']} of {count} woken clients are behind")
    return Outcome(f"{count} stopped and up to date again", untouched=(*COLLECTING, FRONT))


# The store and the feeds


@fault("disk-full", "store", "a full disk under DuckDB: the stream goes on, writing resumes")
async def disk_full(stack: Stack) -> Outcome:
    if os.geteuid() != 0:
        return Outcome("skipped: mounting a small disk needs root")
    node = stack.nodes["two"]
    await node.stop()
    libc = ctypes.CDLL(None, use_errno=True)
    small = stack.folder / "small"
    small.mkdir(exist_ok=True)
    if libc.mount(b"tmpfs", str(small).encode(), b"tmpfs", 0, b"size=24m"):
        await node.start()
        return Outcome("skipped: this machine mounts nothing")
    try:
        node.env["LIQSTREAM_DB"] = str(small / "two.duckdb")
        await node.start()
        await until_news(stack, stack.live([node.name]), 5)
        await asyncio.to_thread(_fill, small / "filler")
        await asyncio.sleep(hold_s(stack, 20))
        await until_news(stack, stack.live([node.name]), 3)
        failed = await node.metric("liqstream_store_failed_commits_total")
        (small / "filler").unlink()
        written = await node.metric("liqstream_store_rows_written_total")

        async def writes_again() -> bool:
            return await node.metric("liqstream_store_rows_written_total") > written

        resumed_s = await stack.until_async(writes_again, "write to a disk with room", 20)
    finally:
        await node.stop()
        libc.umount2(str(small).encode(), 2)
        node.env.pop("LIQSTREAM_DB")
        await node.start()
    observed = f"{failed:.0f} commits failed, written again after {resumed_s:.2f} s"
    return Outcome(observed, restarted=("two",))


def _fill(path: Path) -> None:
    with path.open("wb") as filler:
        try:
            while True:
                filler.write(b"x" * 65536)
                filler.flush()
        except OSError:
            return


@fault("feed-silent", "feed", "a leader whose feed is silent resigns to one that hears; nothing turns stale")
async def feed_silent(stack: Stack) -> Outcome:
    leader, follower = await stack.leader_and_follower()
    leader.silence.touch()
    try:

        async def took_over() -> bool:
            return await stack.leader() == follower.name

        change_s = await stack.until_async(took_over, "resignation", STALE_AFTER_S + 2)
        await until_news(stack, stack.live(), 3)
    finally:
        leader.silence.unlink()
    return Outcome(f"{follower.name} leads after {change_s:.2f} s")


@fault(
    "feeds-silent",
    "feed",
    "no server hears anything: every map is marked stale, none re-dated, then fresh again",
)
async def feeds_silent(stack: Stack) -> Outcome:
    for name in COLLECTING:
        stack.nodes[name].silence.touch()
    try:
        stale_s = await stack.until_async(
            lambda: all(w.received[-1].stale for w in stack.live()),
            "stale mark everywhere",
            STALE_AFTER_S + 4,
        )
    finally:
        for name in COLLECTING:
            stack.nodes[name].silence.unlink()
    fresh_s = await stack.until_async(
        lambda: not any(w.received[-1].stale for w in stack.live()), "fresh map everywhere", 4
    )
    return Outcome(f"stale after {stale_s:.2f} s, fresh after {fresh_s:.2f} s")
