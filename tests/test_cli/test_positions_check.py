"""liqstream/cli/positions_check.py: on the simulated exchange, and on none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from liqstream.cli.positions_check import ACCOUNT, TRADES, positions_checks
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from tests.support.exchange_rig import serving, simulated_exchange

WHOLE = "0x"


async def settings_for(port: int, **options: Any) -> Settings:
    given: dict[str, Any] = {
        "symbols": "BTCUSDT",
        "exchanges": "hyperliquid",
        "positions": True,
        "exchange_rest_urls": {"hyperliquid": f"http://127.0.0.1:{port}"},
        "exchange_ws_urls": {"hyperliquid": f"ws://127.0.0.1:{port}"},
    }
    return await asyncio.to_thread(load_settings, **(given | options))


@pytest.mark.simulated
async def test_an_account_is_read_and_a_trade_met() -> None:
    """Both are in order, and no address is shown; nothing is asked where nothing is measured."""
    async with simulated_exchange(speed=600.0, symbols=("BTCUSDT",)) as (_, port):
        checks = await positions_checks(await settings_for(port))
        assert [(check.thing, check.verdict) for check in checks] == [(ACCOUNT, "ok"), (TRADES, "ok")]
        assert not any(WHOLE in check.finding for check in checks)
        assert "trades of BTC" in checks[1].finding
        assert await positions_checks(await settings_for(port, positions=False)) == []


@pytest.mark.parametrize(("status", "told"), [(403, "country"), (500, "network"), (200, "update")])
async def test_every_lack_has_a_cure(status: int, told: str) -> None:
    """A refusal, no answer, and an answer of another form; no socket."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"time": 1}, status=status)

    app = web.Application()
    app.router.add_post("/info", answer)
    async with serving(app) as port:
        account, trades = await positions_checks(await settings_for(port), wait_s=0.2)
    assert (account.verdict, trades.verdict) == ("fault", "fault")
    assert told in account.cure
    assert "no trade of BTC" in trades.finding
