"""A Redis that is there and answers commands with errors: the server goes on alone, says so, and rejoins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.scripts import _SOURCES
from tests.support.fleet import SYMBOL, FleetServer, fleet_server
from tests.support.redis_server import RedisServer
from tests.support.refusing_redis import Command, RefusingRedis, refusing_redis

pytestmark = pytest.mark.redis

NAMES = RedisNames("heatmap")
SCRIPTS = {source.encode(): name for name, source in _SOURCES.items()}


def script(name: str) -> Callable[[Command], bool]:
    """Whether a command runs this script."""
    return lambda command: command[0].upper() == b"EVAL" and SCRIPTS.get(command[1]) == name


def word(*names: str) -> Callable[[Command], bool]:
    """Whether a command is one of these."""
    return lambda command: command[0].decode().upper() in names


REFUSED = {
    "everything, as it loads": (lambda _: True, "LOADING Redis is loading the dataset in memory"),
    "every script, for want of memory": (
        word("EVAL"),
        "OOM command not allowed when used memory > 'maxmemory'",
    ),
    "every write, as a replica": (
        word("EVAL", "SET"),
        "READONLY You can't write against a read only replica.",
    ),
    "syncs": (script("sync"), "NOPERM User default has no permissions to run the 'eval' command"),
    "publications": (script("publish"), "NOPERM No permissions to access a key"),
    "reading again": (script("newer"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    "subscriptions": (word("SUBSCRIBE"), "NOPERM No permissions to access a channel"),
    "scripts, one being busy": (word("EVAL"), "BUSY Redis is busy running a script."),
    "an error of no known kind": (word("EVAL", "SUBSCRIBE", "PUBLISH"), "XYZZY nothing happens"),
}


Node = tuple[FleetServer, FleetServer, RefusingRedis]


@pytest.fixture
async def behind(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Node]:
    """A server beside the proxy, which leads, and one behind it, which follows."""
    async with (
        refusing_redis(redis_server.port) as proxy,
        fleet_server(redis_server.url, tmp_path, "one") as one,
    ):
        await one.until(lambda: one.coordinator.mode == "leader")
        async with fleet_server(proxy.url, tmp_path, "two") as two:
            for server in (one, two):
                server.subscribe(SYMBOL)
            await two.until(lambda: bool(two.seen))
            yield one, two, proxy


async def priced(usd: float, *servers: FleetServer) -> None:
    """The market moves for all of them, which keeps their data fresh, and all their clients get it."""
    for server in servers:
        server.price(usd)
    for server in servers:
        await server.until_price(usd)


async def until(condition: Callable[[], bool], *servers: FleetServer) -> None:
    """Wait while the market goes on for these servers: without, they would resign as silent."""
    async with asyncio.timeout(15):
        for usd in count(100_000):
            if condition():
                return
            for server in servers:
                server.price(usd)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(("every script, for want of memory", "reading again"), id="some"),
        # A follower makes no publications.
        pytest.param(REFUSED.keys() - {"publications"}, id="each", marks=pytest.mark.attack),
    ],
)
async def test_a_follower_that_is_refused_goes_on_alone_and_rejoins(behind: Node, kinds: set[str]) -> None:
    """Whatever is refused: clients get its own maps, the log says why, no loop ends; then it follows."""
    one, two, proxy = behind
    for number, what in enumerate(sorted(kinds)):
        matches, error = REFUSED[what]
        with capture_logs() as lines:
            proxy.refuse(matches, error)
            if what == "subscriptions":
                proxy.cut()
            await until(two.is_in_fallback, one, two)
        assert two.coordinator.redis == "down"
        lost = [line["reason"] for line in lines if line["event"] == "redis lost"]
        assert len(lost) == 1, what
        assert error.split()[-1] in lost[0]
        await priced(101_000 + number, one, two)
        proxy.refuse(lambda _: False, "")
        await until(lambda: two.coordinator.mode == "follower", one, two)
        await priced(102_000 + number, one, two)
    for server in (one, two):
        server.assert_only_forward()
        assert server.supervisor.failing() == {}


async def test_a_leader_that_may_not_publish_makes_room(behind: Node) -> None:
    """Its clients go on with its own maps; the other one leads, and both are one fleet again."""
    one, two, proxy = behind
    one.coordinator._membership.election.resign()
    await one.coordinator._membership.lease.release()
    await until(lambda: two.coordinator.mode == "leader", one, two)
    matches, error = REFUSED["publications"]
    proxy.refuse(matches, error)
    await until(lambda: one.coordinator.mode == "leader" and two.coordinator.mode == "follower", one, two)
    await priced(104_000, one, two)
    for server in (one, two):
        server.assert_only_forward()


async def test_a_server_without_maps_is_cut_off_and_rejoins(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """What it has is stale while it may not subscribe, though it may sync; then it has the newest."""
    async with (
        refusing_redis(redis_server.port) as proxy,
        fleet_server(redis_server.url, tmp_path, "one") as one,
        fleet_server(proxy.url, tmp_path, "fan", collects=False) as fan,
    ):
        fan.subscribe(SYMBOL)
        await fan.until(lambda: bool(fan.seen))
        proxy.refuse(word("SUBSCRIBE"), "NOPERM no channel")
        proxy.cut()
        await until(lambda: fan.coordinator.mode == "cut_off" and fan.seen[-1].stale, one)
        proxy.refuse(lambda _: False, "")
        await until(lambda: fan.coordinator.mode == "follower", one)
        one.price(102_000)
        assert not (await fan.until_price(102_000)).stale
        fan.assert_only_forward()
