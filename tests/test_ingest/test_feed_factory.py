"""Which feeds the settings ask for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from liqstream.feeds.demo import DemoFeed
from liqstream.feeds.exchange_access import Endpoints
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue_state import state_path
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.ingest.feed_factory import (
    SourceError,
    check_exchange_urls,
    exchange_endpoints,
    exchange_feed,
    make_feeds,
    waits_for_history,
    warmup_days,
)
from liqstream.ingest.pipeline import IngestPipeline
from liqstream.market import DAY_MS, MINUTE_MS, Candle, LiquidationTotal, MarketEvent
from liqstream.model.kernel import tiered
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from liqstream.store.market_store import MarketStore
from tests.support.market_start import START, START_MS
from tests.support.markets import walk

FIVE_MS = 5 * MINUTE_MS


async def settings(**chosen: object) -> Settings:
    return await asyncio.to_thread(lambda: load_settings(symbols="BTCUSDT", **chosen))


@pytest.mark.parametrize("name", VENUES)
async def test_every_exchange_has_a_feed(name: str) -> None:
    """At its own address unless the settings name another, which the page is shown."""
    own = exchange_feed(await settings(exchanges=name), name)
    other = exchange_feed(await settings(exchanges=name, **{f"{name}_rest_url": "http://here"}), name)
    assert (own.exchange, own.symbols, own.status.address) == (name, ("BTCUSDT",), "")
    assert other.status.address == "http://here"


async def test_no_more_history_is_asked_for_than_is_kept() -> None:
    """A map of what is deleted would be another one after a restart."""
    for kept, days in ((3, 3), (400, 14)):
        chosen = await settings(exchanges="binance", retention_days=kept)
        assert warmup_days(chosen) == days
        assert exchange_feed(chosen, "binance")._gaps._backfill._history_ms == days * DAY_MS


async def test_a_region_has_addresses_of_its_own() -> None:
    """They are the exchange's, so the page names none; an address that is set goes before them."""
    eea = await settings(exchanges="okx", exchange_regions={"okx": "eea"})
    kept = state_path(eea.db_path)
    at_eea = Endpoints("https://eea.okx.com", "wss://wseea.okx.com", state_path=kept)
    assert exchange_endpoints(eea, "okx") == at_eea
    assert exchange_feed(eea, "okx").status.address == ""
    both = eea.model_copy(update={"exchange_ws_urls": {"okx": "ws://here"}})
    assert exchange_endpoints(both, "okx") == replace(at_eea, ws_url="ws://here")
    for name, region, right in (("okx", "moon", "one of eea, us"), ("binance", "us", "the same addresses")):
        with pytest.raises(SourceError, match=f"LIQSTREAM_{name.upper()}_REGION={region}: .*{right}"):
            check_exchange_urls(await settings(exchange_regions={name: region}))


async def test_a_start_warns_of_port_8443(tmp_path: Path) -> None:
    """OKX is not reached there any more."""
    old = await settings(exchanges="okx", okx_ws_url="wss://ws.okx.com:8443")
    store = await MarketStore.open(tmp_path / "market.duckdb")
    try:
        with capture_logs() as logs:
            await make_feeds(old, store)
            await make_feeds(await settings(exchanges="okx"), store)
    finally:
        await store.close()
    assert [(log["exchange"], "8443" in log["reason"]) for log in logs] == [("okx", True)]


async def test_bars_an_exchange_does_not_offer_are_refused() -> None:
    """At the start, with those it has: connected without bars would look like a market without trades."""
    with pytest.raises(SourceError, match="LIQSTREAM_INTERVAL=6h: hyperliquid has no such bars; it has 1m,"):
        exchange_feed(await settings(exchanges="hyperliquid", interval="6h"), "hyperliquid")


