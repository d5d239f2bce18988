"""Clients that are not in step get exactly what takes them there, and are then served with the others."""

from __future__ import annotations

import pytest

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ws.connection_manager import ConnectionManager
from tests.snapshots import first_snapshot, next_snapshot
from tests.test_ws.hand_client import HandClient, done
from tests.test_ws.hand_clock import HandClock
from tests.test_ws.wire import Message, assert_says


class Stage:
    """A manager, its clock, and a market."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.manager = ConnectionManager(timers=self.clock, now_ms=lambda: 0)
        self.snapshot: HeatmapSnapshot | None = None

    def client(self, *, interval_s: int = 1, proto: int = 2, delta: bool | None = None) -> HandClient:
        client = HandClient(self.manager, 0)
        self.subscribe(client, interval_s=interval_s, proto=proto, delta=delta)
        return client

    def subscribe(
        self, client: HandClient, *, interval_s: int = 1, proto: int = 2, delta: bool | None = None
    ) -> None:
        done(self.manager.connect(client.ws, ["BTCUSDT"], interval_s=interval_s, proto=proto, delta=delta))

    def tick(self, wait_s: float = 0.0) -> HeatmapSnapshot:
        self.snapshot = first_snapshot() if self.snapshot is None else next_snapshot(self.snapshot)
        done(self.manager.broadcast(self.snapshot))
        self.clock.advance(wait_s)
        return self.snapshot

    def got(self, client: HandClient) -> list[Message]:
        """What has arrived since the last look, taken in by the client's reader."""
        messages = client.frames.messages(bytes(client.transport.arrived))
        client.transport.arrived.clear()
        for message in messages:
            client.reader.take(message)
        return messages


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_client_ahead_of_its_bucket_is_not_sent_a_delta_it_cannot_use(stage: Stage) -> None:
    """It joined with a newer state than the others hold; the next tick takes it there with a full one."""
    early = stage.client()
    stage.tick(1.0)
    stage.tick()
    stage.tick()  # waits for the bucket's tick
    late = stage.client()
    assert [message["seq"] for message in stage.got(late)] == [3]
    last = stage.tick(1.0)
    kinds = [(message["type"], message["seq"], message["skipped"]) for message in stage.got(late)]
    assert kinds == [("snapshot", 4, 0)]
    assert [(m["type"], m["seq"], m["skipped"]) for m in stage.got(early)][-1] == ("delta", 4, 1)
    last = stage.tick(1.0)
    assert [message["type"] for message in stage.got(late)] == ["delta"]
    assert_says(late.reader.state["BTCUSDT"], last)


def test_changing_to_deltas_begins_with_a_full_snapshot(stage: Stage) -> None:
    """Objects are no base for a delta by index."""
    client = stage.client(proto=1)
    stage.tick(1.0)
    assert "levels" in stage.got(client)[0]["data"]
    stage.subscribe(client)
    assert stage.got(client) == []
    stage.tick(1.0)
    stage.tick(1.0)
    assert [message["type"] for message in stage.got(client)] == ["snapshot", "delta"]


def test_a_blocked_client_finds_the_newest_when_it_reads(stage: Stage) -> None:
    """Conflated: one snapshot, the newest, with what is missing told as dropped, not as skipped."""
    client = stage.client()
    stage.tick(1.0)
    client.transport.stalled = True
    for _ in range(3):
        stage.tick(1.0)
    last = stage.tick(1.0)
    assert [message["seq"] for message in stage.got(client)] == [1]
    client.transport.read_all()
    stage.clock.advance(1.0)
    arrived = [message for message in stage.got(client) if message["type"] != "heartbeat"]
    # The second was on its way; the third and fourth were replaced by the fifth.
    assert [message.get("seq") for message in arrived] == [2, 5, None]
    assert (arrived[1]["skipped"], arrived[2]["dropped_messages"]) == (0, 2)
    assert_says(client.reader.state["BTCUSDT"], last)
    assert stage.manager.get_stats().dropped_total == 2


def test_a_slower_interval_keeps_what_was_promised(stage: Stage) -> None:
    """A client that changes its interval is neither sent backwards nor left behind."""
    client = stage.client()
    slow = stage.client(interval_s=5)
    for _ in range(3):
        stage.tick(1.0)
    assert [message["seq"] for message in stage.got(client)] == [1, 2, 3]
    stage.subscribe(client, interval_s=5)
    last = stage.tick(10.0)
    for each in (client, slow):
        stage.got(each)
        assert_says(each.reader.state["BTCUSDT"], last)
    assert client.reader.gaps["BTCUSDT"] == client.reader.skipped["BTCUSDT"] == 0
    assert slow.reader.gaps["BTCUSDT"] == slow.reader.skipped["BTCUSDT"] == 2
    assert stage.manager.get_stats().groups == 1


def test_a_symbol_set_is_written_as_one(stage: Stage) -> None:
    """One write per client and tick, however many symbols changed."""
    client = HandClient(stage.manager, 0)
    done(stage.manager.connect(client.ws, ["BTCUSDT", "ETHUSDT"], interval_s=1))
    done(stage.manager.broadcast(first_snapshot("BTCUSDT"), first_snapshot("ETHUSDT")))
    assert client.transport.writes == 1
    assert {message["symbol"] for message in stage.got(client)} == {"BTCUSDT", "ETHUSDT"}
