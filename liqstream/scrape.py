"""What is read off the house when somebody scrapes /metrics: state that others keep, named and labelled here.

Labels come from fixed lists: followed symbols, configured exchanges, reasons of refusal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from liqstream.admission.door import Door
from liqstream.feeds.feed import FeedStatus
from liqstream.heatmap.latest import LiveMaps
from liqstream.store.market_store import MarketStore
from liqstream.ws.stats import BroadcastStats


@dataclass(frozen=True, slots=True)
class HouseCollector(Collector):
    """Answers a scrape from the running parts; register it once they have started."""

    door: Door
    stats: Callable[[], BroadcastStats]
    readiness: Callable[[], dict[str, Any]]
    maps: LiveMaps | None
    store: MarketStore | None
    feeds: Callable[[], dict[str, FeedStatus]]

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask before the parts have started."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every family, now."""
        yield from self._sockets()
        yield from self._heatmaps()
        yield from self._stored()
        yield from self._fed()

    def _sockets(self) -> Iterator[Metric]:
        stats = self.stats()
        yield _gauge("ws_connections", "Open sockets, subscribed or not.", stats.active_connections)
        yield _gauge("ws_slow_connections", "Sockets blocked just now.", stats.slow_consumers)
        yield _gauge("ws_pending_frames", "Snapshots that wait for a slow client.", stats.pending_snapshots)
        yield _counter("ws_sent_bytes", "Bytes of snapshots and deltas written.", stats.bytes_sent_total)
        yield _counter("ws_evictions", "Clients let go because they took nothing.", stats.evictions_total)
        yield _by(
            CounterMetricFamily("refusals", "Requests turned away at the door.", labels=["reason"]),
            self.door.refused(),
        )

    def _heatmaps(self) -> Iterator[Metric]:
        report = self.readiness()
        symbols = report["symbols"]
        yield _gauge("stream_ready", "1 while /ready says ready.", report["status"] == "ready")
        yield _gauge(
            "stream_leader",
            "1 while this server makes the stream.",
            report["role"] in ("standalone", "leader"),
        )
        for name, field, scale, text in (
            ("heatmap_source_age_seconds", "age_ms", 0.001, "Since a symbol's source last spoke."),
            ("heatmap_stale", "stale", 1, "1 while a symbol's source is stale."),
            ("heatmap_epoch", "epoch", 1, "The stream's epoch, UTC ms."),
            ("heatmap_seq", "seq", 1, "Snapshots produced in this epoch."),
        ):
            values = {symbol: state[field] for symbol, state in symbols.items()}
            known = {symbol: value * scale for symbol, value in values.items() if value is not None}
            yield _by(GaugeMetricFamily(name, text, labels=["symbol"]), known)
        if self.maps is not None:
            yield SummaryMetricFamily(
                "model_step_seconds",
                "Time in the model's thread per new map.",
                count_value=self.maps.steps,
                sum_value=self.maps.step_seconds,
            )

    def _stored(self) -> Iterator[Metric]:
        if self.store is None:
            return
        done = self.store.counters
        yield SummaryMetricFamily(
            "store_commit_seconds", "DuckDB commits.", count_value=done.commits, sum_value=done.commit_seconds
        )
        yield _counter("store_failed_commits", "Commits that did not succeed.", done.failed_commits)
        yield _counter("store_rows_written", "Rows written.", done.rows_written)
        yield _counter("store_rows_duplicate", "Rows known already.", done.rows_duplicate)
        yield _counter("store_rows_lost", "Rows given up.", done.rows_lost)
        yield _counter("store_recoveries", "Damaged write-ahead logs put aside.", done.recoveries)

    def _fed(self) -> Iterator[Metric]:
        feeds, now_s = self.feeds(), time.monotonic()
        heard = {
            name: now_s - feed.last_message_s
            for name, feed in feeds.items()
            if feed.last_message_s is not None
        }
        label = ["exchange"]
        yield _by(
            GaugeMetricFamily("feed_connected", "1 while a feed is connected.", labels=label),
            {name: float(feed.connected) for name, feed in feeds.items()},
        )
        yield _by(
            GaugeMetricFamily("feed_silence_seconds", "Since a feed's last message.", labels=label), heard
        )
        yield _by(
            CounterMetricFamily("feed_reconnects", "Reconnects of a feed.", labels=label),
            {name: feed.reconnects for name, feed in feeds.items()},
        )
        yield _by(
            CounterMetricFamily("feed_bad_messages", "Messages no sense could be made of.", labels=label),
            {name: feed.bad_messages for name, feed in feeds.items()},
        )
        yield _by(
            CounterMetricFamily("feed_unknown_messages", "Messages of a kind not known.", labels=label),
            {name: feed.unknown_messages for name, feed in feeds.items()},
        )
        yield _by(
            CounterMetricFamily("feed_duplicates", "Records a venue sent again.", labels=label),
            {name: feed.duplicates for name, feed in feeds.items()},
        )
        skews = {name: feed.clock_skew_ms for name, feed in feeds.items()}
        yield _by(
            GaugeMetricFamily(
                "feed_clock_skew_seconds", "How far our clock is ahead of a venue's.", labels=label
            ),
            {name: skew_ms / 1000 for name, skew_ms in skews.items() if skew_ms is not None},
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _by(family: Any, values: Any) -> Metric:
    """`family` with one sample per label value."""
    for label, value in values.items():
        family.add_metric([label], float(value))
    return family  # type: ignore[no-any-return]
