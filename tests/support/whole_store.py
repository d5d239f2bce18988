"""A store with some rows in every table."""

from __future__ import annotations

from pathlib import Path

from liqstream.market import (
    MINUTE_MS,
    Candle,
    FundingRate,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    OpenInterest,
)
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore
from liqstream.store.owned_records import StoredRecord
from liqstream.store.positions import (
    PositionsBatch,
    StoredAccount,
    StoredCell,
    StoredCoverage,
    StoredPosition,
)
from tests.support.store_records import T0 as T0_MS

NAMES = ("binance", "BTCUSDT")
BARS = 300


async def write_whole_store(path: Path) -> None:
    """Write it."""
    store = await MarketStore.open(path)
    try:
        records: list[MarketEvent] = []
        for number in range(BARS):
            at_ms, price = T0_MS + number * MINUTE_MS, 100.0 + number % 7
            records += [
                Candle(*NAMES, MINUTE_MS, at_ms, price, price + 1, price - 1, price, 5.0, 500.0, 2.0),
                OpenInterest(*NAMES, at_ms, 1000.0 + number, 1000.0 + number, "base"),
                Liquidation(*NAMES, at_ms, "long" if number % 2 else "short", price, 0.5),
                LiquidationTotal(*NAMES, MINUTE_MS, at_ms, 10.0, 20.0),
                FundingRate(*NAMES, at_ms, 1e-4),
            ]
        records.append(LiquidationSpan(*NAMES, T0_MS, T0_MS + BARS * MINUTE_MS))
        await store.append(records)
        await store.append_forecasts([StoredForecast("BTCUSDT", "1h", T0_MS, "binance", "ridge", "{}")])
        address = "0x" + "ab" * 20
        await store.append_positions(
            PositionsBatch(
                [StoredAccount(address, "trades", T0_MS, T0_MS, T0_MS, False)],
                [StoredPosition("BTCUSDT", address, T0_MS, 1.5, 100.0, 90.0, 10.0, False)],
                [StoredCell("BTCUSDT", T0_MS, 4605, 10.0, 0.0)],
                [StoredCoverage("BTCUSDT", T0_MS, 0.1, 0.1, 0.1, 0.1, 1000.0, 1000.0, 1)],
            )
        )
        await store.write_owned_records([StoredRecord("rule", "me", "1", T0_MS, "{}")])
    finally:
        await store.close()
