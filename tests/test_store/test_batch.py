"""liqstream/store/batch.py: rows on their way into the store, each fact once."""

from __future__ import annotations

import numpy as np

from liqstream.market import Liquidation, MarketEvent, MarkPrice
from liqstream.store.batch import Batch, columns
from liqstream.store.tables import CANDLES
from tests.support.store_records import T0, candle, open_interest

TWIN = Liquidation("bybit", "BTCUSDT", T0, "long", 100.0, 1.0)


def batch_of(*messages: list[MarketEvent]) -> Batch:
    batch = Batch()
    for message in messages:
        batch.add(message)
    return batch


def test_the_newest_of_equal_keys_wins_and_all_are_counted() -> None:
    """A repeat is a duplicate, other values replace; forming bars and mark prices are left out."""
    mark = MarkPrice("binance", "BTCUSDT", T0, 1.0)
    batch = batch_of(
        [candle(0), candle(0), candle(0, close=101.0), open_interest(T0, 5.0)],
        [candle(1, closed=False), mark],
    )
    assert (len(batch), batch.duplicates, batch.replaced) == (2, 1, 1)
    assert next(iter(batch.rows["candles"].values()))[CANDLES.columns.index("close")] == 101.0


def test_equal_liquidations_of_one_message_are_different_ones() -> None:
    """And those of another message are the same ones again."""
    batch = batch_of([TWIN, TWIN], [TWIN])
    assert (len(batch), batch.duplicates) == (2, 1)
    assert [row[-1] for row in batch.rows["liquidations"].values()] == [0, 1]


def test_what_could_not_be_written_is_taken_back() -> None:
    """Older rows come first and give way to newer ones of the same key."""
    newer = batch_of([candle(1, close=101.0), candle(2)])
    newer.put_back(batch_of([candle(0), candle(1)]))
    close = CANDLES.columns.index("close")
    assert [row[close] for row in newer.rows["candles"].values()] == [100.0, 101.0, 100.0]


def test_the_oldest_rows_are_given_up_first() -> None:
    """As many as there are too many."""
    batch = batch_of([candle(index) for index in range(5)])
    assert batch.drop_oldest(9) == 0
    assert batch.drop_oldest(2) == 3
    assert [key[-1] for key in batch.rows["candles"]] == [candle(3).open_time_ms, candle(4).open_time_ms]


def test_rows_become_columns_of_their_types() -> None:
    """Texts, whole numbers and floats; an unknown number is NaN."""
    rows = list(batch_of([candle(0, volume_base=2.0), candle(1)]).rows["candles"].values())
    made = columns(CANDLES, rows)
    assert tuple(made) == CANDLES.columns
    assert made["open_time_ms"].dtype == np.int64
    assert made["symbol"].tolist() == ["BTCUSDT", "BTCUSDT"]
    np.testing.assert_array_equal(made["volume_base"], [2.0, np.nan])
