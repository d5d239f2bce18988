"""liqstream/file_import/formats.py: which columns make a form, and the records of a row."""

from __future__ import annotations

import pytest

from liqstream.file_import.formats import (
    BARS,
    EXPECTED,
    FORMS,
    HEADERLESS,
    LIQUIDATIONS,
    METRICS,
    TOTALS,
    Market,
    column_positions,
    foreign_columns,
    row_symbol,
)
from liqstream.market import Candle, FundingRate, Liquidation, LiquidationTotal, OpenInterest
from tests.support.store_records import STEP_MS, T0

MARKET = Market("binance", "BTCUSDT", STEP_MS)
TIME = str(T0)


def test_columns_are_known_by_any_of_their_names() -> None:
    """Whatever their case and order; of two names the better one, of equal ones the first."""
    header = ["Price", " Average_Price ", "SIZE", "timestamp", "timestamp", "unknown"]
    assert column_positions(header) == {"price": 1, "limit_price": 0, "quantity": 2, "time": 3}


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        *(
            (each, "symbol")
            for each in ("instrument_name", "instId", "contract", "Pair", "ticker", "coin", "market")
        ),
        *(
            (each, "time")
            for each in ("Open time", "openTime", "startTime", "calc_time", "fundingTime", "Unix")
        ),
        ("last_funding_rate", "funding"),
        ("Quote asset volume", "quote_volume"),
    ],
)
def test_other_tools_names_of_columns(name: str, ours: str) -> None:
    """A column that says of which symbol a row is must not be passed over."""
    assert column_positions([name]) == {ours: 0}


def test_what_the_names_of_columns_give_away() -> None:
    """Trades are no liquidations, and contracts no base coin."""
    trades = ["timestamp", "symbol", "side", "size", "price", "tickDirection", "trdMatchID"]
    assert "those of trades" in foreign_columns(LIQUIDATIONS, trades, "bybit")
    assert "okx counts size in contracts" in foreign_columns(LIQUIDATIONS, trades[:5], "okx")
    assert foreign_columns(LIQUIDATIONS, trades[:5], "bybit") == ""
    assert "gate counts open_interest" in foreign_columns(METRICS, ["time", "open_interest"], "gate")
    assert foreign_columns(METRICS, ["time", "open_interest", "open_interest_base"], "gate") == ""
    assert "okx counts open_interest" in foreign_columns(BARS, ["time", "open", "open_interest"], "okx")
    assert "gate counts volume" in foreign_columns(BARS, ["time", "volume", "close"], "gate")
    for columns in (["volume", "turnover"], ["volume_base"], ["open"]):  # the turnover is compared with it
        assert foreign_columns(BARS, ["time", *columns], "gate") == ""


@pytest.mark.parametrize(
    ("row", "exchange", "reason"),
    [
        ({"symbol": "BTC-USD-SWAP"}, "okx", "margined in coins"),
        ({"symbol": "BTCUSD"}, "bybit", "margined in coins"),
        ({"symbol": "BTCUSDT260626"}, "binance", "symbol is none"),
        ({"symbol": "BTCUSDC1226"}, "binance", "symbol is none"),
        ({"symbol": "BTCUSDT", "exchange": "bybit"}, "binance", "it is of 'bybit'"),
    ],
)
def test_a_row_of_another_market_is_none(row: dict[str, str], exchange: str, reason: str) -> None:
    """Margined in coins, of a delivery date, of another exchange."""
    with pytest.raises(ValueError, match=reason):
        row_symbol(row, Market(exchange, "", STEP_MS))


def test_a_row_that_names_its_exchange() -> None:
    """In the words of other tools; linear contracts in USD of exchanges that have some are kept."""
    named = {"symbol": "USD1USDT", "exchange": "Binance-futures"}
    assert row_symbol(named, Market("binance", "", STEP_MS)) == "USD1USDT"
    assert row_symbol({"symbol": "BTCUSD", "exchange": ""}, Market("kraken", "", STEP_MS)) == "BTCUSD"


