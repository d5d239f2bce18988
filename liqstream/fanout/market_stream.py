"""The stream of the table of markets: whole, then what changed, to everybody who asked for it.

It has counters of its own, outside the accounting of snapshots: a table is state, and one who missed a change
gets the whole of the next.
"""

from __future__ import annotations

from liqstream.fanout.connection import Connection
from liqstream.fanout.timers import Timers
from liqstream.heatmap.market_table import MarketTable
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.metrics import Metrics
from liqstream.wire.market_table_message import EncodedMarketTable

WHOLE_EVERY_S = 60.0
"""Everybody gets the whole table so often: a bound on how long an unnoticed difference can live."""


class MarketStream:
    """The newest table and who follows it. Nothing here waits for a client."""

    def __init__(self, timers: Timers, metrics: Metrics) -> None:
        self.newest: EncodedMarketTable | None = None
        self._timers = timers  # monotonic clock, in seconds
        self._metrics = metrics  # the application's
        self._held: dict[Connection, StreamPosition | None] = {}  # what each was sent last; None: nothing yet
        self._whole_at = float("-inf")  # when everybody was last sent the whole table

    def history_percent(self, symbol: str) -> int | None:
        """How much of a symbol's past the maker of the table has; None once it is whole, or not known."""
        table = None if self.newest is None else self.newest.table
        if table is None or symbol not in table.symbols:
            return None
        percent = table.fields["history_percent"][table.symbols.index(symbol)]
        return percent if isinstance(percent, int) else None

    def follows(self, connection: Connection) -> bool:
        """Whether a client is sent the table."""
        return connection in self._held

    def join(self, connection: Connection) -> None:
        """Send a client the table from now on, the newest at once; nothing new for one that has it."""
        if connection not in self._held:
            self._held[connection] = None
            self._metrics.markets_subscribers.set(len(self._held))
            self.catch_up(connection)

    def leave(self, connection: Connection) -> bool:
        """Send a client no more tables; whether it was sent any."""
        if connection not in self._held:
            return False
        del self._held[connection]
        self._metrics.markets_subscribers.set(len(self._held))
        return True

    def resync(self, connection: Connection) -> None:
        """Send a client that follows the table all of it again."""
        if connection in self._held:
            self._held[connection] = None
            self.catch_up(connection)

    def catch_up(self, connection: Connection) -> None:
        """Send the whole table to a client that can take it again, if it lacks the newest."""
        newest = self.newest
        lacks = newest is not None and self._held.get(connection, newest.position) != newest.position
        if newest is not None and lacks and not connection.blocked:
            self._send(connection, newest, is_delta=False)

    def offer(self, table: MarketTable) -> None:
        """Send a table to everybody who follows it; one that is not newer than the last is ignored."""
        last = self.newest
        if last is not None and table.position <= last.position:
            return
        encoded = self.newest = EncodedMarketTable(table, None if last is None else last.table)
        now = self._timers.time()
        is_whole_due = encoded.base is None or now - self._whole_at >= WHOLE_EVERY_S
        if is_whole_due:
            self._whole_at = now
        # A copy: a transport that is full or lost calls back, which may end a subscription.
        for connection, held in list(self._held.items()):
            try:
                if connection.blocked:
                    self._metrics.markets_missed.inc()
                else:
                    is_delta = not is_whole_due and held is not None and held == encoded.base
                    self._send(connection, encoded, is_delta=is_delta)
            except Exception as error:  # noqa: BLE001  # the other clients get theirs
                self._timers.report("markets", error)

    def _send(self, connection: Connection, encoded: EncodedMarketTable, *, is_delta: bool) -> None:
        frame = encoded.frame(connection.window_bits, is_delta=is_delta)
        self._held[connection] = encoded.position
        connection.write(frame)
        self._metrics.markets_sent.labels("delta" if is_delta else "whole").inc()
        self._metrics.markets_bytes.inc(len(frame))
