"""What the fan-out did: totals, the last minute, and how long its writes take."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from liqstream.metrics import Metrics
from liqstream.symbols import ascii_symbol

_WINDOW_S = 60
_KEPT_DURATIONS = 1024


@dataclass(frozen=True, slots=True)
class BroadcastStats:
    """The fan-out at one moment. `*_1m` covers the last 60 s, the other counts the process's life.

    `slow_consumers` are connections blocked for longer than WS_SLOW_CONSUMER_TIMEOUT right now.
    """

    active_connections: int
    messages_sent_1m: int
    slow_consumers: int
    subscriptions_by_symbol: dict[str, int]
    subscribed_connections: int = 0
    pending_snapshots: int = 0
    groups: int = 0
    messages_sent_total: int = 0
    messages_sent_by_symbol: dict[str, int] = field(default_factory=dict)
    messages_sent_1m_by_symbol: dict[str, int] = field(default_factory=dict)
    bytes_sent_1m: int = 0
    bytes_sent_total: int = 0
    dropped_1m: int = 0
    dropped_total: int = 0
    dropped_by_symbol: dict[str, int] = field(default_factory=dict)
    slow_consumer_warnings_total: int = 0
    evictions_total: int = 0
    broadcast_ms_p50: float | None = None
    broadcast_ms_p95: float | None = None


class _Minute:
    """Sums over the last 60 seconds, in cells of one second, by name."""

    def __init__(self) -> None:
        self._cells: deque[tuple[int, Counter[str]]] = deque()

    def add(self, now_s: float, name: str, count: int) -> None:
        """Count now; `now_s` never decreases."""
        second = int(now_s)
        if not self._cells or self._cells[-1][0] != second:
            self._cells.append((second, Counter()))
        self._cells[-1][1][name] += count

    def totals(self, now_s: float) -> Counter[str]:
        """The sums by name; what is older is forgotten."""
        while self._cells and self._cells[0][0] <= now_s - _WINDOW_S:
            self._cells.popleft()
        total: Counter[str] = Counter()
        for _, cell in self._cells:
            total.update(cell)
        return total


class WriteTimes:
    """The seconds that writes took, one after the other: a symbol is charged with those it was part of."""

    def __init__(self) -> None:
        self._last_s = time.perf_counter()
        self.by_symbol: dict[str, float] = {}
        self.total_s = 0.0

    def add(self, symbols: Iterable[str]) -> None:
        """Charge `symbols` with the time since the last call; of none, nobody is."""
        now_s = time.perf_counter()
        spent_s, self._last_s = now_s - self._last_s, now_s
        for symbol in symbols:
            self.by_symbol[symbol] = self.by_symbol.get(symbol, 0.0) + spent_s
        self.total_s += spent_s


class Traffic:
    """Counts what is sent and dropped, here and in the metrics. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], metrics: Metrics) -> None:
        self._clock = clock  # monotonic, in seconds
        self._metrics = metrics  # counts the same for Prometheus
        self.sent: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.bytes_sent = 0
        self.warnings = 0
        self.evictions = 0
        self._sent_minute = _Minute()  # messages, by symbol
        self._dropped_minute = _Minute()  # snapshots, by symbol
        self._bytes_minute = _Minute()  # bytes, under the empty name
        self._durations_s: deque[float] = deque(maxlen=_KEPT_DURATIONS)  # newest last

    def add_sent(self, symbols: tuple[str, ...] | list[str], *, clients: int, size_bytes: int) -> None:
        """Count one buffer of `size_bytes`, holding a message of each symbol, written to `clients`."""
        now = self._clock()
        for symbol in symbols:
            self.sent[symbol] += clients
            self._sent_minute.add(now, symbol, clients)
            self._metrics.ws_messages_sent.labels(ascii_symbol(symbol)).inc(clients)
        self.bytes_sent += size_bytes * clients
        self._bytes_minute.add(now, "", size_bytes * clients)

    def add_dropped(self, symbol: str) -> None:
        """Count one snapshot replaced before a client could take it."""
        self.dropped[symbol] += 1
        self._dropped_minute.add(self._clock(), symbol, 1)
        self._metrics.ws_messages_dropped.labels(ascii_symbol(symbol)).inc()

    def add_write(self, times: WriteTimes) -> None:
        """Count how long one update of a bucket took, or what one client was sent alone; nothing if empty."""
        if times.by_symbol:
            self._durations_s.append(times.total_s)
        for symbol, seconds in times.by_symbol.items():
            self._metrics.ws_broadcast_duration.labels(ascii_symbol(symbol)).observe(seconds)

    def _quantile_ms(self, share: float) -> float | None:
        if not self._durations_s:
            return None
        ordered = sorted(self._durations_s)
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    def stats(
        self,
        *,
        active_connections: int,
        subscribed_connections: int,
        subscriptions_by_symbol: dict[str, int],
        slow_consumers: int,
        pending_snapshots: int,
        groups: int,
    ) -> BroadcastStats:
        """The counts of now, with what only the manager knows."""
        now = self._clock()
        sent_1m = self._sent_minute.totals(now)
        return BroadcastStats(
            active_connections=active_connections,
            messages_sent_1m=sent_1m.total(),
            slow_consumers=slow_consumers,
            subscriptions_by_symbol=subscriptions_by_symbol,
            subscribed_connections=subscribed_connections,
            pending_snapshots=pending_snapshots,
            groups=groups,
            messages_sent_total=self.sent.total(),
            messages_sent_by_symbol=dict(self.sent),
            messages_sent_1m_by_symbol=dict(sent_1m),
            bytes_sent_1m=self._bytes_minute.totals(now).total(),
            bytes_sent_total=self.bytes_sent,
            dropped_1m=self._dropped_minute.totals(now).total(),
            dropped_total=self.dropped.total(),
            dropped_by_symbol=dict(self.dropped),
            slow_consumer_warnings_total=self.warnings,
            evictions_total=self.evictions,
            broadcast_ms_p50=self._quantile_ms(0.5),
            broadcast_ms_p95=self._quantile_ms(0.95),
        )
