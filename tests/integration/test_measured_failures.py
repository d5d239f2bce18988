"""The reads of positions beside the feed of the same exchange, with one budget: failures stay apart."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from liqstream.feeds.exchange_access import Endpoints
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.market import MINUTE_MS, MarketKey
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.support.position_rig import PositionRig, position_rig
from tests.support.virtual_clock import run_virtually

pytestmark = [pytest.mark.simulated, pytest.mark.attack, pytest.mark.timeout(1800)]

WHOLE_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


@dataclass(slots=True)
class Both:
    """The rig, and the feed with what it has brought."""

    rig: PositionRig
    feed: ExchangeFeed
    records: Counter[str]
    disconnected: int = 0


@asynccontextmanager
async def both(rig: PositionRig, ledger: WeightLedger, symbols: tuple[str, ...]) -> AsyncIterator[Both]:
    """Collector and feed at work; the feed fills a day first."""
    ws_url = rig.collector.setup.ws_url
    feed = ExchangeFeed(
        Hyperliquid(now_ms=rig.clock.now_ms),
        symbols,
        interval_ms=MINUTE_MS,
        history_days=1,
        endpoints=Endpoints(rig.url, ws_url),
        timing=FeedTiming(stale_after_s=30.0, clock=rig.clock, ledger=ledger),
    )
    found = Both(rig, feed, Counter())

    async def collect() -> None:
        newest: dict[MarketKey, int | None] = {MarketKey("hyperliquid", symbol): None for symbol in symbols}
        for batches in (feed.backfill(newest), feed.events()):
            async with aclosing(batches):
                async for batch in batches:
                    found.records.update(type(each).__name__ for each in batch)

    async def watch() -> None:
        while True:
            await asyncio.sleep(1)
            found.disconnected += not feed.status.connected

    tasks = [asyncio.create_task(work) for work in (collect(), rig.collector.run())]
    try:
        async with asyncio.timeout(300):
            while not feed.status.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        tasks.append(asyncio.create_task(watch()))
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await feed.close()


def virtually(
    folder: Path,
    symbols: tuple[str, ...],
    job: Callable[[Both], Coroutine[Any, Any, None]],
) -> None:
    """Run a job with both in virtual time."""

    async def run() -> None:
        ledger = WeightLedger(800.0)
        async with position_rig(folder, symbols, ledger=ledger) as rig, both(rig, ledger, symbols) as found:
            await job(found)

    run_virtually(run())


def _spoil(kind: FaultKind) -> Callable[[PositionRig], None]:
    def begin(rig: PositionRig) -> None:
        rig.exchange.table.add(Fault("hyperliquid", "clearinghouseState", kind, lasts_s=50.0))

    return begin


def _set(**faults: bool) -> Callable[[PositionRig], None]:
    return lambda rig: rig.exchange.faults.set(faults)


CASES: dict[str, tuple[Callable[[PositionRig], None], list[str]]] = {
    "429": (_spoil(FaultKind.TOO_MANY), ["positions_slowed_down"]),
    "403": (_spoil(FaultKind.FORBIDDEN), ["positions_ended"]),
    "null states": (_set(null_states=True), ["positions_unreadable"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_failure_of_the_reads_is_logged_once_and_stays_theirs(tmp_path: Path, case: str) -> None:
    """The feed is connected throughout, no position is closed by an error, there is one line, no address."""
    begin, lines = CASES[case]

    async def job(at: Both) -> None:
        collector = at.rig.collector
        await asyncio.sleep(60)
        held, disconnected = len(collector.tracker.positions), at.disconnected
        with structlog.testing.capture_logs() as logs:
            begin(at.rig)
            await asyncio.sleep(60)
        assert at.disconnected == disconnected
        assert len(collector.tracker.positions) >= 0.95 * held
        said = [line for line in logs if line["log_level"] in ("warning", "error")]
        assert [line["event"] for line in said] == lines
        assert not WHOLE_ADDRESS.search(repr(logs))

    virtually(tmp_path, ("XRPUSDT",), job)
