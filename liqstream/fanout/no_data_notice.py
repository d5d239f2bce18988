"""A client that subscribed to a symbol without a map gets a warning, instead of waiting in silence."""

from __future__ import annotations

from collections.abc import Iterable

from liqstream.fanout.connection import Connection
from liqstream.fanout.hub import Hub
from liqstream.fanout.timers import Timers
from liqstream.wire.encoding import Shape
from liqstream.wire.messages import no_data_message

NO_DATA_AFTER_S = 2.0
"""A map that is only to be made, for a symbol nobody followed, is there by then."""


class NoDataNotice:
    """Sends NO_DATA_YET to clients of protocol 2, once per subscription."""

    def __init__(self, timers: Timers, hub: Hub) -> None:
        self._timers = timers
        self._hub = hub

    def watch(self, connection: Connection, symbols: Iterable[str]) -> None:
        """Look after these symbols of a new subscription in a moment, if any has no snapshot now."""
        missing = [symbol for symbol in symbols if self._hub.position(symbol) is None]
        if missing and connection.shape is not Shape.V1:
            due = self._timers.time() + NO_DATA_AFTER_S
            self._timers.call_at(due, lambda: self._send_safely(connection, missing))

    def _send_safely(self, connection: Connection, symbols: list[str]) -> None:
        try:
            self._send(connection, symbols)
        except Exception as error:  # noqa: BLE001  # a notice is no more than that
            self._timers.report("no-data", error)

    def _send(self, connection: Connection, symbols: list[str]) -> None:
        missing = [
            symbol
            for symbol in symbols
            if symbol in connection.subscriptions and self._hub.position(symbol) is None
        ]
        if missing and not connection.blocked:
            connection.send_message(no_data_message(missing))
