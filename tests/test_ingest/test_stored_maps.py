"""liqstream/ingest/stored_maps.py: what a start waits for, and what is made beside everything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from liqstream.feeds.feed import Feed
from liqstream.ingest.stored_maps import AT_ONCE, StoredMaps
from liqstream.market import MarketKey, MarkPrice
from liqstream.store.market_store import MarketStore
from tests.support.fleet import END_MS, make_maps
from tests.test_ingest.test_pipeline import Scripted

SYMBOLS = tuple(f"C{number:02}USDT" for number in range(AT_ONCE))


class Rig:
    """Two exchanges of the same markets; `made` are those whose maps were made."""

    def __init__(self) -> None:
        self.feeds: list[Feed] = [Scripted(name, []) for name in ("binance", "okx")]
        for feed in self.feeds:
            feed.follow(SYMBOLS, {})
        self.made: list[MarketKey] = []
        self.enough = asyncio.Event()
        self.expected = 0

    async def renew(self, markets: set[MarketKey]) -> None:
        self.made += markets
        if len(self.made) >= self.expected:
            self.enough.set()

    async def wait_for(self, count: int) -> None:
        """Until so many were made."""
        self.expected = count
        self.enough.clear()
        if len(self.made) < count:
            async with asyncio.timeout(10):
                await self.enough.wait()


@asynccontextmanager
async def stored_maps(folder: Path) -> AsyncIterator[tuple[StoredMaps, Rig]]:
    store = await MarketStore.open(folder / "m.duckdb")
    maps, rig = await make_maps(store), Rig()
    maps.apply([MarkPrice("okx", SYMBOLS[-1], END_MS, 7.0)])
    stored = StoredMaps(rig.feeds, maps, rig.renew)
    running = asyncio.create_task(stored.run())
    yield stored, rig
    running.cancel()
    await asyncio.wait([running])
    maps.close()
    await store.close()


async def test_a_start_waits_for_the_first_symbols_of_every_exchange_alone(tmp_path: Path) -> None:
    """The others come beside it: what is watched first; what has a price by then when it is asked for."""
    async with stored_maps(tmp_path) as (stored, rig):
        rig.feeds[0].watched_by = lambda: {SYMBOLS[20]}
        await stored.show_first()
        half = AT_ONCE // 2
        assert {key.symbol for key in rig.made} == set(SYMBOLS[:half])
        assert len(rig.made) == AT_ONCE
        await rig.wait_for(2 * AT_ONCE - 1)
        assert {key.symbol for key in rig.made[AT_ONCE : AT_ONCE + 2]} == {SYMBOLS[20]}
        assert len(set(rig.made)) == 2 * AT_ONCE - 1
        assert MarketKey("okx", SYMBOLS[-1]) not in rig.made


@pytest.mark.parametrize("ended", [True, False])
async def test_of_many_none_is_waited_for(tmp_path: Path, *, ended: bool) -> None:
    """Of few all are; each is made once more, if it has a price or not; none that is followed no more."""
    async with stored_maps(tmp_path) as (stored, rig):
        few = {MarketKey("okx", symbol) for symbol in SYMBOLS}
        await stored.make_anew(few)
        assert set(rig.made) == few
        rig.made.clear()
        many = few | {MarketKey("binance", SYMBOLS[0])}
        await stored.make_anew(many)
        assert rig.made == []
        last = MarketKey("okx", SYMBOLS[-1])
        if ended:
            stored.forget(last)
        await rig.wait_for(len(many) - ended)
        assert set(rig.made) == (many - {last} if ended else many)
