"""liqstream/feeds/size_readers.py: each exchange's list of sizes, as documented, in USD by our symbols."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from liqstream.feeds.http_session import make_session
from liqstream.feeds.pacing import Budget
from liqstream.feeds.registry import VENUES
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.size_readers import SIZE_READERS, MarketSize
from liqstream.simulator.exchange_server import DIALECTS
from tests.support.exchange_rig import serving, simulated_exchange

pytestmark = pytest.mark.simulated

TICKERS = [
    {"symbol": "BTCUSDT", "quoteVolume": "900"},
    {"symbol": "1000PEPEUSDT", "quoteVolume": "90"},
    {"symbol": "BTCUSDT_261225", "quoteVolume": "1"},
    {"symbol": "BTCUSDC", "quoteVolume": "7"},
    {"symbol": "ETHUSDT", "quoteVolume": "-1"},
    {"symbol": "SOLUSDT"},
]
ANSWERS: dict[str, dict[str, Any]] = {
    "binance": {"/fapi/v1/ticker/24hr": TICKERS},
    "aster": {"/fapi/v1/ticker/24hr": TICKERS},
    "bybit": {
        "/v5/market/tickers": {
            "retCode": 0,
            "result": {
                "list": [
                    {
                        "symbol": "BTCUSDT",
                        "openInterestValue": "1000",
                        "singleOpenInterest": "2",
                        "markPrice": "250",
                        "turnover24h": "900",
                    },
                    {
                        "symbol": "1000PEPEUSDT",
                        "openInterestValue": "100",
                        "markPrice": "1",
                        "turnover24h": "90",
                    },
                ]
            },
        }
    },
    "okx": {
        "/api/v5/public/open-interest": {
            "code": "0",
            "data": [
                {"instId": "BTC-USDT-SWAP", "oi": "1", "oiUsd": "500"},
                {"instId": "PEPE-USDT-SWAP", "oi": "1", "oiUsd": "50"},
                {"instId": "BTC-USD-SWAP", "oi": "1", "oiUsd": "9"},
            ],
        }
    },
    "hyperliquid": {
        "/info": [
            {"universe": [{"name": "BTC"}, {"name": "kPEPE"}, {"name": "OLD", "isDelisted": True}]},
            [
                {"openInterest": "2", "markPx": "250", "dayNtlVlm": "900"},
                {"openInterest": "5", "markPx": "10", "dayNtlVlm": "90"},
                {"openInterest": "5", "markPx": "10", "dayNtlVlm": "90"},
            ],
        ]
    },
    "gate": {
        "/api/v4/futures/usdt/tickers": [
            {
                "contract": "BTC_USDT",
                "total_size": "20000",
                "quanto_multiplier": "0.0001",
                "mark_price": "250",
                "volume_24h_quote": "900",
            },
            {
                "contract": "PEPE_USDT",
                "total_size": "5",
                "quanto_multiplier": "10",
                "mark_price": "1",
                "volume_24h_quote": "90",
            },
        ]
    },
    "bitget": {
        "/api/v3/market/tickers": {
            "code": "00000",
            "data": [
                {"symbol": "BTCUSDT", "openInterest": "2", "markPrice": "250", "turnover24h": "900"},
                {"symbol": "PEPEUSDT", "openInterest": "50", "markPrice": "1", "turnover24h": "90"},
            ],
        }
    },
    "lighter": {
        "/api/v1/orderBookDetails": {
            "code": 200,
            "order_book_details": [
                {
                    "symbol": "BTC",
                    "market_type": "perp",
                    "open_interest": 2.0,
                    "last_trade_price": 250.0,
                    "daily_quote_token_volume": 900.0,
                },
                {
                    "symbol": "1000PEPE",
                    "open_interest": 50.0,
                    "last_trade_price": 1.0,
                    "daily_quote_token_volume": 90.0,
                },
                {"symbol": "ETH", "market_type": "spot"},
            ],
        }
    },
}
STATES_TURNOVER = {name for name in ANSWERS if name != "okx"}
STATES_OPEN_INTEREST = {name for name in ANSWERS if name not in ("binance", "aster")}


async def sizes(name: str, answers: dict[str, Any]) -> dict[str, MarketSize]:
    """What an exchange's reader makes of these answers by path."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app) as port, make_session() as session:
        rest = RestClient(name, f"http://127.0.0.1:{port}", session, Budget(()), VENUES[name].refusals)
        return await SIZE_READERS[name](rest)


def test_every_exchange_has_a_reader_and_an_answer() -> None:
    """A new one without is never chosen from."""
    assert set(VENUES) == set(SIZE_READERS) == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
async def test_sizes_are_usd_by_our_symbols(name: str) -> None:
    """The same two markets in the words of each; what is no USDT perpetual or unreadable is left out."""
    found = await sizes(name, ANSWERS[name])
    assert found == {
        symbol: MarketSize(
            usd * 5.0 if name in STATES_OPEN_INTEREST else None,
            usd * 9.0 if name in STATES_TURNOVER else None,
        )
        for symbol, usd in (("BTCUSDT", 100), ("PEPEUSDT", 10))
    }


async def test_the_simulated_market_is_chosen_from_as_the_real_ones_are() -> None:
    """Each of its exchanges states the sizes of all markets, in the same order where it has a figure."""
    listed = ("BTCUSDT", "ETHUSDT", "1000PEPEUSDT")
    async with simulated_exchange(symbols=listed) as (_, port), make_session() as session:
        for name, reader in SIZE_READERS.items():
            url = f"http://127.0.0.1:{port}{DIALECTS[name].prefix}"
            found = await reader(RestClient(name, url, session, Budget(()), VENUES[name].refusals))
            held = {symbol: size.open_interest_usd for symbol, size in found.items()}
            assert set(held) == {"BTCUSDT", "ETHUSDT", "PEPEUSDT"}, name
            if name in STATES_OPEN_INTEREST:
                usd = [held[symbol] or 0.0 for symbol in ("BTCUSDT", "ETHUSDT", "PEPEUSDT")]
                assert usd == sorted(usd, reverse=True), name


async def test_a_list_without_a_size_is_no_answer() -> None:
    """It is asked for again, instead of being ranked by."""
    with pytest.raises(ValueError, match="whose size can be read"):
        await sizes("binance", {"/fapi/v1/ticker/24hr": [{"symbol": "BTCUSDT"}]})


@pytest.mark.parametrize("row", [None, "x", 7, [], {"symbol": "XUSDT", "quoteVolume": "1e300"}])
@pytest.mark.parametrize("name", ["binance", "lighter", "hyperliquid"])
async def test_a_row_that_is_none_is_left_out(name: str, row: object) -> None:
    """It costs no other row; a size that no market has would lead every ranking."""
    ((path, answer),) = ANSWERS[name].items()
    if name == "hyperliquid":
        meta, contexts = answer
        answer = [{**meta, "universe": [row, *meta["universe"]]}, [row, *contexts]]
    elif name == "lighter":
        answer = {**answer, "order_book_details": [row, *answer["order_book_details"]]}
    else:
        answer = [row, *answer]
    assert set(await sizes(name, {path: answer})) == {"BTCUSDT", "PEPEUSDT"}