def test_every_kind_has_forms_and_says_what_it_expects() -> None:
    """And a form without a header has all the columns it needs."""
    assert set(EXPECTED) == set(FORMS)
    for kind, columns in HEADERLESS.items():
        assert any(set(form.needs) <= set(column_positions(columns)) for form in FORMS[kind])


def test_a_row_of_bars_is_its_open_interest_totals_funding_and_candle() -> None:
    """In this order; open interest at the close, USD converted by it."""
    row = {"time": TIME, "open": "1", "high": "4", "low": "1", "close": "2", "volume": "9"}
    more = {"oi_usd": "100", "long_usd": "5", "short_usd": "6", "funding": "0.001"}
    assert BARS.parse(row | more, MARKET) == (
        T0,
        [
            OpenInterest("binance", "BTCUSDT", T0 + STEP_MS, 50.0, 100.0, "usd"),
            LiquidationTotal("binance", "BTCUSDT", STEP_MS, T0, 5.0, 6.0),
            FundingRate("binance", "BTCUSDT", T0, 0.001),
            Candle("binance", "BTCUSDT", STEP_MS, T0, 1.0, 4.0, 1.0, 2.0, 9.0),
        ],
    )
    assert len(BARS.parse(row | {"oi_base": "0", "long_usd": "5", "short_usd": ""}, MARKET)[1]) == 1
    with pytest.raises(ValueError, match="do not span"):
        BARS.parse(row | {"close": "5"}, MARKET)
    with pytest.raises(ValueError, match="takers cannot have bought 10"):
        BARS.parse(row | {"taker_buy": "10"}, MARKET)
    assert len(BARS.parse(row | {"taker_buy": "9.0001"}, MARKET)[1]) == 1


def test_rows_of_the_other_forms() -> None:
    """One record each, at the row's time."""
    assert TOTALS.parse({"time": TIME, "long_usd": "1", "short_usd": "0"}, MARKET) == (
        T0,
        [LiquidationTotal("binance", "BTCUSDT", STEP_MS, T0, 1.0, 0.0)],
    )
    assert METRICS.parse({"time": TIME, "oi_base": "3"}, MARKET) == (
        T0,
        [OpenInterest("binance", "BTCUSDT", T0, 3.0, 3.0, "base")],
    )
    liquidation = {"time": TIME, "side": "SELL", "price": "100", "quantity": "2"}
    assert LIQUIDATIONS.parse(liquidation, MARKET) == (
        T0,
        [Liquidation("binance", "BTCUSDT", T0, "long", 100.0, 2.0)],
    )


@pytest.mark.parametrize(
    ("text", "symbol"),
    [("", "BTCUSDT"), ("btc", "BTCUSDT"), ("BTCUSDT", "BTCUSDT"), ("eth", "ETHUSDT"), ("ETHUSDC", "ETHUSDC")],
)
def test_captures_leave_the_quote_out(text: str, symbol: str) -> None:
    """A row without a symbol is of the file's."""
    assert row_symbol({"symbol": text}, MARKET) == symbol


def test_a_symbol_that_is_none_is_refused() -> None:
    """With the field in the sentence."""
    with pytest.raises(ValueError, match="symbol is none"):
        row_symbol({"symbol": "B T C"}, MARKET)


@pytest.mark.parametrize(("one_sided", "base"), [("", 29945.866), ("true", 59891.732)])
def test_bybit_s_open_interest_is_halved_unless_it_is_one_sided(one_sided: str, base: float) -> None:
    """In bars and in metrics, base coin and USD alike."""
    market = Market("bybit", "BTCUSDT", 300_000)
    row = {"time": "1779724800", "oi_base": "59891.732", "one_sided": one_sided}
    prices = dict.fromkeys(("open", "high", "low", "close"), "2")
    for form, more in ((METRICS, {}), (BARS, prices)):
        interest = form.parse(row | more, market)[1][0]
        assert isinstance(interest, OpenInterest)
        assert (interest.open_interest_base, interest.one_sided) == (base, True)
    in_usd = BARS.parse({"oi_usd": "59891.732", **row, **prices, "oi_base": ""}, market)[1][0]
    assert isinstance(in_usd, OpenInterest)
    assert in_usd.open_interest_base == base / 2
