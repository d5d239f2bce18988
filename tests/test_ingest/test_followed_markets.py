"""liqstream/ingest/followed_markets.py: what the feeds deliver is changed while they run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from liqstream.feeds.feed import FeedBase, History
from liqstream.ingest.followed_markets import FollowedMarkets
from liqstream.ingest.liquidation_spans import LiquidationSpans
from liqstream.ingest.own_bars import market_of
from liqstream.market import MarketEvent, MarketKey, MarkPrice
from liqstream.store.market_store import MarketStore
from tests.support.fleet import END_MS, make_maps
from tests.support.markets import walk

BTC, ETH = MarketKey("binance", "BTCUSDT"), MarketKey("binance", "ETHUSDT")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """An empty one."""
    opened = await MarketStore.open(tmp_path / "m.duckdb")
    yield opened
    await opened.close()


class Exchange(FeedBase):
    """A feed that notes what it is to follow, and with what it knows already."""

    def __init__(self, name: str = "binance") -> None:
        super().__init__(name, ("BTCUSDT",), "live")
        self.known: list[dict[str, int | None]] = []
        self.ends_ms: dict[str, int] = {}

    def follow(self, symbols: Sequence[str], newest_ms: Mapping[str, int | None]) -> None:
        self._symbols = tuple(symbols)
        self.known.append(dict(newest_ms))

    def liquidations_until_ms(self) -> Mapping[str, int]:
        return self.ends_ms

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        for _ in newest_ms:
            yield ()

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        for _ in self.symbols:
            yield ()


async def test_one_goes_and_another_comes(store: MarketStore) -> None:
    """The new one is shown as the store has it; of the old one memory keeps nothing, and the store all."""
    feed, other, maps, spans = Exchange(), Exchange("okx"), await make_maps(store), LiquidationSpans()
    bars = walk(40, symbol="ETHUSDT", price=3000.0)
    await store.append(bars)
    feed.ends_ms = {"BTCUSDT": END_MS}
    spans.note(feed)
    feed.ends_ms = {"BTCUSDT": END_MS + 30_000}
    spans.note(feed)
    renewed: list[set[MarketKey]] = []
    forgotten: list[MarketKey] = []

    async def renew(markets: set[MarketKey]) -> None:
        renewed.append(markets)
        for key in markets:
            await maps.reload(key)

    markets = FollowedMarkets(
        (feed, other), store, maps, spans, maps.interval_ms, renew=renew, forget=forgotten.append
    )
    await markets.follow({"binance": ("ETHUSDT",)})
    assert (feed.symbols, other.symbols) == (("ETHUSDT",), ("BTCUSDT",))
    newest_ms = await store.newest_bar_ms("binance", "ETHUSDT", maps.interval_ms)
    assert feed.known == [{"ETHUSDT": newest_ms}]
    assert (renewed, forgotten) == ([{ETH}], [BTC])
    assert maps.has_price("ETHUSDT")
    assert maps.markets("BTCUSDT") == []
    assert await maps.get_latest_heatmap_snapshot("BTCUSDT") is None
    await store.flush()
    assert await store.newest_bar_ms("binance", "BTCUSDT", maps.interval_ms) is not None
    assert spans.end("binance") == []
    await markets.follow({"binance": ("ETHUSDT",), "okx": ("BTCUSDT",)})
    assert (len(feed.known), other.known) == (1, [])
    maps.close()


async def test_a_batch_on_its_way_does_not_begin_an_ended_market_anew(store: MarketStore) -> None:
    """What is followed of it passes, as the kind of batch it is; after a return all of it."""
    feed, maps = Exchange(), await make_maps(store)

    async def renew(markets: set[MarketKey]) -> None:
        for key in markets:
            await maps.reload(key)

    markets = FollowedMarkets(
        (feed,), store, maps, LiquidationSpans(), maps.interval_ms, renew=renew, forget=lambda _key: None
    )
    batch = History([MarkPrice(key.exchange, key.symbol, END_MS, 2.0) for key in (BTC, ETH)])
    assert markets.of(batch) is batch
    await markets.follow({"binance": ("ETHUSDT",)})
    left = markets.of(batch)
    assert isinstance(left, History)
    assert [market_of(record) for record in left] == [ETH]
    await markets.follow({"binance": ("BTCUSDT", "ETHUSDT")})
    assert markets.of(batch) is batch
    maps.close()
