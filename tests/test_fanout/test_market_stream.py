"""liqstream/fanout/market_stream.py: the table to everybody who follows it, whole where they lack one."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.metrics import Metrics
from tests.support.frame_reader import FrameReader
from tests.support.hand_client import HandTransport
from tests.support.hand_clock import HandClock
from tests.support.market_tables import EPOCH, table


class Scanner:
    """A client of the stream, with what it was sent."""

    def __init__(self, manager: ConnectionManager, window_bits: int = 0) -> None:
        self.ws = web.WebSocketResponse(compress=False)
        self.ws._compress = window_bits
        self.transport = HandTransport()
        self.frames = FrameReader(window_bits or 15)
        self.connection = manager.attach(self.ws, self.transport)

    def read(self) -> list[dict[str, Any]]:
        arrived = bytes(self.transport.arrived)
        self.transport.arrived.clear()
        return self.frames.messages(arrived)

    def seqs(self) -> list[tuple[int, int | None]]:
        """(seq, prev_seq) of what came; None for a whole table."""
        return [(message["seq"], message.get("prev_seq")) for message in self.read()]


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"liqstream_markets_{name}", labels) or 0.0


async def test_a_client_gets_the_whole_and_then_what_changed() -> None:
    """At once where there is a table, else with the first; deflated or not, the same."""
    metrics, clock = Metrics(), HandClock()
    manager = ConnectionManager(timers=clock, metrics=metrics)
    early, late = Scanner(manager), Scanner(manager, window_bits=15)
    manager.markets.join(early.connection)
    assert early.read() == []
    manager.markets.offer(table(1, price=[1, 2]))
    manager.markets.join(late.connection)
    manager.markets.offer(table(2, price=[1, 3]))
    manager.markets.offer(table(2, price=[9, 9]))
    manager.markets.offer(table(1, price=[9, 9]))
    assert early.seqs() == late.seqs() == [(1, None), (2, 1)]
    manager.markets.join(late.connection)
    assert late.read() == []
    assert counted(metrics, "sent_total", kind="whole") == counted(metrics, "sent_total", kind="delta") == 2
    assert counted(metrics, "subscribers") == 2
    assert counted(metrics, "bytes_total") > 0
    stats = manager.get_stats()
    assert (stats.messages_sent_total, stats.dropped_total, stats.subscribed_connections) == (0, 0, 0)


async def test_how_much_of_a_past_is_there_is_read_off_the_newest_table() -> None:
    """Nothing without a table, of other markets, or once it is whole."""
    markets = ConnectionManager(timers=HandClock()).markets
    assert markets.history_percent("BTCUSDT") is None
    markets.offer(table(1, history_percent=[40, None]))
    assert [markets.history_percent(s) for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")] == [40, None, None]


async def test_who_was_blocked_ends_with_the_table_of_one_that_was_not() -> None:
    """The whole of the newest once it reads again; what it did not get is counted."""
    metrics = Metrics()
    manager = ConnectionManager(timers=HandClock(), metrics=metrics)
    blocked, other = Scanner(manager), Scanner(manager)
    for client in (blocked, other):
        manager.markets.join(client.connection)
    manager.markets.offer(table(1))
    blocked.transport.stalled = True
    for seq in (2, 3, 4):
        manager.markets.offer(table(seq, price=[seq, seq]))
    assert counted(metrics, "missed_total") == 2
    blocked.transport.read_all()
    manager.markets.offer(table(5, price=[5, 4]))
    assert other.seqs() == [(1, None), (2, 1), (3, 2), (4, 3), (5, 4)]
    assert blocked.seqs() == [(1, None), (2, 1), (4, None), (5, 4)]


async def test_everybody_gets_the_whole_now_and_then() -> None:
    """Every 60 s, in a new epoch, when a market comes, and who asks for it."""
    clock = HandClock()
    manager = ConnectionManager(timers=clock)
    one, two = Scanner(manager), Scanner(manager)
    for client in (one, two):
        manager.markets.join(client.connection)
    manager.markets.offer(table(1))
    clock.advance(59)
    manager.markets.offer(table(2))
    manager.markets.resync(two.connection)
    clock.advance(2)
    manager.markets.offer(table(3))
    manager.markets.offer(table(4))
    manager.markets.offer(table(5, symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT")))
    manager.markets.offer(table(1, epoch=EPOCH + 1))
    assert one.seqs() == [(1, None), (2, 1), (3, None), (4, 3), (5, None), (1, None)]
    assert two.seqs() == [(1, None), (2, 1), (2, None), (3, None), (4, 3), (5, None), (1, None)]


async def test_who_leaves_is_sent_no_more() -> None:
    """By unsubscribing, or by being gone."""
    metrics = Metrics()
    manager = ConnectionManager(timers=HandClock(), metrics=metrics)
    left, gone = Scanner(manager), Scanner(manager)
    for client in (left, gone):
        manager.markets.join(client.connection)
    assert manager.markets.leave(left.connection)
    assert not manager.markets.leave(left.connection)
    await manager.disconnect(gone.ws)
    manager.markets.offer(table(1))
    manager.markets.resync(left.connection)
    assert left.read() == gone.read() == []
    assert not manager.markets.follows(gone.connection)
    assert counted(metrics, "subscribers") == 0
