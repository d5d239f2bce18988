"""Tell proto-2 clients that nothing changed, so that silence always means trouble."""

from __future__ import annotations

from collections.abc import Callable

from liqstream.ws.buckets import Bucket
from liqstream.ws.connection import ClientGroup, Connection
from liqstream.ws.encoding import Shape
from liqstream.ws.fanout import FanOut
from liqstream.ws.frames import text_frame
from liqstream.ws.messages import heartbeat_message
from liqstream.ws.timers import Timer, Timers

MIN_IDLE_S = 5
_LOOK_EVERY_S = 1.0


class IdleHeartbeat:
    """Sends `heartbeat` to groups that were sent nothing for max(update interval, 5 s)."""

    def __init__(self, timers: Timers, fanout: FanOut, *, timestamp: Callable[[], str]) -> None:
        self._timers = timers
        self._fanout = fanout
        self._timestamp = timestamp
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to look, once there is a proto-2 client."""
        if self._timer is None:
            self._timer = self._timers.call_at(self._timers.time() + _LOOK_EVERY_S, self._look)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._timers.time()
        any_proto_2 = False
        for bucket in list(self._fanout.buckets.values()):
            for group in list(bucket.groups.values()):
                if group.variant.shape is not Shape.V1:
                    any_proto_2 = True
                    if now - group.written_at >= max(MIN_IDLE_S, bucket.interval_s):
                        self._beat(bucket, group, now)
        if any_proto_2:
            self.start()

    def _beat(self, bucket: Bucket, group: ClientGroup, now: float) -> None:
        group.written_at = now
        ids = {symbol: bucket.said[symbol].id for symbol in group.symbols if symbol in bucket.said}
        frame = text_frame(heartbeat_message(self._timestamp(), ids))
        for connection in list(group.in_step):
            connection.transport.write(frame)
        for connection in list(group.behind):
            if not connection.blocked:
                connection.say(heartbeat_message(self._timestamp(), _held(connection, group)))


def _held(connection: Connection, group: ClientGroup) -> dict[str, tuple[int, int]]:
    held = {symbol: connection.subscriptions[symbol].last for symbol in group.symbols}
    return {symbol: last for symbol, last in held.items() if last is not None}
