"""What is counted: one Prometheus registry per application, labels only from fixed lists."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The application's metrics. `symbol` labels hold enabled symbols only, never what a client sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        by_symbol = ["symbol"]
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
