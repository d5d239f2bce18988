"""Backpressure: a client that does not read has its snapshots conflated, is warned, and is evicted at last.

The transport reports when it is full and when it has drained; one sweep, running only while someone is
blocked, does the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from liqstream.fanout.connection import Connection
from liqstream.fanout.hub import Hub
from liqstream.fanout.socket_options import undelivered_bytes
from liqstream.fanout.timers import Timer, Timers

WARN_EVERY_S = 10.0
_SWEEPS_PER_SLOW_TIME = 2


class Backpressure:
    """Watches blocked clients.

    `warn` is called for a client blocked for longer than `slow_after_s`, or one that lost snapshots no
    warning has stated, at most once per 10 s; `evict` for one that took nothing for `stall_after_s`.
    """

    def __init__(
        self,
        timers: Timers,
        hub: Hub,
        *,
        slow_after_s: float,
        stall_after_s: float,
        warn: Callable[[Connection], None],
        evict: Callable[[Connection], None],
    ) -> None:
        self.watched: dict[Connection, None] = {}
        self._timers = timers  # monotonic clock and timer calls
        self._hub = hub  # serves the clients that are not blocked
        self._slow_after_s = slow_after_s  # blocked for so long: warned
        self._stall_after_s = stall_after_s  # no byte acknowledged for so long: evicted
        self._warn = warn  # the manager's: sends, or keeps, the warning
        self._evict = evict  # the manager's: closes the connection
        self._timer: Timer | None = None  # the next sweep; None while nobody is watched

    def on_pause(self, connection: Connection) -> None:
        """The transport holds bytes back: from now on the client's snapshots wait."""
        connection.blocked_since = connection.progress_at = self._timers.time()
        connection.pending_bytes = undelivered_bytes(connection.transport)
        self._hub.demote(connection)
        self.watched[connection] = None
        self._schedule()

    def on_resume(self, connection: Connection) -> None:
        """The transport has drained: send the newest of what waited."""
        connection.blocked_since = None
        connection.slow = False
        connection.release()
        self._hub.send_pending(connection)

    def forget(self, connection: Connection) -> None:
        """The client is gone."""
        self.watched.pop(connection, None)
        connection.release()

    def pending_snapshots(self) -> int:
        """How many snapshots wait for clients that are blocked."""
        followed = (each for client in self.watched for each in client.subscriptions.values())
        return sum(1 for subscription in followed if subscription.pending is not None)

    def close(self) -> None:
        """Stop sweeping."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        if self._timer is None:
            when = self._timers.time() + self._slow_after_s / _SWEEPS_PER_SLOW_TIME
            self._timer = self._timers.call_at(when, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = self._timers.time()
        for connection in list(self.watched):
            try:
                self._check(connection, now)
            except Exception as error:  # noqa: BLE001  # the other clients are looked at
                self._timers.report("backpressure", error)
        if self.watched:
            self._schedule()

    def _check(self, connection: Connection, now: float) -> None:
        blocked_since = connection.blocked_since
        if blocked_since is None and not connection.unreported_drops:
            del self.watched[connection]
            return
        is_slow = blocked_since is not None and now - blocked_since >= self._slow_after_s
        connection.slow = is_slow
        if is_slow and self._is_stalled(connection, now):
            del self.watched[connection]
            self._evict(connection)
        elif (is_slow or connection.unreported_drops) and _may_warn(connection, now):
            connection.warned_at = now
            self._warn(connection)

    def _is_stalled(self, connection: Connection, now: float) -> bool:
        # The kernel's queue counts too: a transport that is merely full says nothing about a peer that reads.
        pending_bytes = undelivered_bytes(connection.transport)
        if pending_bytes < connection.pending_bytes:
            connection.progress_at = now
        connection.pending_bytes = pending_bytes
        return now - connection.progress_at >= self._stall_after_s


def _may_warn(connection: Connection, now: float) -> bool:
    if connection.warning_due:
        return False
    return connection.warned_at is None or now - connection.warned_at >= WARN_EVERY_S
