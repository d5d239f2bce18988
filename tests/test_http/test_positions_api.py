"""The measured layer of a running demo server: positions, map, history, and what it is never part of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from liqstream.ingest.measured_layer import MEASURED
from tests.support.lqh1 import decoded
from tests.support.measured_server import (
    collector_of,
    measured_server,
    store_now,
    until_read,
)

pytestmark = pytest.mark.simulated
WHOLE_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


async def asked(client: TestClient[Any, Any], path: str, status: int = 200) -> Any:
    """The JSON of an answer; no answer ever holds a whole address."""
    async with client.get(path, headers={"Accept": "application/json"}) as answer:
        text = await answer.text()
        assert answer.status == status, text
        assert not WHOLE_ADDRESS.search(text)
        return await answer.json()


async def test_the_layer_of_a_demo_server(tmp_path: Path) -> None:
    """All of it on one server: what it shows is what was measured, labelled, and apart from the rest."""
    async with measured_server(tmp_path) as client:
        await until_read(client, 60)
        collector = collector_of(client)
        collector.liquidations.capture.note_trade("BTC", collector.now_ms(), 100.0, is_covered=False)
        await _positions(client)
        await _maps(client)
        await _history(client)
        await _refusals(client)
        ready = await asked(client, "/ready")
        assert ready["positions"]["source"] == "simulated"
        assert ready["positions"]["state"] == "reading"
        metrics = await (await client.get("/metrics")).text()
        assert not WHOLE_ADDRESS.search(metrics)
        facts = await asked(client, "/api/positions/BTCUSDT?limit=1")
        assert 0 <= facts["liquidations"]["capture"] <= 1
        assert "lower bound" in facts["liquidations"]["sentence"]
        assert (await asked(client, "/api/liquidations/BTCUSDT"))["capture"].keys() == {"hyperliquid"}
        assert 'liqstream_liquidation_capture_ratio{symbol="BTCUSDT"}' in metrics
        assert 'liqstream_positions_coverage_ratio{side="long",symbol="BTCUSDT"}' in metrics
        collector_of(client)._leads = lambda: False
        refused = await asked(client, f"/api/heatmap/BTCUSDT?exchange={MEASURED}", 503)
        assert "another server of the fleet reads positions" in refused["error"]
        assert (await asked(client, "/ready"))["positions"]["state"] == "standby"
        collector_of(client).ended = "positions are not given to this address"
        refused = await asked(client, f"/api/heatmap/BTCUSDT?exchange={MEASURED}", 503)
        assert refused["error"] == "positions are not given to this address"
        assert (await asked(client, "/ready"))["positions"]["reason"] == refused["error"]
        await asked(client, "/api/heatmap/BTCUSDT")


async def _positions(client: TestClient[Any, Any]) -> None:
    every = await asked(client, "/api/positions/BTCUSDT?limit=200")
    assert every["measured"] is True
    assert every["source"] == "simulated"
    assert every["coverage"]["if_one_sided"] is True
    assert "of longs" in every["sentence"]
    usd = [row["usd"] for row in every["data"]]
    assert usd == sorted(usd, reverse=True)
    assert re.fullmatch(r"0x[0-9a-f]{4}\.\.[0-9a-f]{4}", every["data"][0]["address"])
    price = (await asked(client, "/api/heatmap/BTCUSDT"))["data"]["current_price"]
    longs = await asked(client, f"/api/positions/BTCUSDT?side=long&low={0.8 * price}&high={price}&limit=5")
    assert 0 < len(longs["data"]) <= 5
    assert all(row["side"] == "long" and 0.8 * price <= row["level"] <= price for row in longs["data"])


def _drawable_usd(client: TestClient[Any, Any], low: float, high: float) -> float:
    levels = collector_of(client).levels("BTCUSDT")
    assert levels is not None
    return float(levels.usd[levels.has_level & (levels.level > low) & (levels.level < high)].sum())


async def _maps(client: TestClient[Any, Any]) -> None:
    grid = (await asked(client, "/api/heatmap/BTCUSDT?columns=1"))["data"]
    ends = grid["p0"], grid["p0"] + grid["step"] * len(grid["long"])
    before = _drawable_usd(client, *ends)
    measured = await asked(client, f"/api/heatmap/BTCUSDT?exchange={MEASURED}&columns=1")
    plain = await asked(client, "/api/heatmap/BTCUSDT?columns=1")
    assert (measured["kernel"], measured["exchanges"]) == ("measured", [MEASURED])
    assert measured["data"]["p0"] == plain["data"]["p0"]
    assert "measured" not in plain
    assert MEASURED not in plain["all_exchanges"]
    drawn = sum(measured["data"]["long"]) + sum(measured["data"]["short"])
    # More accounts are read meanwhile.
    assert 0.95 * before <= drawn <= 1.05 * _drawable_usd(client, *ends)
    await _bands(client, measured["data"])
    rows = await asked(client, f"/api/heatmap/BTCUSDT?exchange={MEASURED}")
    assert rows["type"] == "snapshot"
    assert rows["coverage"]["long"] > 0


async def _bands(client: TestClient[Any, Any], data: dict[str, Any]) -> None:
    """What a band is drawn with is what its positions are together, the five largest of them the most."""
    cells = sorted(range(len(data["long"])), key=lambda cell: -data["long"][cell])[:20]
    alike = 0
    for cell in cells:
        price, half = data["p0"] + cell * data["step"], data["step"] / 2
        path = f"/api/positions/BTCUSDT?side=long&low={price - half}&high={price + half}&limit="
        every = [row["usd"] for row in (await asked(client, f"{path}200"))["data"]]
        assert [row["usd"] for row in (await asked(client, f"{path}5"))["data"]] == every[:5]
        alike += sum(every) == pytest.approx(data["long"][cell], rel=0.02)
    # More accounts are read meanwhile.
    assert alike >= 15


async def _history(client: TestClient[Any, Any]) -> None:
    await store_now(client)
    async with client.get(f"/api/heatmap/BTCUSDT/history?window=12h&exchange={MEASURED}") as answer:
        header, longs, shorts, _ = decoded(await answer.read())
    assert header["exchanges"] == [MEASURED]
    assert header["kernel"] == "measured"
    assert longs[-1].sum() + shorts[-1].sum() > 0
    assert longs[:-3].sum() == 0
    rows = await asked(client, f"/api/heatmap/BTCUSDT/history?window=12h&exchange={MEASURED}")
    assert rows["data"][-1]["levels"]


async def _refusals(client: TestClient[Any, Any]) -> None:
    for path, status, words in (
        (f"/api/heatmap/BTCUSDT?exchange=simulated,{MEASURED}", 400, "cannot be added"),
        (f"/api/heatmap/BTCUSDT/history?exchange={MEASURED},simulated", 400, "cannot be added"),
        ("/api/positions/BTCUSDT?side=up", 400, "long or short"),
        ("/api/positions/BTCUSDT?limit=201", 400, "from 1 to 200"),
        ("/api/positions/BTCUSDT?low=-1", 400, "from 0"),
        ("/api/positions/ETHUSDT", 400, "unknown symbol"),
    ):
        assert words in (await asked(client, path, status))["error"]


async def test_without_the_setting_there_is_no_layer(tmp_path: Path) -> None:
    """Who asks is told how to have one."""
    async with measured_server(tmp_path, positions=False) as client:
        answer = await asked(client, "/api/positions/BTCUSDT", 400)
        assert "LIQSTREAM_POSITIONS=true" in answer["error"]
        assert "unknown exchange" not in answer["error"]
        await asked(client, f"/api/heatmap/BTCUSDT?exchange={MEASURED}", 400)
        assert "positions" not in await asked(client, "/ready")
