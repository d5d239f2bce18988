"""Lagging clients are sent exactly what makes them synced, and are then served with the others."""

from __future__ import annotations

import time
from typing import Any

import pytest

from liqstream.fanout.connection import HeldState
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.heatmap.snapshot import HeatmapSnapshot, StreamPosition
from liqstream.metrics import Metrics
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from tests.support.frame_reader import Message, assert_says
from tests.support.hand_client import HandClient, HandTransport, done
from tests.support.hand_clock import HandClock
from tests.support.snapshots import first_snapshot, next_snapshot


class Market:
    """A manager, its clock, and the snapshots of one symbol."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.metrics = Metrics()
        self.manager = ConnectionManager(timers=self.clock, now_ms=lambda: 0, metrics=self.metrics)
        self.snapshot: HeatmapSnapshot | None = None

    def client(self, *, interval_s: int = 1, proto: int = 2, delta: bool | None = None) -> HandClient:
        client = HandClient(self.manager, 0)
        self.subscribe(client, interval_s=interval_s, proto=proto, delta=delta)
        return client

    def subscribe(
        self, client: HandClient, *, interval_s: int = 1, proto: int = 2, delta: bool | None = None
    ) -> None:
        done(self.manager.connect(client.ws, ["BTCUSDT"], interval_s=interval_s, proto=proto, delta=delta))

    def advance(self, wait_s: float = 0.0) -> HeatmapSnapshot:
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
def market() -> Market:
    return Market()


def test_a_client_ahead_of_its_bucket_is_not_sent_a_delta_it_cannot_use(market: Market) -> None:
    """It joined with a newer state than the others hold; the next update takes it there with a full one."""
    early = market.client()
    market.advance(1.0)
    market.advance()
    market.advance()  # waits for the bucket's timer
    late = market.client()
    assert [message["seq"] for message in market.got(late)] == [3]
    last = market.advance(1.0)
    kinds = [(message["type"], message["seq"], message["skipped"]) for message in market.got(late)]
    assert kinds == [("snapshot", 4, 0)]
    assert [(m["type"], m["seq"], m["skipped"]) for m in market.got(early)][-1] == ("delta", 4, 1)
    last = market.advance(1.0)
    assert [message["type"] for message in market.got(late)] == ["delta"]
    assert_says(late.reader.state["BTCUSDT"], last)


def test_changing_to_deltas_begins_with_a_full_snapshot(market: Market) -> None:
    """Objects are no base for a delta by index."""
    client = market.client(proto=1)
    market.advance(1.0)
    assert "levels" in market.got(client)[0]["data"]
    market.subscribe(client)
    assert market.got(client) == []
    market.advance(1.0)
    market.advance(1.0)
    assert [message["type"] for message in market.got(client)] == ["snapshot", "delta"]


def test_a_blocked_client_finds_the_newest_when_it_reads(market: Market) -> None:
    """Conflated: one snapshot, the newest, with what is missing counted as dropped, not as skipped."""
    client = market.client()
    market.advance(1.0)
    client.transport.stalled = True
    for _ in range(3):
        market.advance(1.0)
    last = market.advance(1.0)
    assert [message["seq"] for message in market.got(client)] == [1]
    client.transport.read_all()
    market.clock.advance(1.0)
    arrived = [message for message in market.got(client) if message["type"] != "heartbeat"]
    # The second was on its way; the third and fourth were replaced by the fifth.
    assert [message.get("seq") for message in arrived] == [2, 5, None]
    assert (arrived[1]["skipped"], arrived[2]["dropped_messages"]) == (0, 2)
    assert_says(client.reader.state["BTCUSDT"], last)
    assert market.manager.get_stats().dropped_total == 2


def test_who_comes_after_the_last_one_left_gets_the_newest_at_once(market: Market) -> None:
    """Of the rounds until the generator has seen that nobody follows; nothing of a symbol nobody ever did."""
    done(market.manager.broadcast(first_snapshot("ETHUSDT")))
    last = market.client()
    market.advance(1.0)
    done(market.manager.unsubscribe(last.ws, ["BTCUSDT"]))
    market.advance(1.0)
    client = market.client()
    assert [message["seq"] for message in market.got(client)] == [2]
    done(market.manager.connect(client.ws, ["ETHUSDT"]))
    assert market.got(client) == []


def test_a_slower_interval_keeps_what_was_promised(market: Market) -> None:
    """A client that changes its interval is neither sent backwards nor left lagging."""
    client = market.client()
    slow = market.client(interval_s=5)
    for _ in range(3):
        market.advance(1.0)
    assert [message["seq"] for message in market.got(client)] == [1, 2, 3]
    market.subscribe(client, interval_s=5)
    last = market.advance(10.0)
    for each in (client, slow):
        market.got(each)
        assert_says(each.reader.state["BTCUSDT"], last)
    assert client.reader.gaps["BTCUSDT"] == client.reader.skipped["BTCUSDT"] == 0
    assert slow.reader.gaps["BTCUSDT"] == slow.reader.skipped["BTCUSDT"] == 2
    assert market.manager.get_stats().groups == 1


def test_a_symbol_set_is_written_as_one(market: Market) -> None:
    """One write per client and update, however many symbols changed."""
    client = HandClient(market.manager, 0)
    done(market.manager.connect(client.ws, ["BTCUSDT", "ETHUSDT"], interval_s=1))
    done(market.manager.broadcast(first_snapshot("BTCUSDT"), first_snapshot("ETHUSDT")))
    assert client.transport.writes == 1
    assert {message["symbol"] for message in market.got(client)} == {"BTCUSDT", "ETHUSDT"}


def timed_writes(market: Market, symbol: str = "BTCUSDT") -> float:
    """How many writes of a symbol liqstream_ws_broadcast_duration_seconds has timed."""
    name = "liqstream_ws_broadcast_duration_seconds_count"
    return market.metrics.registry.get_sample_value(name, {"symbol": symbol}) or 0.0


def test_every_write_is_timed_also_those_of_a_timer(market: Market) -> None:
    """A snapshot that waits for its interval is timed when it is written, not when it was offered."""
    market.client(interval_s=5)
    market.advance(1.0)
    assert timed_writes(market) == 1
    market.advance(1.0)
    assert timed_writes(market) == 1, "it waits: nothing was written"
    market.clock.advance(5.0)
    assert timed_writes(market) == 2
    seconds = market.metrics.registry.get_sample_value(
        "liqstream_ws_broadcast_duration_seconds_sum", {"symbol": "BTCUSDT"}
    )
    assert seconds is not None
    assert seconds > 0


HELD_S = 0.05


class HeldTransport(HandTransport):
    """Each write takes a while."""

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        time.sleep(HELD_S)
        super().write(data)


def held_client(market: Market, symbol: str, *, interval_s: int = 1) -> HandClient:
    client = HandClient(market.manager, 0, HeldTransport())
    done(market.manager.connect(client.ws, [symbol], interval_s=interval_s))
    return client


def seconds_of(market: Market, symbol: str) -> float:
    name = "liqstream_ws_broadcast_duration_seconds_sum"
    return market.metrics.registry.get_sample_value(name, {"symbol": symbol}) or 0.0


def test_writes_that_are_held_show_for_their_symbol_alone(market: Market) -> None:
    """At once, by an interval's timer, to one client alone: all are in the symbol's time, none in others'."""
    client = held_client(market, "BTCUSDT", interval_s=5)
    other = HandClient(market.manager, 0)
    done(market.manager.connect(other.ws, ["ETHUSDT"], interval_s=5))
    bitcoin, ether = first_snapshot("BTCUSDT"), first_snapshot("ETHUSDT")
    done(market.manager.broadcast(bitcoin, ether))
    assert seconds_of(market, "BTCUSDT") >= HELD_S
    done(market.manager.broadcast(next_snapshot(bitcoin), next_snapshot(ether)))
    market.clock.advance(5.0)
    assert seconds_of(market, "BTCUSDT") >= 2 * HELD_S
    assert (market.manager.get_stats().broadcast_ms_p50 or 0) >= 1000 * HELD_S
    held_client(market, "BTCUSDT")
    assert seconds_of(market, "BTCUSDT") >= 3 * HELD_S, "a first snapshot"
    done(market.manager.resync(client.ws, ["BTCUSDT"]))
    assert seconds_of(market, "BTCUSDT") >= 4 * HELD_S, "a whole one again"
    assert 0 < seconds_of(market, "ETHUSDT") < seconds_of(market, "BTCUSDT") / 4


