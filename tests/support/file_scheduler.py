"""Which of the processes of `make test` runs which file: all but two keep clear of the page's tests.

A browser takes a core, so two processes have the tests of the page, and a third browser makes all slower. The
others have the files that mostly wait, for exchanges to come back, leases to end and sockets to close, and
then whatever is not of the page: what waits there leaves the processor to the first two.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

WAITING = frozenset(
    {
        "tests/attack/test_admission.py",
        "tests/integration/test_unproven_readings.py",
        "tests/test_cli/test_live_check.py",
        "tests/test_client/test_positions.py",
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
        "tests/test_positions/test_collector.py",
        "tests/test_positions/test_read_rate.py",
        "tests/test_selftest/test_isolation_promises.py",
        "tests/test_server/test_market_list_setup.py",
        "tests/test_server/test_market_table_setup.py",
        "tests/test_ws/test_redis_pubsub.py",
    }
)
"""Each takes more than two seconds more by the clock than of the processor."""
OF_THE_PAGE = "tests/browser/"
_WITH_BROWSER = frozenset({"gw0", "gw1"})
"""The processes, as xdist names them, that have the page's tests; with no others all files are alike."""


class FileScheduler(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Each file whole to one process, in the sequence they were collected in."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._are_apart = (config.option.numprocesses or 0) > len(_WITH_BROWSER)

    def _reschedule(self, node: WorkerController) -> None:
        if self._is_without_page(node) and all(map(_is_of_the_page, self.workqueue)):
            if not node.shutting_down:
                node.shutdown()
            return
        super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self._are_apart:
            # The first of the liked ones, in the sequence they were collected in.
            liking = _without_page_likes if self._is_without_page(node) else _with_page_likes
            self.workqueue.move_to_end(min(self.workqueue, key=liking), last=False)
        super()._assign_work_unit(node)

    def _is_without_page(self, node: WorkerController) -> bool:
        return self._are_apart and node.gateway.id not in _WITH_BROWSER


def _is_of_the_page(file: str) -> bool:
    return file.startswith(OF_THE_PAGE)


def _without_page_likes(file: str) -> int:
    return 0 if file in WAITING else 2 if _is_of_the_page(file) else 1


def _with_page_likes(file: str) -> int:
    return 0 if _is_of_the_page(file) else 2 if file in WAITING else 1
