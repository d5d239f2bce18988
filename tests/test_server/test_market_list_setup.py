"""liqstream/server/market_list_setup.py: markets are chosen by size, come and go while the server runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.client.market_table import MarketTableState
from liqstream.client.messages import MarketsMessage, decode
from liqstream.feeds import exchange_facts
from liqstream.fleet import market_choices
from liqstream.heatmap.market_table import usd_figure
from liqstream.http.app_keys import MAPS, STORE
from liqstream.ingest import market_list_loop, market_table_loop
from liqstream.market import MarketKey, Side
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.simulator.exchange_server import SimulatedExchange
from liqstream.simulator.fault_table import Fault, FaultKind
from liqstream.simulator.ledger import Fill
from liqstream.ws.endpoint import MANAGER
from tests.support.exchange_rig import serving
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

LISTED = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "LTCUSDT")
"""By size, the largest first, as the simulated exchange has them."""


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are read and looked at ten times a second."""
    monkeypatch.setattr(exchange_facts, "LEAST_READ_EVERY_S", 0.05)
    monkeypatch.setattr(exchange_facts, "READ_EVERY_S", 0.1)
    monkeypatch.setattr(market_list_loop, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(market_table_loop, "EVERY_S", 0.2)


@pytest.fixture
async def exchange() -> AsyncIterator[tuple[SimulatedExchange, str]]:
    """A simulated exchange and where it is."""
    found = await SimulatedExchange.open(LISTED, history_days=1, round_s=0.1)
    async with serving(found.app) as port:
        yield found, f"127.0.0.1:{port}"


@pytest.fixture
async def lists() -> AsyncIterator[str]:
    """Where an exchange is that lists and sizes these markets, the smallest first, and knows nothing else."""
    listed = [{"symbol": symbol, "contractType": "PERPETUAL", "status": "TRADING"} for symbol in LISTED]
    sized = [{"symbol": symbol, "quoteVolume": str(9 - place)} for place, symbol in enumerate(LISTED)]

    async def answer(request: web.Request) -> web.Response:
        known = {"/fapi/v1/exchangeInfo": {"symbols": listed}, "/fapi/v1/ticker/24hr": sized[::-1]}
        return web.json_response(known.get(request.path, {}))

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with serving(app) as port:
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def server_of(
    address: str, folder: Path, symbols: str, **fleet: Any
) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of a server that follows the exchange at `address`."""
    given = {
        **fleet,
        "db_path": folder / "m.duckdb",
        "exchanges": "binance",
        "binance_rest_url": f"http://{address}",
        "binance_ws_url": f"ws://{address}",
        "symbols": symbols,
    }
    settings = await asyncio.to_thread(lambda: load_settings(**given))
    async with TestClient(TestServer(make_app(settings))) as client:
        yield client


async def until(client: TestClient[Any, Any], path: str, is_right: Callable[[Any], bool]) -> Any:
    """The first answer that is right."""
    async with asyncio.timeout(60):
        while True:
            async with client.get(path) as answer:
                if (answer.status == 200 or path == "/ready") and is_right(body := await answer.json()):
                    return body
            await asyncio.sleep(0.05)


def names(body: dict[str, Any], key: str = "symbols") -> list[str]:
    """The markets of /api/symbols, or of /api/markets."""
    return [row["symbol"] for row in body[key]]


async def test_the_largest_are_followed(lists: str, tmp_path: Path) -> None:
    """Named everywhere; the list is kept, and a restart begins with it before it has asked anybody."""
    async with server_of(lists, tmp_path, "top:3") as client:
        await until(client, "/api/symbols", lambda body: names(body) == list(LISTED[:3]))
        ready = await until(client, "/ready", lambda body: bool(body["markets"]["ranked"]))
        assert (ready["markets"]["choice"], ready["markets"]["followed"]) == ("top:3", 3)
        assert list(ready["symbols"]) == list(LISTED[:3])
        async with client.get("/metrics") as answer:
            assert "liqstream_markets_followed 3.0" in await answer.text()
        async with client.get("/api/heatmap/LTCUSDT") as answer:
            assert answer.status == 400
        page = await (await client.get("/")).text()
        assert 'data-symbols="BTCUSDT,ETHUSDT,SOLUSDT"' in page
    kept = json.loads(await asyncio.to_thread((tmp_path / "m.symbols.json").read_text))
    assert list(kept["markets"]) == list(LISTED[:3])
    async with server_of("127.0.0.1:9", tmp_path, "top:3") as client:
        assert list((await until(client, "/ready", bool))["symbols"]) == list(LISTED[:3])


async def test_a_listing_and_a_delisting_while_running(
    exchange: tuple[SimulatedExchange, str], tmp_path: Path
) -> None:
    """A new market appears, a delisted one ends with a sentence and is let go of; the store keeps it.

    One that returns goes on in its numbers.
    """
    market = exchange[0].market
    market.unlisted = {"LTCUSDT"}
    async with server_of(exchange[1], tmp_path, "all") as client:
        app = client.app
        assert app is not None
        await until(client, "/api/markets", lambda body: names(body, "markets") == list(LISTED[:4]))
        async with client.ws_connect("/ws/heatmap") as ws, asyncio.timeout(60):
            await ws.send_json({"action": "subscribe", "symbols": ["XRPUSDT", "BTCUSDT"], "proto": 2})
            await ws.send_json({"action": "subscribe", "stream": "markets", "proto": 2})
            at: dict[str, int] = {}
            types = set()
            while "XRPUSDT" not in at or "markets" not in types:
                message = await ws.receive_json()
                types.add(message["type"])
                if message["type"] == "snapshot":
                    at[message["symbol"]] = message["seq"]
            market.unlisted = {"XRPUSDT"}
            tables: list[dict[str, Any]] = []
            ended: list[dict[str, Any]] = []
            now = {
                "BTCUSDT",
                "ETHUSDT",
                "SOLUSDT",
                "LTCUSDT",
            }  # what is missing is missed twice: the second table
            while not ended or not tables or set(tables[-1]["symbols"]) != now:
                message = await ws.receive_json()
                if message["type"] == "markets" and "symbols" in message:
                    tables.append(message)
                elif message["type"] == "warning":
                    ended.append(message)
            assert tables[-1]["symbols"] == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "LTCUSDT"]
            assert [(each["code"], each["symbols"]) for each in ended] == [("MARKET_ENDED", ["XRPUSDT"])]
            assert "no exchange that is followed lists it" in ended[0]["message"]
            await ws.send_json({"action": "subscribe", "symbols": ["LTCUSDT", "XRPUSDT"], "proto": 2})
            seen: dict[str, Any] = {}
            while not {"snapshot", "error"} <= seen.keys():
                message = await ws.receive_json()
                if message.get("symbol") == "LTCUSDT" or message["type"] == "error":
                    seen[message["type"]] = message
            assert "unknown symbol 'XRPUSDT'" in seen["error"]["message"]
            assert set(app[MANAGER].active_connections) == {"BTCUSDT", "LTCUSDT"}
        symbols = await until(client, "/api/symbols", lambda body: "LTCUSDT" in names(body))
        assert "XRPUSDT" not in names(symbols)
        gone = MarketKey("binance", "XRPUSDT")
        maps, store = app[MAPS], app[STORE]
        assert maps.markets("XRPUSDT") == []
        assert maps.last_snapshot("XRPUSDT") is None
        assert gone not in maps._markets._maps
        assert await store.newest_bar_ms("binance", "XRPUSDT", maps.interval_ms) is not None
        async with client.get("/metrics") as answer:
            assert 'ws_active_connections{symbol="XRPUSDT"}' not in await answer.text()
        market.unlisted = set()
        await until(client, "/api/symbols", lambda body: "XRPUSDT" in names(body))
        async with client.ws_connect("/ws/heatmap") as ws, asyncio.timeout(60):
            await ws.send_json({"action": "subscribe", "symbols": ["XRPUSDT"], "proto": 2})
            while "seq" not in (message := await ws.receive_json()):
                pass
            assert message["seq"] > at["XRPUSDT"]  # of the same epoch: who held the last one can take it


async def test_a_change_of_leader_with_a_scanner_open(
    exchange: tuple[SimulatedExchange, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    """Every server has the leader's list, whatever its own choice is; the next leader goes on with it.

    A scanner at a server that only fans out is sent one whole table, then changes; its sums are the stored
    ones before and after, to the last digit that is shown.
    """
    faults = exchange[0].faults
    faults.hold_liquidations = True
    fleet = {"redis_enabled": True, "redis_url": redis_server.url, "lease_s": 1.0}
    (tmp_path / "next").mkdir()
    async with AsyncExitStack() as running:
        leader = server_of(exchange[1], tmp_path, "top:3", **fleet)
        first = await leader.__aenter__()
        await until(first, "/api/markets", lambda body: names(body, "markets") == list(LISTED[:3]))
        other = await running.enter_async_context(server_of(exchange[1], tmp_path / "next", "top:3", **fleet))
        fanout = await running.enter_async_context(
            server_of("127.0.0.1:9", tmp_path, "all", role="fanout", **fleet)
        )
        for client in (other, fanout):
            ready = await until(client, "/ready", lambda body: list(body["symbols"]) == list(LISTED[:3]))
            assert ready["markets"]["followed"] == 3
        await until(
            other, "/ready", lambda body: all(each["age_ms"] is not None for each in body["symbols"].values())
        )
        # Liquidations that both servers hear of, and no others; prices go on.
        await liquidate(exchange[0], [first, other])
        ws = await running.enter_async_context(fanout.ws_connect("/ws/heatmap"))
        await ws.send_json({"action": "subscribe", "stream": "markets", "proto": 2})
        tables: list[dict[str, Any]] = []
        scanner = MarketTableState()
        async with asyncio.timeout(60):
            sums = await stored_sums(first)
            assert sums == await stored_sums(other)
            while shown_sums(scanner) != sums:
                await take_table(ws, scanner, tables)
            before = scanner.table
            await leader.__aexit__(None, None, None)
            while tables[-1]["epoch"] == tables[0]["epoch"] or "symbols" in tables[-1]:
                await take_table(ws, scanner, tables)
        after = scanner.table
        assert before is not None
        assert after is not None
        wholes = [each for each in tables if "symbols" in each]
        assert [each["symbols"] for each in wholes] == [list(LISTED[:3])] * 2
        assert wholes[0]["epoch"] < wholes[1]["epoch"]
        for symbol in LISTED[:3]:
            then, now = before.row(symbol), after.row(symbol)
            assert now["venues"] == then["venues"] == ["binance"]
            held = [float(str(row["open_interest"])) / float(str(row["price"])) for row in (then, now)]
            assert held[0] == pytest.approx(held[1], rel=0.02)  # both are shown to three digits
        assert shown_sums(scanner) == sums
        assert all(long_usd + short_usd > 0 for long_usd, short_usd in sums.values())
        assert names(await until(fanout, "/api/symbols", bool)) == list(LISTED[:3])
        kept = json.loads(await asyncio.to_thread((tmp_path / "next" / "m.symbols.json").read_text))
        assert list(kept["markets"]) == list(LISTED[:3])


async def liquidate(exchange: SimulatedExchange, servers: list[TestClient[Any, Any]]) -> None:
    """Let out the liquidations that were held back, with one more of each market, to all servers."""
    now_ms = exchange.clock.now_ms()
    for number, symbol in enumerate(LISTED[:3]):
        price = exchange.market.price(symbol, now_ms)
        side: Side = "short" if number % 2 else "long"
        exchange.publisher.add_fill(symbol, Fill(0, now_ms - 1, side, price, price, price, 5e4 / price, 50.0))
    exchange.faults.hold_liquidations = False
    async with asyncio.timeout(60):
        while exchange.publisher._added:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.02)
        exchange.faults.hold_liquidations = True
        for server in servers:
            while len(await stored_sums(server)) < len(LISTED[:3]):  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.1)


async def stored_sums(server: TestClient[Any, Any]) -> dict[str, list[Any]]:
    """Long and short USD of every market with a liquidation in a server's store, as the table shows them."""
    assert server.app is not None
    store, found = server.app[STORE], {}
    await store.flush()
    for symbol in LISTED[:3]:
        rows = await store.liquidations(symbol, start_ms=0, end_ms=2**52)
        if len(rows):
            usd = rows.price_usd * rows.quantity_base
            sides = (usd[rows.is_long], usd[~rows.is_long])
            found[symbol] = [usd_figure(float(side.sum())) for side in sides]
    return found


def shown_sums(scanner: MarketTableState) -> dict[str, list[Any]]:
    """The same as a scanner has them."""
    names = ("long_liquidated_24h", "short_liquidated_24h")
    table = scanner.table
    if table is None:
        return {}
    return {symbol: [table.row(symbol)[name] for name in names] for symbol in table.symbols}


def has_progress(body: Any) -> bool:
    """Whether an answer says that nothing of some market's past is there."""
    return '"history_percent": 0' in json.dumps(body)


async def test_the_progress_of_history_is_the_same_everywhere(
    exchange: tuple[SimulatedExchange, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    """Also on a server that only fans out, as long as the exchange gives no bars of the past."""
    exchange[0].table.add(Fault("binance", "/fapi/v1/klines", FaultKind.SERVER_ERROR))
    fleet = {"redis_enabled": True, "redis_url": redis_server.url}
    async with (
        server_of(exchange[1], tmp_path, "BTCUSDT,ETHUSDT", **fleet) as leader,
        server_of("127.0.0.1:9", tmp_path, "BTCUSDT,ETHUSDT", role="fanout", **fleet) as fanout,
    ):
        for client in (leader, fanout):
            for key in ("markets", "symbols"):
                body = await until(
                    client, f"/api/{key}", lambda body: '"history_percent": 0' in json.dumps(body)
                )
                assert [row["history_percent"] for row in body[key]] == [0, 0]
            ready = await until(client, "/ready", has_progress)
            assert ready["symbols"]["ETHUSDT"]["history_percent"] == 0


async def test_a_fleet_names_who_was_given_another_choice(
    lists: str, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /ready of the leader and of the follower; the leader's list counts for both."""
    monkeypatch.setattr(market_choices, "STATE_EVERY_S", 0.1)
    fleet = {"redis_enabled": True, "redis_url": redis_server.url}
    (tmp_path / "next").mkdir()
    async with (
        server_of(lists, tmp_path, "top:3", **fleet) as leader,
        server_of(lists, tmp_path / "next", "top:2", **fleet) as follower,
    ):
        for client, other in ((leader, "top:2"), (follower, "top:3")):
            ready = await until(client, "/ready", lambda body: "other_choices" in body["markets"])
            assert list(ready["markets"]["other_choices"].values()) == [other]
            assert "the leader's list counts" in ready["markets"]["note"]
        await until(follower, "/api/symbols", lambda body: names(body) == list(LISTED[:3]))


async def take_table(
    ws: ClientWebSocketResponse, scanner: MarketTableState, tables: list[dict[str, Any]]
) -> None:
    """Read the next message; a table goes into the scanner's."""
    raw = await ws.receive_str()
    message = json.loads(raw)
    if message["type"] == "markets":
        tables.append(message)
        decoded = decode(raw)
        assert isinstance(decoded, MarketsMessage)
        assert scanner.take(decoded) is not None
