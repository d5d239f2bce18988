"""Recorded and simulated messages of every exchange, bent a hundred thousand times: none ends a feed."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import orjson
import pytest

from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.raw_frames import read_frames
from liqstream.feeds.registry import VENUES
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.market import (
    MINUTE_MS,
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Side,
)
from liqstream.model.kernel import load_kernel
from liqstream.simulator.dialect import MarketSpan
from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import SimulatedMarket
from liqstream.store.market_store import MarketStore
from tests.support.exchange_rig import SYMBOLS
from tests.support.json_mutation import bent
from tests.support.market_start import START_MS
from tests.support.seeds import new_seed

pytestmark = pytest.mark.simulated

pytestmark = pytest.mark.shared_data

RECORDINGS = {"binance": "BINANCE_FUTURES.jsonl.zst", "bybit": "BYBIT.jsonl.zst", "okx": "OKX.jsonl.zst"}
SUBSCRIPTIONS = {
    "binance": ["{s}@kline_1m", "{s}@markPrice@1s", "{s}@forceOrder", "{s}@aggTrade"],
    "bybit": ["kline.1.{S}", "tickers.{S}", "allLiquidation.{S}"],
    "okx": [
        "candle1m:{B}-USDT-SWAP",
        "mark-price:{B}-USDT-SWAP",
        "open-interest:{B}-USDT-SWAP",
        "funding-rate:{B}-USDT-SWAP",
        "liquidation-orders:SWAP",
    ],
    "hyperliquid": ["candle:{B}:1m", "activeAssetCtx:{B}"],
    "aster": ["{s}@kline_1m", "{s}@markPrice@1s", "{s}@forceOrder"],
    "lighter": ["trade/0", "trade/1", "candle/0/1m", "candle/1/1m", "market_stats/all"],
    "bitget": ["kline/{S}/1m", "ticker/{S}", "liquidation"],
    "gate": [
        "futures.candlesticks/1m/{B}_USDT",
        "futures.tickers/{B}_USDT",
        "futures.public_liquidates/!all",
    ],
}
EARLIEST_MS, LATEST_MS = 1_230_768_000_000, 4_102_444_800_000


def simulated_messages(name: str) -> Iterator[bytes]:
    """One message and more of every channel, liquidations of both sides among them."""
    market = SimulatedMarket(SYMBOLS, now_ms=START_MS, history_days=1)
    sides: tuple[Side, ...] = ("long", "short")
    fills = {
        symbol: [
            Fill(row, START_MS - 500 * count, side, 3000.0, 3001.0, 3010.0, 2.5, 50.0)
            for count, side in enumerate(sides)
        ]
        for row, symbol in enumerate(SYMBOLS)
    }
    span = MarketSpan(market, START_MS - MINUTE_MS, START_MS, 0, fills, market.open_interest)
    for symbol in SYMBOLS:
        for form in SUBSCRIPTIONS[name]:
            subscription = form.format(s=symbol.lower(), S=symbol, B=symbol.removesuffix("USDT"))
            for message in DIALECTS[name].messages(span, subscription):
                yield orjson.dumps(message)


def messages_of(name: str, shared_data: Path) -> list[bytes]:
    """As many simulated ones, which are of every channel, as recorded ones."""
    simulated = list(simulated_messages(name))
    recorded = [path.read_bytes() for path in (shared_data / "exchange_messages" / name).glob("*.json")]
    if name in RECORDINGS:
        frames = read_frames(shared_data / "raw_frames" / RECORDINGS[name])
        recorded += [frame.text.encode() for frame in islice(frames, 400) if frame.kind == "recv"]
    return [*simulated * (1 + len(recorded) // len(simulated)), *filter(is_json, recorded)]


def is_json(text: bytes) -> bool:
    """A few examples in the exchanges' documentation are not."""
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def flaws(record: MarketEvent) -> str:
    """What no record may be, whatever message it was made of; "" for a sound one."""
    match record:
        case Candle():
            times, amounts = [record.open_time_ms], [record.open, record.high, record.low, record.close]
        case Liquidation():
            times, amounts = [record.time_ms], [record.price_usd, record.quantity_base]
        case MarkPrice():
            times, amounts = [record.time_ms], [record.price_usd]
        case OpenInterest():
            times, amounts = [record.time_ms], [record.open_interest_base + 1]
        case FundingRate():
            times, amounts = [record.time_ms], [abs(record.rate) + 1]
        case _:
            return f"no record of a socket: {record}"
    if not all(isinstance(at, int) and EARLIEST_MS <= at <= LATEST_MS for at in times):
        return f"a time that cannot be: {record}"
    if not all(math.isfinite(amount) and amount > 0 for amount in amounts):
        return f"an amount that cannot be: {record}"
    return "" if record.symbol in SYMBOLS else f"of no symbol that is followed: {record}"


async def bend(
    name: str, messages: Sequence[bytes], folder: Path, count: int, seed: int | None = None
) -> None:
    """Put `count` bent messages through a feed into maps and a store; then a sound one still is read.

    Without a seed, and none in LIQSTREAM_TEST_SEED, they are others each time.
    """
    if seed is None:
        seed = new_seed()
    chance = random.Random(seed)
    venue = VENUES[name]()
    sizes = dict(venue.contract_sizes)
    feed = ExchangeFeed(venue, SYMBOLS, interval_ms=MINUTE_MS)
    venue.contract_sizes |= sizes  # as if its list had been read
    store = await MarketStore.open(folder / "market.duckdb")
    model = MapModel(load_kernel("tiered"), interval_ms=MINUTE_MS, history_days=1)
    maps = LiveMaps(store, model, stale_after_s=15.0, epoch=1, clock_s=time.monotonic)
    taken = 0
    try:
        for _ in range(count):
            text = bent(chance.choice(messages), chance)
            try:
                feed.on_message(text)
            except Exception as error:  # noqa: BLE001  # none may come
                pytest.fail(f"seed {seed}: {error!r} of {text[:500]}")
            for records in feed.drain():
                found = [flaw for record in records if (flaw := flaws(record))]
                assert not found, f"seed {seed}: {found[0]} of {text[:500]}"
                maps.apply(records)
                store.enqueue(records)
                taken += len(records)
        await store.flush()
        for symbol in SYMBOLS:
            await maps.get_latest_heatmap_snapshot(symbol)
    finally:
        maps.close()
        await store.close()
    assert taken > count / 200, "hardly any message was still read: nothing was tested"
    assert feed.status.bad_messages > count / 20


@pytest.mark.parametrize("name", VENUES)
def test_bent_messages(name: str, shared_data: Path, tmp_path: Path) -> None:
    """A few hundred of each exchange, the same in each run: what is new is looked for by `make attack`."""
    asyncio.run(bend(name, messages_of(name, shared_data), tmp_path, 500, seed=1))


@pytest.mark.attack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", VENUES)
def test_a_hundred_thousand_bent_messages(name: str, shared_data: Path, tmp_path: Path) -> None:
    """Of all exchanges together."""
    asyncio.run(bend(name, messages_of(name, shared_data), tmp_path, 100_000 // len(VENUES) + 1))
