"""Reads of positions beside the feed of the same exchange, with one budget, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, MutableMapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from liqstream.feeds.exchange_access import Endpoints
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.market import MINUTE_MS, MarketKey
from tests.support.position_rig import PositionRig, position_rig
from tests.support.virtual_clock import run_virtually


@dataclass(slots=True)
class Both:
    """The rig, and the feed with what it has brought."""

    rig: PositionRig
    feed: ExchangeFeed
    filled: asyncio.Event
    """Set when the feed's history is in."""
    records: Counter[str]
    disconnected: int = 0
    logs: list[MutableMapping[str, Any]] = field(default_factory=list)


@asynccontextmanager
async def both(rig: PositionRig, ledger: WeightLedger, symbols: tuple[str, ...]) -> AsyncIterator[Both]:
    """Collector and feed at work; the feed fills a day first."""
    ws_url = rig.collector.setup.ws_url
    feed = ExchangeFeed(
        Hyperliquid(),
        symbols,
        interval_ms=MINUTE_MS,
        history_days=1,
        endpoints=Endpoints(rig.url, ws_url),
        timing=FeedTiming(stale_after_s=30.0, clock=rig.clock, ledger=ledger),
    )
    found = Both(rig, feed, asyncio.Event(), Counter())

    async def collect() -> None:
        newest: dict[MarketKey, int | None] = {MarketKey("hyperliquid", symbol): None for symbol in symbols}
        for batches in (feed.backfill(newest), feed.events()):
            async with aclosing(batches):
                async for batch in batches:
                    found.records.update(type(each).__name__ for each in batch)
            found.filled.set()

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
    begin: Callable[[PositionRig], None] = lambda rig: None,
    **options: Any,
) -> None:
    """Run a job with both in virtual time; `begin` is called before they are at work, `options` are of the
    rig."""

    async def run() -> None:
        ledger = WeightLedger(800.0)
        async with position_rig(folder, symbols, ledger=ledger, **options) as rig:
            begin(rig)
            with structlog.testing.capture_logs() as logs:
                async with both(rig, ledger, symbols) as found:
                    found.logs = logs
                    await job(found)

    run_virtually(run())
