"""A market of another coin is left out from the start, and what was found can be read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from liqstream.feeds.exchange_access import Endpoints, ExchangeAccess, Observers
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.pacing import FEED_TIMING
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.market import MINUTE_MS, MarketKey, MarkPrice
from liqstream.model.kernel import load_kernel
from liqstream.server.coin_verdicts import CoinVerdicts, coins_kept
from liqstream.settings.load import load_settings
from liqstream.store.market_store import MarketStore

KEYS = [MarketKey(name, "PEPEUSDT") for name in ("bybit", "binance")]


def maps_of(store: MarketStore) -> LiveMaps:
    model = MapModel(load_kernel("tiered"), interval_ms=MINUTE_MS, history_days=1)
    return LiveMaps(store, model, stale_after_s=15.0, epoch=1, clock_s=lambda: 0.0)


async def shown(maps: LiveMaps, **prices: float) -> set[str]:
    """The exchanges in the map after these prices."""
    maps.apply([MarkPrice(name, "PEPEUSDT", 1_795_000_000_000, price) for name, price in prices.items()])
    await maps.get_latest_heatmap_snapshot("PEPEUSDT")
    return set(maps.exchanges("PEPEUSDT"))


async def test_a_stranger_is_left_out_after_a_restart(tmp_path: Path) -> None:
    """Before any other exchange has a price to judge it by; and it is one of them again once it agrees."""
    path, store = tmp_path / "x.venues.json", await MarketStore.open(tmp_path / "x.duckdb")
    try:
        first = maps_of(store)
        verdicts = CoinVerdicts(path, first)
        await verdicts.recall(KEYS)
        assert await shown(first, bybit=1.0, binance=1000.0) == {"bybit"}
        await verdicts.close()
        first.close()
        kept = orjson.loads(path.read_bytes())["verdicts"]
        assert "bybit" not in kept  # of two the one that came first is not judged
        assert "another one, or counted otherwise than elsewhere, at 1000 USD" in str(kept["binance"])
        at, status = Endpoints(state_path=path), FeedStatus()
        access = ExchangeAccess(Binance(), at, FEED_TIMING, Observers(), status)
        await access.recall()
        assert "than elsewhere" in status.unproven["coin of PEPEUSDT"]
        alone = maps_of(store)
        await CoinVerdicts(path, alone).recall(KEYS[1:])
        assert await shown(alone, binance=1000.0) == {"binance"}
        alone.close()
        again = maps_of(store)
        # Whose list of markets is chosen by size: what is followed is not in its settings.
        given = {"db_path": tmp_path / "x.duckdb", "exchanges": "bybit,binance", "symbols": "top:5"}
        settings = await asyncio.to_thread(lambda: load_settings(**given))
        async with coins_kept(settings, again, ["PEPEUSDT"]):
            assert await shown(again, binance=1000.0) == set()
            assert await shown(again, bybit=999.0) == {"bybit", "binance"}
        again.close()
        assert orjson.loads(path.read_bytes())["verdicts"]["binance"]["coin of PEPEUSDT"]["other"] is False
    finally:
        await store.close()
