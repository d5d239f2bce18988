"""Heartbeats to proto-2 clients while nothing changes, so that no message at all always means a fault."""

from __future__ import annotations

from collections.abc import Callable

from liqstream.fanout.connection import ClientGroup
from liqstream.fanout.hub import Hub
from liqstream.fanout.timers import Timer, Timers
from liqstream.wire.encoding import Shape
from liqstream.wire.frames import text_frame
from liqstream.wire.messages import heartbeat_message

MIN_IDLE_S = 5
_CHECK_EVERY_S = 1.0


class IdleHeartbeat:
    """Sends `heartbeat` to groups that were sent nothing for max(update interval, 5 s).

    `timestamp` gives the server's clock in ISO 8601. A blocked client gets none.
    """

    def __init__(self, timers: Timers, hub: Hub, *, timestamp: Callable[[], str]) -> None:
        self._timers = timers
        self._hub = hub
        self._timestamp = timestamp
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to check, once there is a proto-2 client; it stops by itself when there is none."""
        if self._timer is None:
            self._timer = self._timers.call_at(self._timers.time() + _CHECK_EVERY_S, self._check)

    def close(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        now = self._timers.time()
        any_proto_2 = False
        for bucket in list(self._hub.buckets.values()):
            for group in list(bucket.groups.values()):
                if group.variant.shape is not Shape.V1:
                    any_proto_2 = True
                    if now - group.written_at >= max(MIN_IDLE_S, bucket.interval_s):
                        self._send_safely(group, now)
        if any_proto_2:
            self.start()

    def _send_safely(self, group: ClientGroup, now: float) -> None:
        try:
            self._send(group, now)
        except Exception as error:  # noqa: BLE001  # the other groups get theirs
            self._timers.report("heartbeat", error)

    def _send(self, group: ClientGroup, now: float) -> None:
        group.written_at = now
        found = {symbol: self._hub.position(symbol) for symbol in group.symbols}
        # Our own positions, also to a client that lags: what it claimed when it came is not repeated to it as
        # if it were confirmed.
        positions = {symbol: position for symbol, position in found.items() if position is not None}
        frame = text_frame(heartbeat_message(self._timestamp(), positions))
        # Copies: a transport that is full calls back into the hub, which moves the client to `lagging`.
        for connection in list(group.synced):
            connection.transport.write(frame)
        for connection in list(group.lagging):
            if not connection.blocked:
                connection.write(frame)
