"""Faults of simulated exchanges, done to their feeds in virtual time; `make faults` does the whole matrix."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.fault_table import Fault, FaultKind
from liqstream.store.batch import Batch
from liqstream.store.errors import DiskFullError
from liqstream.store.results import AppendResult
from tests.faults.exchange_cells import DURATIONS, PHASES, Cell, all_cells, one_of_each_kind, rotated
from tests.faults.exchange_faults import OUTAGE_S, WELL_WITHIN_S, run_cell, troubles
from tests.faults.exchange_stack import exchange_stack
from tests.support.virtual_clock import run_virtually

SEED = 1
AT_FIRST = ("binance", "bybit", "okx", "hyperliquid")
"""Whose cells are done by `make test`; those of the others take half a minute of the processor."""


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, marks=[] if cell.exchange in AT_FIRST else [pytest.mark.long], id=cell.name)
        for cell in one_of_each_kind(SEED)
    ],
)
def test_an_exchange_fails_and_is_well_again(cell: Cell) -> None:
    """Its neighbour does not notice; what is stored is true, and shows the same map after a restart."""
    report = run_cell(cell)
    assert report.wrong == []
    assert report.hits or cell.may_be_missed


@pytest.mark.attack
@pytest.mark.parametrize(
    "name",
    [
        "okx:/api/v5/public/instruments:wrong-size:lasting:starting",
        "gate:/api/v4/futures/usdt/contracts:wrong-size:lasting:starting",
        "okx:/api/v5/rubik/stat/contracts/open-interest-history:wrong-size:lasting:starting",
    ],
)
def test_sizes_given_wrongly_at_the_start_are_read_again(name: str) -> None:
    """Soon after they are right what was refused is there, and nothing is flagged."""
    (cell,) = (each for each in all_cells() if each.name == name)
    report = run_cell(cell)
    assert report.wrong == []
    assert report.hits > 2


class LongRefused(Cell):
    """A topic that is refused for longer than anybody waits between two tries at first."""

    lasts_s = 700.0


@pytest.mark.parametrize(
    ("exchange", "channel"),
    [
        pytest.param("okx", "candle", id="okx", marks=pytest.mark.long),
        *(
            pytest.param(name, channel, id=f"{name}-{channel}", marks=pytest.mark.attack)
            for name, dialect in DIALECTS.items()
            for channel in dialect.channels
        ),
    ],
)
def test_a_topic_that_was_refused_for_long_is_there_soon_after(exchange: str, channel: str) -> None:
    """Without a new connection, and what was lost meanwhile is fetched."""
    report = run_cell(LongRefused(exchange, channel, FaultKind.ITEM_CODE, "lasting", "running"))
    assert report.wrong == []
    assert report.hits >= 700 / 60


def test_the_matrix_is_whole() -> None:
    """Six seeds do every cell; each endpoint and channel fails in each way that it can."""
    every = all_cells()
    assert Counter(every) == Counter(cell for seed in range(6) for cell in rotated(seed))
    assert len({cell.name for cell in every}) == len(every)
    for name, dialect in DIALECTS.items():
        for channel in dialect.channels:
            kinds = {cell.kind for cell in every if (cell.exchange, cell.target) == (name, channel)}
            assert set(FaultKind) - kinds <= {FaultKind.WRONG_TIME}
    assert len(every) % (len(DURATIONS) * len(PHASES)) == 0
    assert [cell.kind for cell in one_of_each_kind(1)] == list(FaultKind)


def test_a_gap_is_filled_though_rest_is_forbidden_meanwhile(tmp_path: Path) -> None:
    """Minutes without sockets, then 403 to every question for bars: once it answers, all of it is there."""
    assert run_virtually(_gap_and_403(tmp_path)) == []


async def _gap_and_403(folder: Path) -> list[str]:
    async with exchange_stack(("binance", "bybit"), folder) as stack, stack.collect() as collecting:
        while await troubles(stack, collecting, "binance"):  # noqa: ASYNC110  # nothing says when
            await asyncio.sleep(1.0)
        for channel in DIALECTS["binance"].channels:
            stack.exchange.table.add(Fault("binance", channel, FaultKind.REFUSED, lasts_s=OUTAGE_S))
            stack.exchange.publisher.drop_channel("binance", channel, "")
        stack.exchange.table.add(Fault("binance", "/fapi/v1/klines", FaultKind.FORBIDDEN))
        await asyncio.sleep(OUTAGE_S + 60.0)
        status = collecting.feeds["binance"].status
        assert "bars of the past" in status.last_error
        assert "403" in status.last_error
        stack.exchange.table.clear()
        found: list[str] = []
        for _ in range(round(WELL_WITHIN_S)):
            found = await troubles(stack, collecting, "binance")
            if not found:
                break
            await asyncio.sleep(1.0)
        return [*found, *await troubles(stack, collecting, "bybit")]


def test_a_gap_is_mended_while_the_disk_is_full(tmp_path: Path) -> None:
    """Minutes without sockets come by REST and cannot be written: nothing ends, and once there is room
    every bar is stored."""
    assert run_virtually(_gap_and_full_disk(tmp_path)) == []


async def _gap_and_full_disk(folder: Path) -> list[str]:
    async with exchange_stack(("binance", "bybit"), folder) as stack, stack.collect() as collecting:
        while await troubles(stack, collecting, "binance"):  # noqa: ASYNC110  # nothing says when
            await asyncio.sleep(1.0)
        database, refused = stack.store._database, []
        write = database.write

        def full(batches: list[Batch]) -> list[AppendResult]:
            refused.append(len(batches))
            raise DiskFullError("the disk is full")

        database.write = full  # type: ignore[method-assign]
        for channel in DIALECTS["binance"].channels:
            stack.exchange.table.add(Fault("binance", channel, FaultKind.REFUSED, lasts_s=OUTAGE_S))
            stack.exchange.publisher.drop_channel("binance", channel, "")
        await asyncio.sleep(OUTAGE_S + WELL_WITHIN_S)
        assert refused
        assert stack.store.condition == "full"
        assert all(feed.status.connected for feed in collecting.feeds.values())
        assert collecting.feeds["binance"].status.reconnects
        database.write = write  # type: ignore[method-assign]
        found: list[str] = []
        for _ in range(round(WELL_WITHIN_S)):
            found = [each for name in stack.names for each in await troubles(stack, collecting, name)]
            if not found:
                break
            await asyncio.sleep(1.0)
        assert stack.store.counters.rows_lost == 0
        return found


def test_a_cell_that_is_not_well_is_reported() -> None:
    """Shut out by country, a feed stays away for minutes: not well within the minute of other faults."""

    class Impatient(Cell):
        """Nobody states a pause."""

        pause_s = 0.0

    report = run_cell(Impatient("binance", "/fapi/v1/time", FaultKind.COUNTRY, "while", "starting"))
    assert report.wrong


def test_time_passes_only_while_nothing_is_left_to_do() -> None:
    """An hour of waiting is nothing; a second of a thread's work costs no timer a moment."""

    async def wait() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await asyncio.sleep(3600)
        waited_s = loop.time() - began_s
        async with asyncio.timeout(0.01):
            await asyncio.to_thread(time.sleep, 0.2)
        return waited_s, loop.time() - began_s - waited_s

    began_s = time.monotonic()
    waited_s, worked_s = run_virtually(wait())
    assert waited_s == pytest.approx(3600)
    assert worked_s == pytest.approx(0.0, abs=0.01)
    assert 0.2 <= time.monotonic() - began_s < 30
