"""The simulated exchanges publish their contracts' margin brackets, and the readers take them as they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest

from liqstream.feeds.bracket_readers import READERS
from liqstream.feeds.registry import VENUES
from liqstream.simulator import bracket_wire
from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.exchange_server import DIALECTS
from tests.faults.exchange_stack import LIKE_LISTED, listed_brackets
from tests.support.exchange_rig import SYMBOLS, connector, simulated_exchange

pytestmark = pytest.mark.simulated


@pytest.mark.parametrize("name", READERS)
async def test_a_feed_reads_what_its_exchange_publishes(name: str) -> None:
    """By REST, of all symbols; rates and leverages are the listed ones, to a rounding."""
    async with simulated_exchange() as (_, port):
        feed = connector(port, VENUES[name](), below=DIALECTS[name].prefix)
        try:
            async with aclosing(feed.backfill({})) as batches:
                await anext(batches)  # it has read what is listed
            rows = await feed.brackets()
        finally:
            await feed.close()
    assert rows is not None
    assert sorted(rows) == sorted(SYMBOLS)
    for symbol in SYMBOLS:
        read = [(rate, leverage) for _, _, rate, leverage, _ in rows[symbol]]
        assert len(read) == len(listed_brackets(name, symbol))
        for one, other in zip(read, listed_brackets(name, symbol), strict=True):
            assert one == pytest.approx(other, rel=LIKE_LISTED)


def test_all_symbols_come_in_pages() -> None:
    """Fifteen symbols in each, every bracket once; the last page names no other."""
    symbols = [*CONTRACTS, *CONTRACTS]
    first = bracket_wire.bybit(symbols, 0)
    second = bracket_wire.bybit(symbols, int(first["nextPageCursor"]))
    assert len({row["symbol"] for row in bracket_wire.bybit(list(CONTRACTS), 0)["list"]}) == len(CONTRACTS)
    assert second["nextPageCursor"] == ""
    brackets = sum(len(CONTRACTS[symbol].brackets) for symbol in symbols)
    assert len(first["list"]) + len(second["list"]) == brackets


def test_brackets_follow_on_each_other() -> None:
    """Each begins where the one before ends, in contracts and in USD."""
    makers: list[tuple[Callable[[], list[dict[str, Any]]], str, str]] = [
        (lambda: bracket_wire.okx("BTCUSDT", "BTC-USDT", 980.0), "minSz", "maxSz"),
        (lambda: bracket_wire.bitget("BTCUSDT"), "minTierValue", "maxTierValue"),
    ]
    for make, low, high in makers:
        rows = make()
        assert [row[low] for row in rows] == ["0", *(row[high] for row in rows[:-1])]


async def test_what_is_not_listed_is_refused() -> None:
    """In the exchange's own words."""
    async with (
        simulated_exchange() as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        answers = {}
        for path in (
            "/v5/market/risk-limit?category=linear&symbol=XUSDT",
            "/api/v5/public/position-tiers?instType=SWAP&tdMode=cross&instFamily=X-USDT",
            "/api/v4/futures/usdt/risk_limit_tiers?contract=X_USDT",
            "/api/v3/market/position-tier?category=USDT-FUTURES&symbol=XUSDT",
        ):
            async with session.get(path) as response:
                answers[path] = await response.text()
        codes = ("10001", "51000", "CONTRACT_NOT_FOUND", "40102")
        assert [code in text for code, text in zip(codes, answers.values(), strict=True)] == [True] * 4
