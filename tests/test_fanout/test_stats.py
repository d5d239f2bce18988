"""The stats say what happened in the last minute and in all."""

from __future__ import annotations

import time

from liqstream.fanout.stats import BroadcastStats, Traffic, WriteTimes
from liqstream.metrics import Metrics


def stats_of(traffic: Traffic) -> BroadcastStats:
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
    assert (
        stats_of(traffic).messages_sent_1m,
        stats_of(traffic).bytes_sent_1m,
        stats_of(traffic).dropped_1m,
    ) == (
        20,
        5000,
        1,
    )
    now[0] = 61.0
    stats = stats_of(traffic)
    assert (stats.messages_sent_1m, stats.bytes_sent_1m, stats.dropped_1m) == (0, 0, 0)
    assert (stats.messages_sent_total, stats.bytes_sent_total, stats.dropped_total) == (20, 5000, 1)
    assert stats.messages_sent_by_symbol == {"BTCUSDT": 10, "ETHUSDT": 10}


def test_quantiles_of_writes() -> None:
    """None before the first write; then the middle one and one of the slowest."""
    traffic = Traffic(lambda: 0.0, Metrics())
    assert stats_of(traffic).broadcast_ms_p50 is None
    for milliseconds in range(1, 101):
        times = WriteTimes()
        times.by_symbol, times.total_s = {"BTCUSDT": 0.0}, milliseconds / 1000
        traffic.add_write(times)
    assert (stats_of(traffic).broadcast_ms_p50, stats_of(traffic).broadcast_ms_p95) == (51, 96)


def test_a_symbol_is_charged_with_its_own_writes() -> None:
    """Not with those of others between them; what wrote nothing counts as nothing."""
    metrics = Metrics()
    traffic = Traffic(lambda: 0.0, metrics)
    times = WriteTimes()
    time.sleep(0.005)
    times.add(["BTCUSDT"])
    time.sleep(0.01)
    times.add(["ETHUSDT", "SOLUSDT"])
    times.add([])
    bitcoin, ether, solana = (times.by_symbol[each] for each in ("BTCUSDT", "ETHUSDT", "SOLUSDT"))
    assert bitcoin + ether <= times.total_s
    assert ether == solana >= 0.01
    traffic.add_write(WriteTimes())
    assert stats_of(traffic).broadcast_ms_p50 is None
    traffic.add_write(times)
    name = "liqstream_ws_broadcast_duration_seconds_sum"
    assert metrics.registry.get_sample_value(name, {"symbol": "BTCUSDT"}) == bitcoin
