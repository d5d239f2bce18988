"""liqstream/client/market_table.py: the table of markets as it comes, whole and changed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from liqstream.client import HeatmapClient
from liqstream.client.market_table import MarketTable, MarketTables, MarketTableState
from liqstream.client.messages import MarketsMessage, decode

CASES = json.loads((Path(__file__).parents[1] / "market_table_cases.json").read_text())


def shown(table: MarketTable | None) -> dict[str, Any] | None:
    if table is None:
        return None
    fields = {name: list(values) for name, values in table.fields.items()}
    return {"epoch": table.epoch, "seq": table.seq, "symbols": list(table.symbols), "fields": fields}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_messages_make_the_tables_of_the_shared_cases(case: dict[str, Any]) -> None:
    """tests/js/market-table.test.js holds JavaScript to the same."""
    state, asks = MarketTableState(), []
    for message, table in zip(case["messages"], case["tables"], strict=True):
        decoded = decode(json.dumps(message))
        assert isinstance(decoded, MarketsMessage)
        assert shown(state.take(decoded)) == table
        asks.append(state.must_ask)
        state.asked()
    assert asks == case["asks"]


async def test_only_the_newest_table_waits() -> None:
    """A slow consumer finds no queue of old ones; what has ended raises nothing but the end."""
    closed: list[MarketTables] = []

    async def close(tables: MarketTables) -> None:
        closed.append(tables)

    tables, state = MarketTables(close), MarketTableState()
    for message in CASES[0]["messages"]:
        table = state.take(decode(json.dumps(message)))  # type: ignore[arg-type]
        assert table is not None
        tables.put(table)
    assert (await anext(tables)).seq == 44
    await tables.aclose()
    assert closed == [tables]
    with pytest.raises(StopAsyncIteration):
        await anext(tables)


async def test_a_running_server_sends_its_table(demo_url: str) -> None:
    """Whole at once, then what changes; a row has what the columns have."""
    async with HeatmapClient(demo_url) as client, asyncio.timeout(20):
        async with client.markets() as tables:
            first = await anext(tables)
            assert first.symbols == ("BTCUSDT", "ETHUSDT")
            row = first.row("ETHUSDT")
            assert isinstance(row["price"], int | float)
            assert (row["source"], row["venues"]) == ("simulated", ["simulated"])
            later = await anext(tables)
            assert (later.epoch, later.seq) > (first.epoch, first.seq)
            with pytest.raises(KeyError):
                first.row("NOSUCH")
            with pytest.raises(ValueError, match="already"):
                client.markets()
        assert client.not_understood == 0
