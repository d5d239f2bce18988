"""A coin listed by the thousand, and one whose name is not ASCII, from two exchanges to clients."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from pytest_aiohttp import AiohttpClient

from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.simulator.contracts import CONTRACTS
from tests.support.exchange_rig import eventually, simulated_exchange
from tests.support.ws_server import receive, say

pytestmark = pytest.mark.simulated

THOUSAND, CHINESE = "1000PEPEUSDT", "\u5e01\u5b89\u4eba\u751fUSDT"
NAMES = ("binance", "okx")


async def test_both_are_one_market_of_two_exchanges(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is asked for as kPEPE; prices are per coin, and what the exchanges have adds up."""
    pattern = CONTRACTS["DOGEUSDT"]
    for symbol in (THOUSAND, CHINESE):
        monkeypatch.setitem(CONTRACTS, symbol, replace(pattern, symbol=symbol))
    async with simulated_exchange(symbols=(THOUSAND, CHINESE)) as (exchange, port):
        settings = await asyncio.to_thread(
            load_settings,
            db_path=tmp_path / "x.duckdb",
            symbols=f"kPEPE,{CHINESE}",
            exchanges=",".join(NAMES),
            exchange_rest_urls=dict.fromkeys(NAMES, f"http://127.0.0.1:{port}"),
            exchange_ws_urls=dict.fromkeys(NAMES, f"ws://127.0.0.1:{port}"),
            history_days=1,
        )
        assert settings.symbols == ("PEPEUSDT", CHINESE)
        client = await aiohttp_client(make_app(settings))

        async def shown(symbol: str, which: str = "") -> dict[str, Any]:
            async with client.get(f"/api/heatmap/{quote(symbol)}{which}") as response:
                return dict(orjson.loads(await response.read()))

        for symbol in settings.symbols:

            async def is_whole(symbol: str = symbol) -> bool:
                return (await shown(symbol)).get("exchanges") == list(NAMES)

            await eventually(is_whole, within_s=60.0)
            coins = 1000 if symbol == "PEPEUSDT" else 1
            whole, parts = await shown(symbol), [await shown(symbol, f"?exchange={name}") for name in NAMES]
            now_usd = exchange.market.price(THOUSAND if coins > 1 else CHINESE, exchange.clock.now_ms())
            assert whole["data"]["current_price"] * coins == pytest.approx(now_usd, rel=0.2)
            assert all(part["exchanges"] == [name] for part, name in zip(parts, NAMES, strict=True))
        ws = await client.ws_connect("/ws/heatmap")
        await say(ws, action="subscribe", symbols=[CHINESE])
        message = await receive(ws)
        assert (message["type"], message["symbol"]) == ("snapshot", CHINESE), message
        await say(ws, action="subscribe", symbols=["kPEPE"])
        while (answer := await receive(ws))["type"] != "error":
            pass
        assert "PEPEUSDT" in str(answer)
        await ws.close()
        async with client.get("/metrics") as response:
            text = await response.text()
        assert f'symbol="{quote(CHINESE)}"' in text
        assert CHINESE not in text
