"""The stats say what happened in the last minute and in all."""

from __future__ import annotations

from liqstream.metrics import Metrics
from liqstream.ws.stats import BroadcastStats, Traffic


def told(traffic: Traffic) -> BroadcastStats:
    return traffic.stats(
        active_connections=0,
        subscribed_connections=0,
        subscriptions_by_symbol={},
        slow_consumers=0,
        pending_snapshots=0,
        groups=0,
    )


def test_a_minute_forgets() -> None:
    """What is older than 60 s counts in the totals only."""
    now = [0.0]
    traffic = Traffic(lambda: now[0], Metrics())
    traffic.add_sent(["BTCUSDT", "ETHUSDT"], clients=10, size_bytes=500)
    traffic.add_dropped("BTCUSDT")
    now[0] = 59.0
    assert (told(traffic).messages_sent_1m, told(traffic).bytes_sent_1m, told(traffic).dropped_1m) == (
        20,
        5000,
        1,
    )
    now[0] = 61.0
    stats = told(traffic)
    assert (stats.messages_sent_1m, stats.bytes_sent_1m, stats.dropped_1m) == (0, 0, 0)
    assert (stats.messages_sent_total, stats.bytes_sent_total, stats.dropped_total) == (20, 5000, 1)
    assert stats.messages_sent_by_symbol == {"BTCUSDT": 10, "ETHUSDT": 10}


def test_quantiles_of_broadcasts() -> None:
    """None before the first broadcast; then the middle one and one of the slowest."""
    traffic = Traffic(lambda: 0.0, Metrics())
    assert told(traffic).broadcast_ms_p50 is None
    for milliseconds in range(1, 101):
        traffic.add_duration(milliseconds / 1000)
    assert (told(traffic).broadcast_ms_p50, told(traffic).broadcast_ms_p95) == (51, 96)
