"""State that other parts keep, as a scrape shows it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from liqstream.admission.policy import AdmissionPolicy
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.feeds.feed import FeedStatus
from liqstream.server.state_metrics import StateCollector
from liqstream.settings.table import Settings
from liqstream.store.store_files import StoreFiles


def registered(
    admission: AdmissionPolicy,
    report: dict[str, Any],
    *,
    files: StoreFiles | None = None,
    expiry_s: float | None = None,
    watched: dict[str, int] | None = None,
    **feeds: FeedStatus,
) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(
        StateCollector(
            admission=admission,
            stats=lambda: replace(ConnectionManager().get_stats(), subscriptions_by_symbol=watched or {}),
            readiness=lambda: report,
            maps=None,
            store=None,
            files=files,
            feeds=lambda: feeds,
            certificate_expiry_s=lambda: expiry_s,
        )
    )
    return registry


async def test_a_scrape_shows_the_state_of_that_moment() -> None:
    """Readiness, symbols, feeds, refusals: what is not known has no sample."""
    admission = AdmissionPolicy(Settings())
    symbols = {
        "BTCUSDT": {"age_ms": 1500, "stale": False, "epoch": 7, "seq": 3},
        "ETHUSDT": {"age_ms": None, "stale": True, "epoch": None, "seq": None},
    }
    report: dict[str, Any] = {"status": "ready", "role": "standalone", "symbols": symbols}
    feed = FeedStatus(connected=True, last_message_s=time.monotonic() - 5, reconnects=2, bad_messages=4)
    value = registered(admission, report, binance=feed, okx=FeedStatus(clock_skew_ms=250.0)).get_sample_value
    assert (
        value("liqstream_stream_ready"),
        value("liqstream_stream_leader"),
        value("liqstream_ws_connections"),
    ) == (1, 1, 0)
    bitcoin, ether = {"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}
    assert value("liqstream_heatmap_source_age_seconds", bitcoin) == 1.5
    assert (value("liqstream_heatmap_epoch", bitcoin), value("liqstream_heatmap_seq", bitcoin)) == (7, 3)
    assert (value("liqstream_heatmap_stale", ether), value("liqstream_heatmap_epoch", ether)) == (1, None)
    binance, okx = {"exchange": "binance"}, {"exchange": "okx"}
    assert (value("liqstream_feed_connected", binance), value("liqstream_feed_connected", okx)) == (1, 0)
    assert (
        value("liqstream_feed_reconnects_total", binance),
        value("liqstream_feed_bad_messages_total", binance),
    ) == (2, 4)
    assert 5 <= (value("liqstream_feed_silence_seconds", binance) or 0) < 60
    assert value("liqstream_feed_silence_seconds", okx) is None
    assert value("liqstream_feed_clock_skew_seconds", okx) == 0.25
    assert value("liqstream_refusals_total", {"reason": "headers_late"}) == 0
    admission.deadline.closed = 2
    assert value("liqstream_refusals_total", {"reason": "headers_late"}) == 2
    report |= {"status": "degraded", "role": "follower"}
    assert (value("liqstream_stream_ready"), value("liqstream_stream_leader")) == (0, 0)


async def test_files_and_certificate_are_shown_once_they_are_known() -> None:
    """A family without a value has no sample: 0 would be a disk that is full, a backup of 1970."""
    report: dict[str, Any] = {"status": "ready", "role": "standalone", "symbols": {}}
    names = (
        "liqstream_store_size_bytes",
        "liqstream_store_disk_free_bytes",
        "liqstream_last_backup_timestamp_seconds",
        "liqstream_tls_certificate_expiry_timestamp_seconds",
    )
    files = StoreFiles(Path("x.duckdb"))
    for known in (None, files):
        value = registered(AdmissionPolicy(Settings()), report, files=known).get_sample_value
        assert [value(name) for name in names] == [None] * 4
    files.size_bytes, files.free_bytes, files.last_backup_s = 0, 2, 3.5
    value = registered(AdmissionPolicy(Settings()), report, files=files, expiry_s=4.0).get_sample_value
    assert [value(name) for name in names] == [0, 2, 3.5, 4]


async def test_of_many_symbols_only_watched_ones_have_series_of_their_own() -> None:
    """The rest is one: how many are stale, the oldest age, all snapshots; of fifty each has its own."""

    def scraped(count: int, **watched: int) -> dict[str, dict[str, float]]:
        symbols = {
            f"C{number}USDT": {"age_ms": 1000 * number, "stale": number >= 40, "epoch": 5, "seq": 2}
            for number in range(count)
        }
        report = {"symbols": symbols, "status": "ready", "role": "standalone"}
        found: dict[str, dict[str, float]] = {}
        for family in registered(AdmissionPolicy(Settings()), report, watched=watched).collect():
            for sample in family.samples:
                if "symbol" in sample.labels:
                    found.setdefault(sample.name, {})[sample.labels["symbol"]] = sample.value
        return found

    few, many = scraped(50, C3USDT=1), scraped(60)
    assert len(few["liqstream_heatmap_stale"]) == 50
    assert {name: values["other"] for name, values in many.items()} == {
        "liqstream_heatmap_source_age_seconds": 59.0,
        "liqstream_heatmap_stale": 20.0,
        "liqstream_heatmap_epoch": 5.0,
        "liqstream_heatmap_seq": 120.0,
    }
    assert all(len(values) == 1 for values in many.values())
    own = scraped(60, C3USDT=1, C45USDT=2)["liqstream_heatmap_stale"]
    assert own == {"C3USDT": 0.0, "C45USDT": 1.0, "other": 19.0}
