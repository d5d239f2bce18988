"""What is counted: one Prometheus registry per application, labels only from fixed lists."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)


class Metrics:
    """The application's metrics. `symbol` labels hold enabled symbols only, never what a client sent."""

    def __init__(self) -> None:
        # A `_created` series beside every counter would double their number and tell nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        by_symbol = ["symbol"]
        self.alerts_sent = Counter(
            "alerts_sent_total", "Alerts delivered, by kind of target.", ["target"], registry=self.registry
        )
        self.alerts_failed = Counter(
            "alerts_failed_total", "Alerts that were not delivered.", ["target"], registry=self.registry
        )
        self.ws_active_connections = Gauge(
            "ws_active_connections", "Open sockets subscribed to a symbol.", by_symbol, registry=self.registry
        )
        self.ws_messages_sent = Counter(
            "ws_messages_sent_total", "Snapshots and deltas written.", by_symbol, registry=self.registry
        )
        self.ws_messages_dropped = Counter(
            "ws_messages_dropped_total",
            "Snapshots replaced by a newer one before a slow client could take them.",
            by_symbol,
            registry=self.registry,
        )
        self.ws_slow_consumers = Counter(
            "ws_slow_consumers_total", "SLOW_CONSUMER warnings.", by_symbol, registry=self.registry
        )
        self.ws_broadcast_duration = Histogram(
            "ws_broadcast_duration_seconds",
            "From a snapshot's arrival at broadcast() to its last write.",
            by_symbol,
            registry=self.registry,
            buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        self.ws_disconnects = Counter(
            "ws_disconnects_total", "Sockets that ended, by close code.", ["code"], registry=self.registry
        )
        self.last_broadcast = Gauge(
            "ws_last_broadcast_timestamp_seconds",
            "When a symbol's last new snapshot was broadcast, Unix time.",
            by_symbol,
            registry=self.registry,
        )
        self.event_loop_lag = Histogram(
            "event_loop_lag_seconds",
            "How much later than asked for the event loop came back.",
            registry=self.registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )
        self.http_requests = Counter(
            "http_requests_total",
            "HTTP requests answered, by route template and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self.http_duration = Histogram(
            "http_request_duration_seconds",
            "From a request's headers to its answer, sockets left out.",
            ["route"],
            registry=self.registry,
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self._by_symbol = (
            self.ws_active_connections,
            self.ws_messages_sent,
            self.ws_messages_dropped,
            self.ws_slow_consumers,
            self.ws_broadcast_duration,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._add_fleet()

    def _add_fleet(self) -> None:
        registry = self.registry
        self.redis_up = Gauge("redis_up", "1 while Redis answers.", registry=registry)
        self.redis_leader = Gauge("redis_leader", "1 while this server generates.", registry=registry)
        self.redis_fallback = Gauge(
            "redis_fallback", "1 while this server serves without its fleet.", registry=registry
        )
        self.redis_lost = Counter("redis_lost_total", "Times Redis was lost.", registry=registry)
        self.redis_published = Counter("redis_published_total", "Snapshots published.", registry=registry)
        self.redis_received = Counter(
            "redis_received_total", "Snapshots taken from Redis.", ["symbol"], registry=registry
        )
        self.redis_garbage = Counter(
            "redis_garbage_total", "Payloads from Redis that were no snapshot.", registry=registry
        )
        self.redis_publish_duration = Histogram(
            "redis_publish_duration_seconds",
            "One tick's publication.",
            registry=registry,
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
        )

    def expect(self, symbols: Iterable[str], close_codes: Iterable[str]) -> None:
        """Start these series at 0: one that appears with its first event hides that event from `rate()`."""
        for symbol in symbols:
            for family in self._by_symbol:
                family.labels(symbol)
        for code in close_codes:
            self.ws_disconnects.labels(code)
