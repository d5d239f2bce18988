"""liqstream/market/identity.py: contracts by the thousand are their coin's, in single coins."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import pytest

from liqstream.market import (
    Candle,
    FundingRate,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    MarkPrice,
    OpenInterest,
)
from liqstream.market.identity import (
    MULTIPLIERS,
    NEAREST,
    Contract,
    canonical,
    ccxt_name,
    contract_name,
    contract_of,
    followed_symbol,
    in_coins,
    offered,
    per_coin,
    single_coins,
    symbol_of,
)

THEIRS, OURS = ("okx", "1000PEPEUSDT"), ("okx", "PEPEUSDT")


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("1000PEPEUSDT", Contract("PEPEUSDT", 1000)),
        ("SHIB1000USDT", Contract("SHIBUSDT", 1000)),
        ("1000000MOGUSDT", Contract("MOGUSDT", 1_000_000)),
        ("1MBABYDOGEUSDT", Contract("BABYDOGEUSDT", 1_000_000)),
        ("10000LADYSUSDC", Contract("LADYSUSDC", 10_000)),
        ("1INCHUSDT", Contract("1INCHUSDT", 1)),
        ("BTCUSDT", Contract("BTCUSDT", 1)),
        ("1000USDT", Contract("1000USDT", 1)),
    ],
)
def test_a_contract_s_name_says_its_coin_and_how_many(name: str, contract: Contract) -> None:
    """Before or behind the coin."""
    assert contract_of(name) == contract
    assert canonical(name) == contract.symbol


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("PEPE-USDT-SWAP", "PEPEUSDT"),
        ("pepe_usdt", "PEPEUSDT"),
        ("1000PEPE/USDT:USDT", "1000PEPEUSDT"),
        ("kPEPE", "1000PEPEUSDT"),
        ("KAVAUSDT", "KAVAUSDT"),
        ("kavausdt", "KAVAUSDT"),
        ("BTC-PERP", "BTC-PERP"),
        ("BTC-USDT-261225", "BTC-USDT-261225"),
        ("BTC/USD:BTC", "BTC/USD:BTC"),
    ],
)
def test_every_exchange_s_way_to_write_a_contract(text: str, name: str) -> None:
    """A date, or a settlement in the coin, is not the perpetual: it stays, and is no symbol."""
    assert contract_name(text) == name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            Candle(*THEIRS, 1, 7, 4.0, 5.0, 3.0, 4.0, 2.0, 8.0),
            (Candle(*OURS, 1, 7, 0.004, 0.005, 0.003, 0.004, 2000.0, 8.0)),
        ),
        (OpenInterest(*THEIRS, 7, 5.0, 5.0), OpenInterest(*OURS, 7, 5000.0, 5.0)),
        (Liquidation(*THEIRS, 7, "long", 4.0, 2.0), Liquidation(*OURS, 7, "long", 0.004, 2000.0)),
        (MarkPrice(*THEIRS, 7, 4.0), MarkPrice(*OURS, 7, 0.004)),
        (LiquidationTotal(*THEIRS, 1, 7, 4.0, 5.0), LiquidationTotal(*OURS, 1, 7, 4.0, 5.0)),
        (LiquidationSpan(*THEIRS, 7, 8), LiquidationSpan(*OURS, 7, 8)),
        (FundingRate(*THEIRS, 7, 0.1), FundingRate(*OURS, 7, 0.1)),
    ],
    ids=lambda record: type(record).__name__,
)
def test_records_are_counted_in_coins(theirs: MarketEvent, ours: MarketEvent) -> None:
    """USD figures and rates are the same; a coin's own record stays as it is."""
    assert in_coins(theirs) == ours
    assert in_coins(ours) is ours


@pytest.mark.parametrize("coins", sorted({1, *MULTIPLIERS.values()}))
def test_prices_and_sizes_keep_the_digits_they_came_in(coins: int) -> None:
    """As decimal fractions give them: .012345 of a thousand is 1.2345e-05, not 1.2345000000000001e-05."""
    rng = random.Random(coins)
    for _ in range(300):
        text = f"{rng.randrange(1, 10**9)}e{rng.randrange(-12, 3)}"
        assert per_coin(float(text), coins) == float(Decimal(text) / coins)
        assert single_coins(float(text), coins) == float(Decimal(text) * coins)
    assert math.isnan(per_coin(math.nan, coins))


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        *((name, "BTCUSDT") for name in ("BTCUSDT", "BTC/USDT:USDT", "BTC-USDT-SWAP", "btc_usdt")),
        *((name, "PEPEUSDT") for name in ("kPEPE", "1000PEPEUSDT", "1000PEPE/USDT:USDT", "PEPE-USDT-SWAP")),
        ("SHIB1000USDT", "SHIBUSDT"),
        ("BTC/USDC:USDC", "BTCUSDC"),
        ("BTC/USD:BTC", "BTC/USD:BTC"),
        ("E\u0301CUUSDT", "\u00c9CUUSDT"),
    ],
)
def test_every_usual_name_means_its_symbol(text: str, symbol: str) -> None:
    """By one table; a market settled in USDC is its own, one settled in coin is none."""
    assert symbol_of(text) == symbol
    assert symbol_of(ccxt_name(symbol)) == symbol


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC", "BTCUSDT"),
        ("btc", "BTCUSDT"),
        ("BTC-PERP", "BTCUSDT"),
        ("BTCPERP", "BTCUSDT"),
        ("BTC/USDC:USDC", "BTCUSDC"),
        ("1000PEPE", "PEPEUSDT"),
        ("ETH", "ETHUSDC"),
        ("PERP", "PERPUSDT"),
        ("KPEPE", None),
        ("BTC-USDT-261225", None),
        ("BTC/USD:BTC", None),
        ("BTCUSD_PERP", None),
        ("USDT", None),
        ("", None),
    ],
)
def test_a_coin_alone_is_its_market_where_that_is_followed(name: str, symbol: str | None) -> None:
    """Of the preferred quote; another contract of the coin is none."""
    followed = ["BTCUSDC", "BTCUSDT", "PEPEUSDT", "ETHUSDC", "PERPUSDT"]
    assert followed_symbol(name, followed) == symbol


def test_of_many_markets_the_nearest_are_offered() -> None:
    """Few are all named; of many ten, those first that have the most letters in common."""
    few = ["BTCUSDT", "ETHUSDT"]
    assert offered(["DOGEBTC"], few) == "BTCUSDT, ETHUSDT"
    many = [*few, *(f"{a}{b}XUSDT" for a in "ABCDEFGHKLMN" for b in "OPQRSTUVWXYZ"), "DOGEUSDT", "WIFUSDT"]
    text = offered(["DOGUSDT", "wif-usd"], many)
    names = text.removesuffix(f" (the nearest of {len(many)})").split(", ")
    assert len(names) == NEAREST
    assert {"DOGEUSDT", "WIFUSDT"} <= set(names[:3])
    assert offered(["X" * 4000], many).count(",") == NEAREST - 1