def test_a_snapshot_nobody_follows_is_not_timed(market: Market) -> None:
    """Nothing is written of it."""
    market.client()
    done(market.manager.broadcast(first_snapshot("ETHUSDT")))
    assert timed_writes(market, "ETHUSDT") == 0


RESUME = [
    ("an epoch above ours", StreamPosition(4_102_444_800_000, 7), None, False),
    ("an epoch below ours", StreamPosition(4, 2), None, False),
    ("a seq above ours", StreamPosition(5, 4), None, False),
    ("seq 0", StreamPosition(5, 0), None, False),
    ("a negative seq", StreamPosition(5, -1), None, False),
    ("another checksum at the newest", StreamPosition(5, 3), 1, False),
    ("another checksum before the newest", StreamPosition(5, 2), 1, False),
    ("the newest", StreamPosition(5, 3), None, True),
    ("one before the newest", StreamPosition(5, 2), None, True),
    ("the first", StreamPosition(5, 1), None, True),
]


@pytest.mark.parametrize(
    ("position", "checksum", "counts"), [row[1:] for row in RESUME], ids=[row[0] for row in RESUME]
)
def test_a_resume_point_counts_only_if_it_is_a_state_of_ours(
    market: Market, position: StreamPosition, checksum: int | None, *, counts: bool
) -> None:
    """Any other is answered with a whole snapshot at once, as if nothing were held: no skipped, no repeat."""
    market.client()
    newest = first_snapshot(epoch=5)
    done(market.manager.broadcast(newest))
    for _ in range(2):
        newest = next_snapshot(newest)
        done(market.manager.broadcast(newest))
    client = HandClient(market.manager, 0)
    resume = {"BTCUSDT": HeldState(position, checksum)}
    done(market.manager.connect(client.ws, ["BTCUSDT"], interval_s=1, proto=2, resume=resume))
    messages = market.got(client)
    if counts and position == newest.position:
        assert messages == []
        return
    (message,) = messages
    assert (message["type"], message["seq"]) == ("snapshot", 3)
    assert message["skipped"] == (3 - position.seq - 1 if counts else 0)
    assert "repeat" not in message


