"""/api/events, and alerts of a whole server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp import AiohttpClient

from liqstream.admission.policy import ADMISSION, RefusalReason
from liqstream.http import events_api
from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.ingest.liquidation_bus import MAX_WAITING, LiquidationBus
from liqstream.market import Liquidation
from liqstream.server.app import make_app
from liqstream.server.app_keys import FOLLOWED
from liqstream.settings.load import load_settings
from tests.integration.test_api import paused_replay


def liquidation(usd: float, symbol: str = "BTCUSDT") -> Liquidation:
    return Liquidation("binance", symbol, 1_780_000_000_000, "long", 100.0, usd / 100)


async def _app(tmp_path: Path, **settings: Any) -> web.Application:
    chosen = {"db_path": tmp_path / "market.duckdb", "symbols": "BTCUSDT", "replay": "store"} | settings
    return make_app(await asyncio.to_thread(lambda: load_settings(**chosen)), paused_replay)


async def test_liquidations_are_sent_as_they_come(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """From min_usd on, of the symbol asked for, with the source; the row ends with the server."""
    app = await _app(tmp_path)
    client = await aiohttp_client(app)
    async with client.get("/api/events", params={"min_usd": "1000", "symbol": "BTCUSDT"}) as answer:
        assert answer.content_type == "text/event-stream"
        await answer.content.readuntil(b"\n\n")
        tape = app[LIQUIDATION_BUS]
        tape.take([liquidation(999), liquidation(5000, "ETHUSDT"), liquidation(2000)])
        said = (await answer.content.readuntil(b"\n\n")).decode()
        tape.close()
        assert await answer.content.read() == b""
    kind, data = said.strip().split("\n")
    assert kind == "event: liquidation"
    assert json.loads(data.removeprefix("data: ")) == {
        "timestamp": 1_780_000_000_000,
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "side": "long",
        "price": 100.0,
        "quantity": 20.0,
        "notional_usd": 2000.0,
        "source": "replay",
    }


async def test_a_quiet_market_among_busy_ones_shows_signs_of_life(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not asked for is no sign of it; a market that is listed later comes, one that ends says so."""
    monkeypatch.setattr(events_api, "SIGN_OF_LIFE_S", 0.05)
    app = await _app(tmp_path)
    client = await aiohttp_client(app)
    async with client.get("/api/events?symbol=BTCUSDT") as one, client.get("/api/events") as every:
        for answer in (one, every):
            await answer.content.readuntil(b"\n\n")
        busy = asyncio.create_task(_keep_busy(app[LIQUIDATION_BUS]))
        async with asyncio.timeout(10):
            assert await one.content.readuntil(b"\n\n") == b": alive\n\n"
        busy.cancel()
        app[FOLLOWED].replace(["ETHUSDT"])
        assert b'"symbol":"ETHUSDT"' in await every.content.readuntil(b"\n\n")
        left = (await one.content.read()).decode()
        assert left.endswith(
            'event: ended\ndata: {"symbol":"BTCUSDT","message":"BTCUSDT is not followed any more"}\n\n'
        )


async def _keep_busy(tape: LiquidationBus) -> None:
    while True:
        tape.take([liquidation(5000, "ETHUSDT")])
        await asyncio.sleep(0.005)


async def test_a_reader_that_takes_nothing_is_let_go(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its slot is free again, as a socket's is."""
    monkeypatch.setattr(events_api, "STALLED_S", 0.2)
    app = await _app(tmp_path)
    client = await aiohttp_client(app)
    reader, writer = await asyncio.open_connection(client.host, client.port, limit=1)
    writer.write(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.read(1)
    policy, batch = app[ADMISSION], [liquidation(usd) for usd in range(1, MAX_WAITING)]
    async with asyncio.timeout(20):
        while policy.caps.open:
            app[LIQUIDATION_BUS].take(batch)
            await asyncio.sleep(0.005)
    assert policy.refused()[RefusalReason.STALLED] == 1
    writer.transport.abort()


async def test_a_bad_question_is_a_sentence(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """400 for an unknown symbol and for a figure that is none."""
    client = await aiohttp_client(await _app(tmp_path))
    for query in ({"symbol": "NOSUCH"}, {"min_usd": "much"}, {"min_usd": "-1"}, {"min_usd": "nan"}):
        async with client.get("/api/events", params=query) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]


async def test_a_slow_listener_gets_the_count_of_what_it_lost() -> None:
    """The newest wait, the oldest are counted; what was not asked for takes no place."""
    tape = LiquidationBus()
    rows = tape.listen(lambda each: each.symbol == "BTCUSDT")
    waiting = asyncio.ensure_future(anext(rows))
    await asyncio.sleep(0)
    tape.take([liquidation(usd) for usd in range(1, MAX_WAITING + 4)])
    tape.take([liquidation(usd, "ETHUSDT") for usd in range(1, MAX_WAITING)])
    batch, lost = await waiting
    assert (len(batch), lost) == (MAX_WAITING, 3)
    assert round(batch[-1].notional_usd) == MAX_WAITING + 3
    await rows.aclose()


async def test_a_servers_cascade_reaches_its_webhook(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """File, rule, tape, target: the whole way, named as a replay."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        heard.put_nowait(await request.json())
        return web.Response()

    hook = web.Application()
    hook.router.add_post("/hook", take)
    async with TestServer(hook) as server:
        rules = tmp_path / "alerts.toml"
        rules.write_text(
            f'[[target]]\nname="ops"\nkind="webhook"\nurl="{server.make_url("/hook")}"\n'
            '[[rule]]\nname="cascade"\nkind="cascade"\nmin_usd=1e6\nto=["ops"]\n'
        )
        app = await _app(tmp_path, alerts_file=str(rules))
        client = await aiohttp_client(app)
        app[LIQUIDATION_BUS].take([liquidation(2e6)])
        body = await heard.get()
        await client.close()
    assert body["message"].startswith("[REPLAY] BTCUSDT: ")
    assert body["kind"] == "cascade"


async def test_an_endless_answer_has_no_head(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """HEAD is not allowed."""
    client = await aiohttp_client(await _app(tmp_path))
    async with client.head("/api/events") as answer:
        assert answer.status == 405
