"""liqstream/feeds/bracket_readers.py: each exchange's public table, as documented, in rows of one form."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from liqstream.feeds.bracket_readers import READERS, rows_of
from liqstream.feeds.http_session import make_session
from liqstream.feeds.pacing import Budget
from liqstream.feeds.refusals import RefusalTable
from liqstream.feeds.registry import VENUES
from liqstream.feeds.rest_client import RestClient, RestRefusedError
from liqstream.model.margin import bracket_table
from tests.support.exchange_rig import serving

CONTRACTS = {"BTCUSDT": "BTCUSDT", "PEPEUSDT": "1000PEPEUSDT", "ETHUSDC": "ETHUSDC"}


def bybit_row(symbol: str, limit: int, rate: str, leverage: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "riskLimitValue": str(limit),
        "maintenanceMargin": rate,
        "maxLeverage": leverage,
    }


TWO_STEPS = [[0.0, 2e6, 0.005, 100.0, 0.0], [2e6, 4e6, 0.01, 50.0, 10_000.0]]
GATE = [
    {
        "tier": 2,
        "risk_limit": "4000000",
        "maintenance_rate": "0.01",
        "leverage_max": "50",
        "deduction": "10000",
    },
    {
        "tier": 1,
        "risk_limit": "2000000",
        "maintenance_rate": "0.005",
        "leverage_max": "100",
        "deduction": "0",
    },
]
BITGET = [
    {"minTierValue": "0", "maxTierValue": "2000000", "leverage": "100", "mmr": "0.005"},
    {"minTierValue": "2000000", "maxTierValue": "4000000", "leverage": "50", "mmr": "0.01"},
]
OKX = [
    {"minSz": "0", "maxSz": "2000", "mmr": "0.005", "imr": "0.01", "maxLever": "100"},
    {"minSz": "2000.1", "maxSz": "4000", "mmr": "0.01", "imr": "0.02", "maxLever": "50"},
]
ANSWERS: dict[str, dict[str, Any]] = {
    "bybit": {
        "/v5/market/risk-limit?category=linear": {
            "result": {
                "list": [
                    bybit_row("BTCUSDT", 4_000_000, "0.01", "50"),
                    bybit_row("ETHUSDT", 1, "0.01", "50"),
                ],
                "nextPageCursor": "x",
            }
        },
        "/v5/market/risk-limit?category=linear&cursor=x": {
            "result": {
                "list": [
                    bybit_row("BTCUSDT", 2_000_000, "0.5", "100.00"),
                    bybit_row("1000PEPEUSDT", 50_000, "2", "25"),
                    bybit_row("ETHPERP", 60_000, "2", "25"),
                ],
                "nextPageCursor": "",
            }
        },
    },
    "okx": {
        "/api/v5/public/instruments?instType=SWAP": {
            "data": [
                {"instId": "BTC-USDT-SWAP", "ctVal": "0.01", "ctMult": "1"},
                {"instId": "BTC-USD-SWAP", "ctVal": "100", "ctMult": "1"},
                {"instId": "ETH-USDC-SWAP", "ctVal": "0.1", "ctMult": "1"},
                {"instId": "X-USDT-SWAP", "ctVal": "", "ctMult": ""},
            ]
        },
        "/api/v5/public/mark-price?instType=SWAP": {
            "data": [
                {"instId": "BTC-USDT-SWAP", "markPx": "100000"},
                {"instId": "ETH-USDC-SWAP", "markPx": "10000"},
            ]
        },
        "/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=ETH-USDC": {"data": OKX},
        "/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=BTC-USDT": {"data": OKX},
    },
    "hyperliquid": {
        "/info": {
            "universe": [
                {"name": "BTC", "maxLeverage": 50, "marginTableId": 56},
                {"name": "kPEPE", "maxLeverage": 10, "marginTableId": 10},
            ],
            "marginTables": [
                [
                    56,
                    {
                        "description": "tiered",
                        "marginTiers": [
                            {"lowerBound": "0.0", "maxLeverage": 40},
                            {"lowerBound": "150000000.0", "maxLeverage": 20},
                        ],
                    },
                ]
            ],
        }
    },
    "lighter": {
        "/api/v1/orderBookDetails": {
            "code": 200,
            "order_book_details": [
                {"symbol": "BTC", "min_initial_margin_fraction": 200, "maintenance_margin_fraction": 120},
                {"symbol": "1000PEPE", "min_initial_margin_fraction": 0, "maintenance_margin_fraction": 1},
            ],
        }
    },
    "gate": {"/api/v4/futures/usdt/risk_limit_tiers?contract=BTC_USDT": GATE},
    "bitget": {"/api/v3/market/position-tier?category=USDT-FUTURES&symbol=BTCUSDT": {"data": BITGET}},
}
WANTED: dict[str, dict[str, list[list[float]]]] = {
    "bybit": {
        "BTCUSDT": TWO_STEPS,
        "PEPEUSDT": [[0.0, 50_000.0, 0.02, 25.0, 0.0]],
        "ETHUSDC": [[0.0, 60_000.0, 0.02, 25.0, 0.0]],
    },
    "okx": {"BTCUSDT": TWO_STEPS, "ETHUSDC": TWO_STEPS},
    "hyperliquid": {
        "BTCUSDT": [[0.0, 1.5e8, 0.0125, 40.0, 0.0], [1.5e8, 1e13, 0.025, 20.0, 1_875_000.0]],
        "PEPEUSDT": [[0.0, 1e13, 0.05, 10.0, 0.0]],
    },
    "lighter": {"BTCUSDT": [[0.0, 1e13, 0.012, 50.0, 0.0]]},
    "gate": {"BTCUSDT": TWO_STEPS},
    "bitget": {"BTCUSDT": TWO_STEPS},
}


def strewn(answer: Any, row: object) -> Any:
    """An answer with every row twice, and between them one that is none where rows are of many contracts."""
    if isinstance(answer, dict):
        return {name: strewn(each, row) for name, each in answer.items()}
    if not isinstance(answer, list):
        return answer
    is_table = answer in (GATE, BITGET, OKX) or not isinstance(answer[0], dict)
    return [*answer, *([] if is_table else [row]), *answer]


ITEM = RefusalTable(item=frozenset({"51001"}))


async def read(exchange: str, answers: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    """What the reader makes of an exchange that answers so; of anything else it knows no such contract."""

    async def handle(request: web.Request) -> web.Response:
        if request.path_qs not in answers:
            return web.json_response({"code": "51001", "msg": "no such contract"}, status=400)
        return web.json_response(answers[request.path_qs])

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    async with serving(app) as port, make_session() as session:
        rest = RestClient(exchange, f"http://127.0.0.1:{port}", session, Budget(()), ITEM)
        return await READERS[exchange](rest, CONTRACTS)


@pytest.mark.parametrize("exchange", ANSWERS)
async def test_a_table_is_read_in_usd(exchange: str) -> None:
    """Of each contract that is listed, whatever its order and unit; coins by the thousand are theirs."""
    rows = await read(exchange, ANSWERS[exchange])
    assert rows.keys() == WANTED[exchange].keys()
    for symbol, wanted in WANTED[exchange].items():
        assert [pytest.approx(row) for row in wanted] == rows[symbol]
    assert bracket_table(exchange, "2026-11-26", rows).symbols.keys() == rows.keys()


@pytest.mark.parametrize("exchange", ["okx", "gate", "bitget"])
async def test_a_contract_that_is_refused_costs_the_others_nothing(exchange: str) -> None:
    """What cannot be read is left out, and what is no table at all is raised or empty."""
    broken = {path: ANSWERS["okx"][path] for path in list(ANSWERS["okx"])[:2]} if exchange == "okx" else {}
    assert await read(exchange, broken) == {}


@pytest.mark.parametrize("exchange", ANSWERS)
@pytest.mark.parametrize("row", [None, {}, [], "x", 7, {"symbol": None, "instId": 1, "name": []}])
async def test_a_row_that_is_none_costs_the_others_nothing(exchange: str, row: object) -> None:
    """In any list of an answer; one that comes twice counts once."""
    rows = await read(exchange, {path: strewn(each, row) for path, each in ANSWERS[exchange].items()})
    assert rows.keys() == WANTED[exchange].keys()


async def test_an_exchange_that_refuses_the_table_raises() -> None:
    """The caller keeps what it had."""
    for exchange in ("bybit", "okx", "hyperliquid"):
        with pytest.raises(RestRefusedError):
            await read(exchange, {})


def test_rows_are_continuous_and_ascend() -> None:
    """The margin at each border is the same by both brackets."""
    rows = rows_of([(1e6, 0.004, 125.0), (5e6, 0.005, 100.0), (2e7, 0.0125, 50.0)])
    for (_, border, rate, _, amount), (floor, _, next_rate, _, next_amount) in pairwise(rows):
        assert border == floor
        assert border * rate - amount == pytest.approx(border * next_rate - next_amount)
    with pytest.raises(ValueError, match="after one up to"):
        rows_of([(2e6, 0.01, 50.0), (1e6, 0.02, 25.0)])


def test_every_reader_is_of_an_exchange_there_is() -> None:
    """By its name."""
    assert READERS.keys() <= VENUES.keys()
