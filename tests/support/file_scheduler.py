"""Which of the processes of `make test` runs which file: a third keeps clear of the page's tests.

A browser takes a core, so two processes have the tests of the page, and a third browser makes all slower. The
third process has the files that mostly wait, for exchanges to come back, leases to end and sockets to close,
and then whatever is not of the page: what waits there leaves the processor to the other two.
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
OF_THE_PAGE = "tests/browser/"
_THIRD = "gw2"
"""The process, as xdist names it, that has no browser; with fewer processes all files are alike."""


class FileScheduler(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Each file whole to one process, in the sequence they were collected in."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._has_third = (config.option.numprocesses or 0) > 2

    def _reschedule(self, node: WorkerController) -> None:
        if self._is_third(node) and all(map(_is_of_the_page, self.workqueue)):
            if not node.shutting_down:
                node.shutdown()
            return
        super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self._has_third:
            # The first of the liked ones, in the sequence they were collected in.
            liking = _third_likes if self._is_third(node) else _others_like
            self.workqueue.move_to_end(min(self.workqueue, key=liking), last=False)
        super()._assign_work_unit(node)

    def _is_third(self, node: WorkerController) -> bool:
        return self._has_third and node.gateway.id == _THIRD


def _is_of_the_page(file: str) -> bool:
    return file.startswith(OF_THE_PAGE)


def _third_likes(file: str) -> int:
    return 0 if file in WAITING else 2 if _is_of_the_page(file) else 1


def _others_like(file: str) -> int:
    return 0 if _is_of_the_page(file) else 2 if file in WAITING else 1