async def test_the_settings_choose_the_feeds(tmp_path: Path) -> None:
    """A simulated market by default; what cannot be replayed is one line."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    try:
        demo = await make_feeds(await settings(demo_venues=2), store)
        assert [feed.exchange for feed in demo] == ["simulated", "simulated-2"]
        live = await make_feeds(await settings(exchanges="okx,binance"), store)
        assert [feed.exchange for feed in live] == ["okx", "binance"]
        with pytest.raises(SourceError, match="the store: nothing to replay"):
            await make_feeds(await settings(replay="store"), store)
    finally:
        await store.close()
    assert waits_for_history(await settings())
    assert not waits_for_history(await settings(exchanges="okx"))


async def test_a_name_of_no_exchange_is_one_line() -> None:
    """As an exchange to follow, and in an address."""
    with pytest.raises(SourceError, match="unknown exchange 'kraken'; one of aster"):
        exchange_feed(await settings(exchanges="kraken"), "kraken")
    with pytest.raises(SourceError, match="LIQSTREAM_KRAKEN_WS_URL: no exchange 'kraken'; one of aster"):
        check_exchange_urls(await settings(kraken_ws_url="ws://here"))


async def demo_starts_ms(store: MarketStore, venues: int) -> list[int]:
    """When each exchange of the demo begins, as it says itself."""
    starts = []
    for feed in await make_feeds(await settings(demo_venues=venues, demo_start=START), store):
        assert isinstance(feed, DemoFeed)
        try:
            starts.append((await feed.simulated()).clock.start_ms)
        finally:
            await feed.close()
    return starts


@pytest.mark.simulated
@pytest.mark.parametrize(("asked", "made"), [(1, 1), (14, 7)])
async def test_the_demo_has_the_days_asked_for_and_a_week_at_most(
    tmp_path: Path, asked: int, made: int
) -> None:
    """What the model is warmed up on is all that is worked out: each day takes its part of the start."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    (feed,) = await make_feeds(await settings(history_days=asked, demo_start=START), store)
    assert isinstance(feed, DemoFeed)
    try:
        assert (await feed.simulated()).market.first_ms == (START_MS // DAY_MS - made) * DAY_MS
    finally:
        await feed.close()
        await store.close()


@pytest.mark.simulated
async def test_the_demo_starts_at_its_instant_and_goes_on_where_the_store_ends(tmp_path: Path) -> None:
    """Exchanges of one market have one time, and after a restart nobody sees the same minutes twice."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    assert await demo_starts_ms(store, 2) == [START_MS, START_MS]
    newest_ms = START_MS - START_MS % FIVE_MS + DAY_MS
    await store.append([Candle("simulated", "BTCUSDT", FIVE_MS, newest_ms, 1.0, 2.0, 0.5, 1.5)])
    assert await demo_starts_ms(store, 1) == [newest_ms + FIVE_MS]
    await store.close()


async def test_a_replay_of_the_store_writes_nothing_into_it_and_knows_no_total_before_its_end(
    tmp_path: Path,
) -> None:
    """Half-hour totals are not cut into bars for good: the score would take those for what was given."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    half_hour_ms = 6 * FIVE_MS
    start_ms = 1_780_000_200_000 // half_hour_ms * half_hour_ms
    given = [
        LiquidationTotal("binance", "BTCUSDT", half_hour_ms, start_ms + n * half_hour_ms, 6e3 * (n + 1), 0.0)
        for n in range(4)
    ]
    await store.append([*walk(24, start_ms=start_ms), *given])
    before = await stored_totals(store)
    chosen = await settings(replay="store", replay_speed=1e6, replay_warmup="30m")
    (feed,) = await make_feeds(chosen, store)
    maps = LiveMaps(
        store, MapModel(tiered(), FIVE_MS, history_days=14), stale_after_s=60, epoch=1, clock_s=lambda: 0.0
    )
    played: list[MarketEvent] = []
    pipeline = IngestPipeline(
        [feed], store, maps, interval_ms=FIVE_MS, await_history=True, listeners=[played.extend]
    )
    await pipeline.start()
    await pipeline.run()
    totals = [each for each in played if isinstance(each, LiquidationTotal)]
    assert [each.long_usd for each in totals] == [0.0] * 5 + [12e3] + [0.0] * 5 + [18e3] + [0.0] * 5 + [24e3]
    await store.flush()
    assert await stored_totals(store) == before == ([], [6e3, 12e3, 18e3, 24e3])
    maps.close()
    await store.close()


async def stored_totals(store: MarketStore) -> tuple[list[float], list[float]]:
    """Totals of five minutes and of half hours."""
    five, thirty = [await store.liquidation_totals("BTCUSDT", ms) for ms in (FIVE_MS, 6 * FIVE_MS)]
    return five.long_usd.tolist(), thirty.long_usd.tolist()
