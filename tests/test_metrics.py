"""The registry of one application: its series start at 0, and two applications share nothing."""

from __future__ import annotations

from liqstream import __version__
from liqstream.metrics import Metrics


def test_expected_series_start_at_0() -> None:
    """One that appears with its first event hides that event from `rate()`."""
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    assert value("ws_messages_sent_total", {"symbol": "BTCUSDT"}) is None
    metrics.expect(["BTCUSDT"], ["4000"])
    for name in ("ws_active_connections", "ws_messages_sent_total", "liqstream_ws_messages_dropped_total"):
        assert value(name, {"symbol": "BTCUSDT"}) == 0
    assert value("liqstream_ws_broadcast_duration_seconds_count", {"symbol": "BTCUSDT"}) == 0
    assert value("liqstream_ws_disconnects_total", {"code": "4000"}) == 0


def test_every_application_has_a_registry_of_its_own() -> None:
    """What one counts the other does not show."""
    one, two = Metrics(), Metrics()
    one.redis_lost.inc()
    counts = [each.registry.get_sample_value("liqstream_redis_lost_total") for each in (one, two)]
    assert counts == [1, 0]


def test_the_process_and_its_memory_are_measured() -> None:
    """What Prometheus' own dashboards show."""
    assert (Metrics().registry.get_sample_value("process_resident_memory_bytes") or 0) > 0


def test_the_version_is_a_label() -> None:
    """As a label: which servers have been brought forward is one query."""
    labels = {"version": __version__}
    assert Metrics().registry.get_sample_value("liqstream_build_info", labels) == 1
