"""Sends clients elsewhere while this server makes no snapshots, and takes them in again once it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import structlog

from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.supervision.supervise import Supervisor
from liqstream.wire.close_codes import OVERLOADED
from liqstream.wire.messages import stream_failed_message

DOWN_AFTER_S = 30.0
"""A stream that fails for longer is down: what is begun anew sooner is only a short gap for its clients."""
LOOK_EVERY_S = 1.0

log = structlog.get_logger(__name__)


class StreamWatch:
    """`needed` names the tasks without which there are no snapshots; it may differ from call to call.

    `look_every_s` is for tests.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        manager: ConnectionManager,
        needed: Callable[[], Collection[str]],
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self.needed = needed
        self._supervisor = supervisor
        self._manager = manager
        self._look_every_s = look_every_s
        self._was_down = False  # at the last look; for the log

    def is_down(self) -> bool:
        """True while a task that is needed has been failing for DOWN_AFTER_S."""
        return any(self._supervisor.down_s(name) >= DOWN_AFTER_S for name in self.needed())

    async def run(self) -> None:
        """Tell and close the sockets there are while the stream is down, until cancelled."""
        while True:
            is_down = self.is_down()
            if is_down != self._was_down:
                log.log(40 if is_down else 20, "stream is down" if is_down else "stream is well again")
                self._was_down = is_down
            if is_down and self._manager.get_stats().active_connections:
                await self._manager.close(OVERLOADED, farewell=stream_failed_message)
            await asyncio.sleep(self._look_every_s)
