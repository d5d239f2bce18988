"""The metrics of state that other parts keep, read from them when /metrics is scraped.

Labels come from fixed lists: followed symbols, configured exchanges, reasons of refusal.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from liqstream.admission.policy import AdmissionPolicy
from liqstream.fanout.stats import BroadcastStats
from liqstream.feeds.feed import FeedStatus
from liqstream.fleet.roles import NodeRole
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.metrics import MOST_SYMBOLS, NAMESPACE, OTHER
from liqstream.store.market_store import MarketStore
from liqstream.store.store_files import StoreFiles
from liqstream.symbols import ascii_symbol


@dataclass(frozen=True, slots=True)
class StateCollector(Collector):
    """Collects at each scrape from the running parts; register it once they have started.

    `maps`, `store` and its `files` are None on a server that only fans out; `files` are read before.
    """

    admission: AdmissionPolicy
    stats: Callable[[], BroadcastStats]
    readiness: Callable[[], dict[str, Any]]
    maps: LiveMaps | None
    store: MarketStore | None
    files: StoreFiles | None
    feeds: Callable[[], dict[str, FeedStatus]]
    certificate_expiry_s: Callable[[], float | None]

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask before the parts have started."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every family, now."""
        yield from self._sockets()
        report = self.readiness()
        yield from self._heatmaps(report)
        yield from self._store(has_many=len(report["symbols"]) > MOST_SYMBOLS)
        yield from self._files()
        yield from self._feeds()

    def _sockets(self) -> Iterator[Metric]:
        stats = self.stats()
        yield _gauge("liqstream_ws_connections", "Open sockets, subscribed or not.", stats.active_connections)
        yield _gauge("liqstream_ws_slow_connections", "Sockets blocked just now.", stats.slow_consumers)
        yield _gauge(
            "liqstream_ws_pending_frames", "Snapshots that wait for a slow client.", stats.pending_snapshots
        )
        yield _counter(
            "liqstream_ws_sent_bytes", "Bytes of snapshots and deltas written.", stats.bytes_sent_total
        )
        yield _counter(
            "liqstream_ws_evictions", "Clients let go because they took nothing.", stats.evictions_total
        )
        yield _by(
            CounterMetricFamily(
                "liqstream_refusals", "Requests refused by the admission policy.", labels=["reason"]
            ),
            self.admission.refused(),
        )

    def _heatmaps(self, report: dict[str, Any]) -> Iterator[Metric]:
        own, others = self._with_series(report["symbols"])
        yield _gauge("liqstream_stream_ready", "1 while /ready says ready.", report["status"] == "ready")
        yield _gauge(
            "liqstream_stream_leader",
            "1 while this server makes the stream.",
            report["role"] in (NodeRole.STANDALONE, NodeRole.LEADER),
        )
        age = "Since a symbol's source last spoke."
        for name, field, scale, text, joined in (
            ("liqstream_heatmap_source_age_seconds", "age_ms", 0.001, age, max),
            ("liqstream_heatmap_stale", "stale", 1, "1 while a symbol's source is stale.", sum),
            ("liqstream_heatmap_epoch", "epoch", 1, "The stream's epoch, UTC ms.", max),
            ("liqstream_heatmap_seq", "seq", 1, "Snapshots produced in this epoch.", sum),
        ):
            values = {ascii_symbol(symbol): state[field] for symbol, state in own.items()}
            known = {symbol: value * scale for symbol, value in values.items() if value is not None}
            rest = [state[field] * scale for state in others.values() if state[field] is not None]
            yield _by(
                GaugeMetricFamily(name, text, labels=["symbol"]),
                known | ({OTHER: joined(rest)} if rest else {}),
            )
        if self.maps is not None:
            steps, seconds = self.maps.steps
            yield SummaryMetricFamily(
                "liqstream_model_step_seconds",
                "Time in the model's thread per new map.",
                count_value=steps,
                sum_value=seconds,
            )

    def _with_series(self, by_symbol: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of many symbols those that are followed by clients, and the rest; of few all, and none."""
        if len(by_symbol) <= MOST_SYMBOLS:
            return by_symbol, {}
        watched = self.stats().subscriptions_by_symbol
        own = {symbol: state for symbol, state in by_symbol.items() if symbol in watched}
        return own, {symbol: state for symbol, state in by_symbol.items() if symbol not in watched}

    def _store(self, *, has_many: bool) -> Iterator[Metric]:
        if self.store is None:
            return
        done = self.store.counters
        yield SummaryMetricFamily(
            "liqstream_store_commit_seconds",
            "DuckDB commits.",
            count_value=done.commits,
            sum_value=done.commit_seconds,
        )
        yield _counter("liqstream_store_failed_commits", "Commits that did not succeed.", done.failed_commits)
        yield _counter(
            "liqstream_store_failed_backups", "Backups that could not be written.", done.failed_backups
        )
        yield _counter("liqstream_store_rows_written", "Rows written.", done.rows_written)
        yield _counter("liqstream_store_rows_duplicate", "Rows known already.", done.rows_duplicate)
        yield _counter("liqstream_store_rows_lost", "Rows given up.", done.rows_lost)
        yield _counter(
            "liqstream_store_recoveries", "Damaged files and write-ahead logs put aside.", done.recoveries
        )
        refused = CounterMetricFamily(
            "liqstream_records_refused",
            "Records that no market can have sent, and stored rows left out.",
            labels=["exchange", "symbol", "kind", "reason"],
        )
        for refusal, count in _counts(self.store.guard.refused, has_many=has_many).items():
            refused.add_metric([ascii_symbol(each) for each in refusal], count)
        yield refused
        unjudged = CounterMetricFamily(
            "liqstream_records_unjudged",
            "Records taken with no price or open interest of the last ten minutes to judge them by.",
            labels=["exchange", "symbol", "kind"],
        )
        for labels, count in _counts(self.store.guard.unjudged, has_many=has_many).items():
            unjudged.add_metric([ascii_symbol(each) for each in labels], count)
        yield unjudged

    def _files(self) -> Iterator[Metric]:
        files = self.files or StoreFiles(Path())
        for name, text, value in (
            ("store_size_bytes", "The database with its write-ahead log.", files.size_bytes),
            ("store_disk_free_bytes", "Free on the database's disk.", files.free_bytes),
            (
                "last_backup_timestamp_seconds",
                "When the newest file in the folder of backups was written, Unix time.",
                files.last_backup_s,
            ),
            (
                "tls_certificate_expiry_timestamp_seconds",
                "When the server's own certificate ends, Unix time.",
                self.certificate_expiry_s(),
            ),
        ):
            yield GaugeMetricFamily(f"{NAMESPACE}_{name}", text, value=value)

    def _feeds(self) -> Iterator[Metric]:
        feeds, now_s = self.feeds(), time.monotonic()
        silence_s = {
            name: now_s - feed.last_message_s
            for name, feed in feeds.items()
            if feed.last_message_s is not None
        }
        label = ["exchange"]
        yield _by(
            GaugeMetricFamily("liqstream_feed_connected", "1 while a feed is connected.", labels=label),
            {name: float(feed.connected) for name, feed in feeds.items()},
        )
        yield _by(
            GaugeMetricFamily("liqstream_feed_silence_seconds", "Since a feed's last message.", labels=label),
            silence_s,
        )
        yield _by(
            CounterMetricFamily("liqstream_feed_reconnects", "Reconnects of a feed.", labels=label),
            {name: feed.reconnects for name, feed in feeds.items()},
        )
        yield _by(
            CounterMetricFamily(
                "liqstream_feed_bad_messages", "Messages no sense could be made of.", labels=label
            ),
            {name: feed.bad_messages for name, feed in feeds.items()},
        )
        yield _by(
            CounterMetricFamily(
                "liqstream_feed_unknown_messages", "Messages of a kind not known.", labels=label
            ),
            {name: feed.unknown_messages for name, feed in feeds.items()},
        )
        yield _by(
            CounterMetricFamily(
                "liqstream_feed_lost_items", "Items of messages that could not be read.", labels=label
            ),
            {name: feed.lost_items for name, feed in feeds.items()},
        )
        yield _by(
            CounterMetricFamily("liqstream_feed_duplicates", "Records a venue sent again.", labels=label),
            {name: feed.duplicates for name, feed in feeds.items()},
        )
        tries = {name: feed.next_try_ms for name, feed in feeds.items() if feed.next_try_ms is not None}
        yield _by(
            GaugeMetricFamily(
                "liqstream_feed_next_try_timestamp_seconds",
                "When what fails at a feed is tried again.",
                labels=label,
            ),
            {name: next_ms / 1000 for name, next_ms in tries.items()},
        )
        skews = {name: feed.clock_skew_ms for name, feed in feeds.items()}
        yield _by(
            GaugeMetricFamily(
                "liqstream_feed_clock_skew_seconds", "How far our clock is ahead of a venue's.", labels=label
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


def _counts(counts: Mapping[Any, int], *, has_many: bool) -> dict[tuple[str, ...], int]:
    """Counts by exchange, symbol and more; of many symbols all under one: no count may change its series."""
    if not has_many:
        return dict(counts)
    found: Counter[tuple[str, ...]] = Counter()
    for (exchange, _, *more), count in counts.items():
        found[exchange, OTHER, *more] += count
    return found