def test_a_client_that_names_the_right_checksum_resumes(market: Market) -> None:
    """From any of the last snapshots; a delta follows the newest."""
    market.client()
    sums = [market.advance(1.0).checksum for _ in range(3)]
    client = HandClient(market.manager, 0)
    resume = {"BTCUSDT": HeldState(StreamPosition(1, 3), sums[2])}
    done(market.manager.connect(client.ws, ["BTCUSDT"], interval_s=1, proto=2, resume=resume))
    assert client.frames.messages(bytes(client.transport.arrived)) == []
    market.advance(1.0)
    (message,) = client.frames.messages(bytes(client.transport.arrived))
    assert (message["type"], message["prev_seq"]) == ("delta", 3)


def test_checksums_are_kept_of_the_last_snapshots_of_one_epoch_only(market: Market) -> None:
    """So that they cost little, and none is compared with an epoch's that is over."""
    for epoch in (1, 2):
        snapshot = first_snapshot(epoch=epoch)
        for _ in range(300):
            done(market.manager.broadcast(snapshot))
            snapshot = next_snapshot(snapshot, changed_share=0)
    kept = market.manager._hub._checksums["BTCUSDT"]
    assert (min(kept), max(kept)) == (45, 300)


def test_what_cannot_be_written_to_some_reaches_the_others(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that cannot be made costs its group one update; then it is sent all of it again."""
    market.clock.is_strict = False
    plain, deltas, late = market.client(proto=1), market.client(), market.client()
    market.advance(1.0)
    assert [len(market.got(client)) for client in (plain, deltas, late)] == [1, 1, 1]
    made, failures = EncodedSnapshot.frame, [ValueError("broken")]

    def frame(encoded: EncodedSnapshot, variant: Variant, **more: Any) -> bytes:
        if variant.shape is Shape.DELTA and failures:
            raise failures.pop()
        return made(encoded, variant, **more)

    monkeypatch.setattr(EncodedSnapshot, "frame", frame)
    snapshot = market.advance()
    assert [name for name, _ in market.clock.reported] == ["bucket"]
    market.clock.advance(5.0)
    for client in (plain, deltas, late):
        assert market.got(client)
        assert client.reader.last["BTCUSDT"] == snapshot.position
