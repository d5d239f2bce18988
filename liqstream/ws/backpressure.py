"""What happens to a client that does not read: its state waits, it is warned, and in the end it is let go.

The transport says when it is full and when it has drained; one sweep, running only while someone is
blocked, does the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from liqstream.ws.connection import Connection
from liqstream.ws.fanout import FanOut
from liqstream.ws.sockets import undelivered_bytes
from liqstream.ws.timers import Timer, Timers

WARN_EVERY_S = 10.0
_SWEEPS_PER_SLOW_TIME = 2


class Backpressure:
    """Watches blocked clients.

    `warn` is called for a client blocked for longer than `slow_after_s`, or one that lost snapshots it was
    not told of, at most once per 10 s; `evict` for one that took nothing for `stall_after_s`.
    """

    def __init__(
        self,
        timers: Timers,
        fanout: FanOut,
        *,
        slow_after_s: float,
        stall_after_s: float,
        warn: Callable[[Connection], None],
        evict: Callable[[Connection], None],
    ) -> None:
        self.watched: dict[Connection, None] = {}
        self._timers = timers
        self._fanout = fanout
        self._slow_after_s = slow_after_s
        self._stall_after_s = stall_after_s
        self._warn = warn
        self._evict = evict
        self._timer: Timer | None = None

    def on_pause(self, connection: Connection) -> None:
        """The transport holds bytes back: from now on the client's snapshots wait."""
        connection.blocked_since = connection.progress_at = self._timers.time()
        connection.undelivered = undelivered_bytes(connection.transport)
        self._fanout.step_aside(connection)
        self.watched[connection] = None
        self._schedule()

    def on_resume(self, connection: Connection) -> None:
        """The transport has drained: send the newest of what waited."""
        connection.blocked_since = None
        connection.slow = False
        connection.release()
        self._fanout.catch_up(connection)

    def forget(self, connection: Connection) -> None:
        """The client is gone."""
        self.watched.pop(connection, None)
        connection.release()

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
            self._look_at(connection, now)
        if self.watched:
            self._schedule()

    def _look_at(self, connection: Connection, now: float) -> None:
        blocked_since = connection.blocked_since
        if blocked_since is None and not connection.untold:
            del self.watched[connection]
            return
        is_slow = blocked_since is not None and now - blocked_since >= self._slow_after_s
        connection.slow = is_slow
        if is_slow and self._stalled(connection, now):
            del self.watched[connection]
            self._evict(connection)
        elif (is_slow or connection.untold) and _may_warn(connection, now):
            connection.warned_at = now
            self._warn(connection)

    def _stalled(self, connection: Connection, now: float) -> bool:
        undelivered = undelivered_bytes(connection.transport)
        if undelivered < connection.undelivered:
            connection.progress_at = now
        connection.undelivered = undelivered
        return now - connection.progress_at >= self._stall_after_s


def _may_warn(connection: Connection, now: float) -> bool:
    if connection.warning_due:
        return False
    return connection.warned_at is None or now - connection.warned_at >= WARN_EVERY_S
