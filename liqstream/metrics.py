"""What is counted: one Prometheus registry per application, labels only from fixed lists.

Every name of ours begins with `liqstream_`, but for two that others rely on: `ws_active_connections` and
`ws_messages_sent_total`. Python and process keep the names they have in every Python server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from liqstream import __version__
from liqstream.symbols import ascii_symbol

NAMESPACE = "liqstream"
"""What our names begin with."""

MOST_SYMBOLS = 50
"""Of more, only those that somebody follows have series of their own."""
OTHER = "other"
"""The label under which the rest is summed; no symbol is in small letters."""

_BY_SYMBOL = ("symbol",)


class Metrics:
    """The application's metrics. `symbol` labels hold enabled symbols only, never what a client sent."""

    def __init__(self) -> None:
        # A `_created` series beside every counter would double their number and show nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.before_scrape: list[Callable[[], None]] = []
        """Called in a thread before each scrape: readers of what may take a while."""
        self.certificate_expiry_s: float | None = None
        """When the server's own certificate ends, Unix time; None without one."""
        build = Info("liqstream_build", "The version that runs.", registry=self.registry)
        build.info({"version": __version__})
        self._add_alerts(self.registry)
        self._add_sockets(self.registry)
        self._add_markets(self.registry)
        self._add_http(self.registry)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._add_fleet(self.registry)
        self._add_tasks(self.registry)
        self._add_push(self.registry)

    def _add_alerts(self, registry: CollectorRegistry) -> None:
        self.alerts_sent = Counter(
            "liqstream_alerts_sent_total",
            "Alerts delivered, by kind of target.",
            ["target"],
            registry=registry,
        )
        self.alerts_failed = Counter(
            "liqstream_alerts_failed_total", "Alerts that were not delivered.", ["target"], registry=registry
        )
        self.alerts_raised = Counter(
            "liqstream_alerts_raised_total", "Alerts raised here, by kind.", ["kind"], registry=registry
        )
        self.alerts_dropped = Counter(
            "liqstream_alerts_dropped_total",
            "Alerts of owners whose rules raised too many at once.",
            registry=registry,
        )
        self.alerts_not_kept = Counter(
            "liqstream_alerts_not_kept_total",
            "Alerts that are missing in the page's list of those raised.",
            registry=registry,
        )
        self.alert_rules = Gauge(
            "liqstream_alert_rules", "Rules set on the page, as this server knows them.", registry=registry
        )

    def _add_sockets(self, registry: CollectorRegistry) -> None:
        self.ws_active_connections = Gauge(
            "ws_active_connections", "Open sockets subscribed to a symbol.", _BY_SYMBOL, registry=registry
        )
        self.ws_messages_sent = Counter(
            "ws_messages_sent_total", "Snapshots and deltas written.", _BY_SYMBOL, registry=registry
        )
        self.ws_ticks_sent = Counter(
            "liqstream_ws_ticks_sent_total",
            "Ticks written; they are in no other count of messages.",
            _BY_SYMBOL,
            registry=registry,
        )
        self.ws_messages_dropped = Counter(
            "liqstream_ws_messages_dropped_total",
            "Snapshots replaced by a newer one before a slow client could take them.",
            _BY_SYMBOL,
            registry=registry,
        )
        self.ws_slow_consumers = Counter(
            "liqstream_ws_slow_consumers_total", "SLOW_CONSUMER warnings.", _BY_SYMBOL, registry=registry
        )
        self.ws_broadcast_duration = Histogram(
            "liqstream_ws_broadcast_duration_seconds",
            "Time to write an update of one interval to all its clients, or to write to one alone.",
            _BY_SYMBOL,
            registry=registry,
            buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        self.ws_disconnects = Counter(
            "liqstream_ws_disconnects_total",
            "Sockets that ended, by close code.",
            ["code"],
            registry=registry,
        )
        self.last_broadcast = Gauge(
            "liqstream_ws_last_broadcast_timestamp_seconds",
            "When a symbol's last new snapshot was broadcast, Unix time.",
            _BY_SYMBOL,
            registry=registry,
        )
        self.epochs_not_kept = Counter(
            "liqstream_epochs_not_kept_total",
            "Epochs that could not be written to the file beside the database.",
            registry=registry,
        )
        self._by_symbol = (
            self.ws_active_connections,
            self.ws_messages_sent,
            self.ws_ticks_sent,
            self.ws_messages_dropped,
            self.ws_slow_consumers,
            self.ws_broadcast_duration,
        )

    def _add_markets(self, registry: CollectorRegistry) -> None:
        self.markets_followed = Gauge(
            "liqstream_markets_followed", "Markets that are followed now.", registry=registry
        )
        self.markets_subscribers = Gauge(
            "liqstream_markets_subscribers", "Open sockets sent the table of markets.", registry=registry
        )
        self.markets_sent = Counter(
            "liqstream_markets_sent_total",
            "Tables of markets written, whole or as changes.",
            ["kind"],
            registry=registry,
        )
        for kind in ("whole", "delta"):
            self.markets_sent.labels(kind)
        self.markets_bytes = Counter(
            "liqstream_markets_bytes_total", "Bytes of tables of markets written.", registry=registry
        )
        self.markets_missed = Counter(
            "liqstream_markets_missed_total",
            "Tables of markets that a blocked client did not get; it is sent the whole of a later one.",
            registry=registry,
        )

    def _add_http(self, registry: CollectorRegistry) -> None:
        self.event_loop_lag = Histogram(
            "liqstream_event_loop_lag_seconds",
            "How much later than asked for the event loop came back.",
            registry=registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )
        self.http_requests = Counter(
            "liqstream_http_requests_total",
            "HTTP requests, by route template and status; 499 is a client that left before its answer.",
            ["route", "status"],
            registry=registry,
        )
        self.http_duration = Histogram(
            "liqstream_http_request_duration_seconds",
            "From a request's headers to its answer, sockets left out.",
            ["route"],
            registry=registry,
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )

    def _add_tasks(self, registry: CollectorRegistry) -> None:
        self.task_failures = Counter(
            "liqstream_task_failures_total",
            "Failures of background tasks and timers, which are begun anew.",
            ["task"],
            registry=registry,
        )

    def _add_fleet(self, registry: CollectorRegistry) -> None:
        self.redis_up = Gauge("liqstream_redis_up", "1 while Redis answers.", registry=registry)
        self.redis_leader = Gauge(
            "liqstream_redis_leader", "1 while this server generates.", registry=registry
        )
        self.redis_led = Gauge(
            "liqstream_redis_led", "1 while some server of this server's fleet leads.", registry=registry
        )
        self.redis_fallback = Gauge(
            "liqstream_redis_fallback", "1 while this server serves without its fleet.", registry=registry
        )
        self.redis_lost = Counter("liqstream_redis_lost_total", "Times Redis was lost.", registry=registry)
        self.redis_published = Counter(
            "liqstream_redis_published_total", "Snapshots published.", registry=registry
        )
        self.redis_received = Counter(
            "liqstream_redis_received_total", "Snapshots taken from Redis.", ["symbol"], registry=registry
        )
        self.redis_garbage = Counter(
            "liqstream_redis_garbage_total", "Payloads from Redis that were no snapshot.", registry=registry
        )
        self.redis_publish_duration = Histogram(
            "liqstream_redis_publish_duration_seconds",
            "One tick's publication.",
            registry=registry,
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
        )

    def _add_push(self, registry: CollectorRegistry) -> None:
        self.push_messages = Counter(
            "liqstream_push_messages_total",
            "Push messages by outcome: sent, gone (the device is forgotten), refused, failed, dropped.",
            ["outcome"],
            registry=registry,
        )
        self.push_retries = Counter(
            "liqstream_push_retries_total", "Push messages that were tried again.", registry=registry
        )

    def show_followers(self, symbol: str, count: int) -> None:
        """Show how many sockets follow a symbol."""
        self.ws_active_connections.labels(ascii_symbol(symbol)).set(count)

    def count_slow_consumer(self, symbol: str) -> None:
        """Count a client of a symbol that reads too slowly."""
        self.ws_slow_consumers.labels(ascii_symbol(symbol)).inc()

    def count_received(self, symbol: str) -> None:
        """Count a snapshot that came through Redis."""
        self.redis_received.labels(ascii_symbol(symbol)).inc()

    def expect(self, symbols: Iterable[str], close_codes: Iterable[str]) -> None:
        """Start these series at 0: one that appears with its first event hides that event from `rate()`.

        Of more than MOST_SYMBOLS symbols a series begins when somebody follows its symbol.
        """
        names = tuple(symbols)
        for symbol in names if len(names) <= MOST_SYMBOLS else ():
            for family in self._by_symbol:
                family.labels(ascii_symbol(symbol))
        for code in close_codes:
            self.ws_disconnects.labels(code)

    def forget(self, symbol: str) -> None:
        """End the series of a symbol that is followed no more."""
        for family in (*self._by_symbol, self.last_broadcast, self.redis_received):
            with suppress(KeyError):
                family.remove(ascii_symbol(symbol))
