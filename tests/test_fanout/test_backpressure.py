"""Clients that really stall: they are warned, cost little, delay nobody, and are evicted in the end."""

from __future__ import annotations

import asyncio

import pytest

from liqstream.fanout import backpressure
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.fanout.socket_options import undelivered_bytes
from tests.support.hand_client import HandClient, done
from tests.support.hand_clock import HandClock
from tests.support.snapshots import first_snapshot
from tests.support.stalled_client import SUBSCRIBE, big_snapshot, block, stalled_client
from tests.support.ws_server import PATIENCE_S, until, ws_server


async def test_a_client_that_takes_nothing_is_evicted() -> None:
    """After the stall time the connection is gone, with its pending state, whatever the peer does."""
    async with (
        ws_server(slow_consumer_timeout_s=0.1, stall_timeout_s=0.5) as server,
        stalled_client(server, SUBSCRIBE),
    ):
        await server.manager.broadcast(big_snapshot(1))
        await until(lambda: server.manager.get_stats().evictions_total == 1)
        stats = server.manager.get_stats()
        assert (stats.active_connections, stats.pending_snapshots, stats.slow_consumers) == (0, 0, 0)
        assert server.manager.active_symbols() == frozenset()


async def test_an_evicted_client_that_reads_again_finds_the_reason() -> None:
    """Reading again within the grace it finds close code 4000 at the end of what was on its way."""
    async with (
        ws_server(slow_consumer_timeout_s=0.1, stall_timeout_s=0.5) as server,
        stalled_client(server, SUBSCRIBE) as client,
    ):
        await server.manager.broadcast(big_snapshot(1))
        await until(lambda: server.manager.get_stats().evictions_total == 1)
        rest = await client.rest()
        assert (4000).to_bytes(2, "big") + b"nothing was read for too long" in rest[-40:]


async def test_shutdown_does_not_wait_for_a_stalled_client() -> None:
    """Closing everything takes the grace, not the peer's time."""
    async with ws_server() as server, stalled_client(server, SUBSCRIBE):
        await block(server)
        began = asyncio.get_running_loop().time()
        await server.manager.close(grace_s=0.2)
        assert asyncio.get_running_loop().time() - began < 1.5


async def test_a_client_that_does_not_read_is_not_read_from() -> None:
    """Its answers do not pile up: pings beyond what it reads stay in its own buffers."""
    async with ws_server() as server, stalled_client(server, SUBSCRIBE) as client:
        await block(server)
        before = server.manager.get_stats().bytes_sent_total
        for _ in range(50):
            client.say(b'{"action":"ping"}')
        await server.manager.broadcast(first_snapshot("ETHUSDT"))
        assert server.manager.get_stats().bytes_sent_total == before
        connection = next(iter(server.manager._connections.values()))
        assert connection.transport.get_write_buffer_size() < 500_000


async def test_a_lost_connection_ends_its_handler() -> None:
    """Also one that was forgotten while its handler waited for it to read, as on shutdown."""
    async with ws_server() as server, stalled_client(server, SUBSCRIBE) as client:
        (connection,) = server.manager._connections.values()
        await server.manager.broadcast(big_snapshot(1))
        client.say(b'{"action":"ping"}')
        waiting = asyncio.ensure_future(connection.drained())
        await asyncio.sleep(0)
        server.manager.forget(connection.ws)
        client.vanish()
        async with asyncio.timeout(PATIENCE_S):
            await waiting


def test_a_sweep_that_fails_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the other clients now, and at this one next time."""
    clock = HandClock()
    clock.is_strict = False
    manager = ConnectionManager(timers=clock, now_ms=lambda: 0, stall_timeout_s=5.0)
    clients = [HandClient(manager, 0) for _ in range(2)]
    for client in clients:
        done(manager.connect(client.ws, ["BTCUSDT"], interval_s=1))
        client.transport.stalled = True
    done(manager.broadcast(first_snapshot()))
    waiting, failures = undelivered_bytes, [OSError("gone")]

    def count(transport: asyncio.WriteTransport) -> int:
        if failures:
            raise failures.pop()
        return waiting(transport)

    monkeypatch.setattr(backpressure, "undelivered_bytes", count)
    clock.advance(1.0)
    assert [name for name, _ in clock.reported] == ["backpressure"]
    clock.advance(10.0)
    assert manager.get_stats().evictions_total == 2
