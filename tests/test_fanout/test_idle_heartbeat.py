"""A proto-2 client that is sent nothing is sent heartbeats; nobody else is."""

from __future__ import annotations

from typing import Any

import pytest

from liqstream.fanout import idle_heartbeat
from liqstream.fanout.connection import HeldState
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.messages import heartbeat_message
from tests.support.hand_client import HandClient, done
from tests.support.hand_clock import HandClock
from tests.support.snapshots import first_snapshot, next_snapshot


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def manager(clock: HandClock) -> ConnectionManager:
    return ConnectionManager(timers=clock, now_ms=lambda: 1_766_932_200_000)


def subscriber(manager: ConnectionManager, *, proto: int = 2, interval_s: int = 1) -> HandClient:
    client = HandClient(manager, 0)
    done(manager.connect(client.ws, ["BTCUSDT"], proto=proto, interval_s=interval_s))
    return client


def heartbeats(client: HandClient) -> list[dict[str, Any]]:
    """Those that have arrived since the last call."""
    messages = client.frames.messages(bytes(client.transport.arrived))
    client.transport.arrived.clear()
    return [message for message in messages if message["type"] == "heartbeat"]


def test_an_idle_client_is_sent_where_it_stands(clock: HandClock, manager: ConnectionManager) -> None:
    """Every five seconds at the shortest intervals, with the server's time."""
    client = subscriber(manager)
    done(manager.broadcast(first_snapshot(seq=7)))
    clock.advance(12.0)
    assert heartbeats(client) == 2 * [
        {
            "type": "heartbeat",
            "timestamp": "2025-12-28T14:30:00Z",
            "symbols": {"BTCUSDT": {"epoch": 1, "seq": 7}},
        }
    ]


def test_what_a_client_claimed_is_never_repeated_to_it(clock: HandClock, manager: ConnectionManager) -> None:
    """Where the server stands, and nothing of a symbol without a snapshot."""
    client = HandClient(manager, 0)
    claimed = {symbol: HeldState(StreamPosition(4_102_444_800_000, 7)) for symbol in ("BTCUSDT", "ETHUSDT")}
    done(manager.connect(client.ws, ["BTCUSDT", "ETHUSDT"], interval_s=1, proto=2, resume=claimed))
    clock.advance(6.0)
    assert [message["symbols"] for message in heartbeats(client)] == [{}]
    done(manager.broadcast(first_snapshot(seq=7)))
    clock.advance(12.0)
    assert {"BTCUSDT": {"epoch": 1, "seq": 7}} in [message["symbols"] for message in heartbeats(client)]


def test_a_client_that_is_sent_snapshots_needs_none(clock: HandClock, manager: ConnectionManager) -> None:
    """What it was sent shows that the stream lives."""
    client, snapshot = subscriber(manager), first_snapshot()
    for _ in range(12):
        done(manager.broadcast(snapshot))
        clock.advance(1.0)
        snapshot = next_snapshot(snapshot)
    assert heartbeats(client) == []


def test_a_long_interval_is_no_idle_time(clock: HandClock, manager: ConnectionManager) -> None:
    """Only after the interval itself."""
    client = subscriber(manager, interval_s=20)
    clock.advance(15.0)
    assert heartbeats(client) == []
    clock.advance(10.0)
    assert len(heartbeats(client)) == 1


def test_the_first_protocol_has_no_heartbeats(clock: HandClock, manager: ConnectionManager) -> None:
    """Its clients know no such message."""
    client = subscriber(manager, proto=1)
    clock.advance(30.0)
    assert heartbeats(client) == []


def test_a_blocked_client_is_sent_none(clock: HandClock, manager: ConnectionManager) -> None:
    """They would pile up in front of its newest state."""
    client = subscriber(manager)
    done(manager.broadcast(first_snapshot()))
    client.transport.stalled = True
    done(manager.broadcast(next_snapshot(first_snapshot())))
    clock.advance(2.0)
    waiting = len(client.transport.buffer)
    assert waiting
    clock.advance(8.0)
    assert len(client.transport.buffer) == waiting


def test_closed_it_sends_no_more(clock: HandClock, manager: ConnectionManager) -> None:
    """Its timer is gone."""
    client = subscriber(manager)
    manager._heartbeat.close()
    clock.advance(30.0)
    assert heartbeats(client) == []


def test_a_heartbeat_that_fails_stops_none(
    clock: HandClock, manager: ConnectionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither that of another group nor the next one."""
    clock.is_strict = False
    first, other = subscriber(manager), subscriber(manager, interval_s=2)
    made, failures = heartbeat_message, [ValueError("broken")]

    def make(*arguments: Any) -> bytes:
        if failures:
            raise failures.pop()
        return made(*arguments)

    monkeypatch.setattr(idle_heartbeat, "heartbeat_message", make)
    clock.advance(6.0)
    assert [name for name, _ in clock.reported] == ["heartbeat"]
    assert (len(heartbeats(first)), len(heartbeats(other))) == (0, 1)
    clock.advance(6.0)
    assert heartbeats(first)
