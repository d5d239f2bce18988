"""Which of the processes of `make test` runs which file: what only waits has one of its own.

Two processes share the two cores with what takes the processor. Files that mostly wait for exchanges to come
back, leases to end and sockets to close would hold one of them up for a minute; a third has those.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

WAITING = frozenset(
    {
        "tests/integration/test_unproven_readings.py",
        "tests/test_cli/test_live_check.py",
        "tests/test_feeds/exchanges/test_okx.py",
        "tests/test_feeds/test_exchange_feed.py",
        "tests/test_feeds/test_gap_filler.py",
        "tests/test_feeds/test_socket_group.py",
        "tests/test_feeds/test_weight_ledger.py",
        "tests/test_fleet/test_coordinator.py",
        "tests/test_fleet/test_local_generator.py",
        "tests/test_fleet/test_redis_refusals.py",
        "tests/test_fleet/test_shared_forecasts.py",
        "tests/test_http/test_positions_api.py",
        "tests/test_selftest/test_isolation_promises.py",
        "tests/test_server/test_market_table_setup.py",
        "tests/test_ws/test_redis_pubsub.py",
    }
)
"""Each takes more than two seconds more by the clock than of the processor."""
_WAITS = "gw2"
"""The process, as xdist names it, that has them; with fewer processes they are files like others."""


class FileScheduler(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Each file whole to one process, in the sequence they were collected in."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._has_waiting_node = (config.option.numprocesses or 0) > 2

    def _reschedule(self, node: WorkerController) -> None:
        if self._is_waiting_node(node) and not WAITING & self.workqueue.keys():
            if not node.shutting_down:
                node.shutdown()  # what is left takes the processor, which two share already
            return
        super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self._has_waiting_node:
            waits = self._is_waiting_node(node)
            fitting = (file for file in self.workqueue if (file in WAITING) == waits)
            if (file := next(fitting, None)) is not None:
                self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)

    def _is_waiting_node(self, node: WorkerController) -> bool:
        return self._has_waiting_node and node.gateway.id == _WAITS
