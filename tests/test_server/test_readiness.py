"""The state /ready reports, from the start to the end, and of a server in a fleet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from liqstream.feeds.feed import FeedStatus
from liqstream.fleet.roles import NodeRole, StreamMode
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.market import MarketKey, MarkPrice
from liqstream.model.kernel import load_kernel
from liqstream.server.readiness import Readiness
from liqstream.store.market_store import MarketStore
from tests.support.fleet import SYMBOL, fleet_server, make_maps
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]


@pytest.fixture
async def maps(tmp_path: Path) -> AsyncIterator[LiveMaps]:
    """Maps of SYMBOL whose data is of this moment."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    made = await make_maps(store)
    await made.get_latest_heatmap_snapshot(SYMBOL)
    yield made
    made.close()
    await store.close()


async def test_a_server_alone(maps: LiveMaps) -> None:
    """Starting, ready, degraded by a feed that is not connected, stopping."""
    readiness = Readiness((SYMBOL,))
    assert readiness.report()["status"] == "starting"
    feed = FeedStatus(connected=True, reconnects=3)
    readiness.watch(maps, lambda: {"binance": feed})
    report = readiness.report()
    assert (report["status"], report["role"], report["redis"]) == ("ready", NodeRole.STANDALONE, "off")
    snapshot = maps.last_snapshot(SYMBOL)
    assert snapshot is not None
    symbol = report["symbols"][SYMBOL]
    assert (symbol["source"], symbol["stale"]) == ("replay", False)
    assert (symbol["epoch"], symbol["seq"]) == snapshot.position
    assert 0 <= symbol["age_ms"] < 60_000
    assert report["feeds"]["binance"]["reconnects"] == 3
    assert readiness.source() == "replay"
    feed.connected = False
    assert readiness.report()["status"] == "degraded"
    await readiness.stopping(web.Application())
    assert readiness.report()["status"] == "stopping"


async def test_a_symbol_without_data_is_degraded(maps: LiveMaps) -> None:
    """It is stale, and has no age."""
    readiness = Readiness((SYMBOL, "ETHUSDT"))
    readiness.watch(maps, dict)
    report = readiness.report()
    assert (report["status"], report["symbols"]["ETHUSDT"]["age_ms"]) == ("degraded", None)


async def test_a_server_starts_until_a_symbol_has_a_map(tmp_path: Path) -> None:
    """A fresh store and an exchange out of reach: another server may do better. The first price ends it."""
    store = await MarketStore.open(tmp_path / "fresh.duckdb")
    maps = LiveMaps(
        store,
        MapModel(load_kernel("tiered"), interval_ms=300_000, history_days=14),
        stale_after_s=600,
        epoch=1,
        clock_s=asyncio.get_running_loop().time,
    )
    readiness = Readiness((SYMBOL, "ETHUSDT"))
    readiness.watch(maps, lambda: {"binance": FeedStatus(connected=False)})
    statuses = [readiness.report()["status"]]
    market = MarketKey("binance", SYMBOL)
    maps.market(market)
    statuses.append(readiness.report()["status"])
    maps.apply([MarkPrice("binance", SYMBOL, 1_790_000_000_000, 100_000.0)])
    statuses.append(readiness.report()["status"])
    maps.close()
    await store.close()
    assert statuses == ["starting", "starting", "degraded"]


async def test_a_silent_exchange_and_a_next_try_are_named(maps: LiveMaps) -> None:
    """Only where there are any: the exchange with the age of its last record, None if it had none."""
    readiness = Readiness((SYMBOL,))
    feed = FeedStatus(connected=True)
    readiness.watch(maps, lambda: {"binance": feed})
    report = readiness.report()
    assert "silent_ms" not in report["symbols"][SYMBOL]
    assert "next_try" not in report["feeds"]["binance"]
    maps.market(MarketKey("elsewhere", SYMBOL))
    feed.next_try_ms = 1_790_000_000_000
    report = readiness.report()
    assert report["symbols"][SYMBOL]["silent_ms"] == {"elsewhere": None}
    assert report["feeds"]["binance"]["next_try"] == "2026-09-21T14:13:20Z"


async def test_the_progress_of_a_history_is_named(maps: LiveMaps) -> None:
    """Over the symbol's exchanges; nothing once all of it is there."""
    readiness = Readiness((SYMBOL,))
    feed, other = FeedStatus(connected=True), FeedStatus(connected=True)
    readiness.watch(maps, lambda: {"binance": feed, "okx": other})
    assert "history_percent" not in readiness.report()["symbols"][SYMBOL]
    feed.history_percent = {SYMBOL: 41, "ETHUSDT": 3}
    assert readiness.report()["symbols"][SYMBOL]["history_percent"] == 41
    maps.market(MarketKey("okx", SYMBOL))
    assert readiness.report()["symbols"][SYMBOL]["history_percent"] == 70
    assert readiness.report()["symbols"][SYMBOL]["checked_days"] == 0
    readiness.leaders_history = {SYMBOL: 33}.get
    assert readiness.report()["symbols"][SYMBOL]["history_percent"] == 70, "its own"
    readiness.watch(None, dict)
    assert readiness.report()["symbols"][SYMBOL]["history_percent"] == 33


@pytest.mark.redis
async def test_servers_of_a_fleet(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its role and mode, all have the leader's name and the snapshot's position."""
    async with (
        fleet_server(redis_server.url, tmp_path, "maker") as maker,
        fleet_server(redis_server.url, tmp_path, "fan", collects=False) as fan,
    ):
        fan.subscribe(SYMBOL)
        await fan.until(lambda: bool(fan.seen) and fan.coordinator.leader == "maker")
        reports = {}
        nothing_yet = Readiness(("ETHUSDT",))  # nobody asked for it: it comes once clients are sent here
        nothing_yet.watch(None, dict, fan.coordinator)
        assert nothing_yet.report()["status"] == "ready"
        for server in (maker, fan):
            readiness = Readiness((SYMBOL,))
            readiness.watch(server.maps, dict, server.coordinator)
            reports[server.name] = readiness.report()
        assert reports["maker"]["role"] == NodeRole.LEADER
        assert (reports["fan"]["role"], reports["fan"]["mode"]) == (NodeRole.FANOUT, StreamMode.FOLLOWER)
        for report in reports.values():
            assert (report["status"], report["redis"], report["leader"]) == ("ready", "up", "maker")
            symbol = report["symbols"][SYMBOL]
            assert (symbol["epoch"], symbol["seq"]) == fan.seen[-1].position
        monkeypatch.setattr("liqstream.fleet.membership.UNMADE_S", 0.0)
        fan.subscribe("ETHUSDT")  # of which the maker has no data
        await fan.until(lambda: fan.coordinator.unmade() == {"ETHUSDT"})
        readiness = Readiness((SYMBOL, "ETHUSDT"))
        readiness.watch(None, dict, fan.coordinator)
        report = readiness.report()
        assert report["status"] == "degraded"
        assert [report["symbols"][each].get("unmade") for each in (SYMBOL, "ETHUSDT")] == [None, True]
        redis_server.kill()
        await fan.until(lambda: fan.coordinator.mode == StreamMode.CUT_OFF)
        readiness = Readiness((SYMBOL,))
        readiness.watch(None, dict, fan.coordinator)
        report = readiness.report()
        assert (report["status"], report["redis"], report["leader"]) == ("degraded", "down", "")
        assert nothing_yet.report()["status"] == "starting", "it has no map, and nobody makes one"
        assert report["symbols"][SYMBOL]["stale"]
