"""The WebSocket endpoint as its clients meet it: the contract, bad input, and the way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from liqstream.settings.table import Settings
from liqstream.ws.endpoint import WsConfig
from tests.support.snapshots import first_snapshot, next_snapshot
from tests.support.stalled_client import SUBSCRIBE, big_snapshot, stalled_client
from tests.support.ws_server import WsServer, nothing_more, receive, say, until, ws_server

Ws = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def server() -> AsyncIterator[WsServer]:
    """The endpoint for two symbols."""
    async with ws_server(WsConfig(symbols=("BTCUSDT", "ETHUSDT"))) as running:
        yield running


@pytest.fixture
async def ws(server: WsServer) -> AsyncIterator[Ws]:
    """A connected client."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url) as client:
        yield client


async def test_websocket_accepts_connection(server: WsServer, ws: Ws) -> None:
    """The upgrade succeeds and a ping is answered with the server's time."""
    await say(ws, action="ping")
    pong = await receive(ws)
    assert pong["type"] == "pong"
    assert pong["timestamp"].endswith("Z")
    assert server.manager.get_stats().active_connections == 1


async def test_subscribe_adds_to_manager(server: WsServer, ws: Ws) -> None:
    """A v1 subscribe is answered by nothing but the snapshot, in the fixed shape."""
    await say(ws, action="subscribe", symbols=["BTCUSDT"])
    await until(lambda: server.manager.active_symbols() == {"BTCUSDT"})
    assert server.manager.smallest_interval_s(60) == 5
    await server.manager.broadcast(first_snapshot())
    message = await receive(ws)
    assert {"type", "symbol", "timestamp", "data"} <= message.keys()
    assert {"levels", "current_price", "positions_created", "positions_consumed"} == message["data"].keys()
    assert {"price", "long_density", "short_density"} == message["data"]["levels"][0].keys()
    assert {"epoch", "seq", "skipped", "stale", "source"} <= message.keys()


async def test_unsubscribe_stops_messages(server: WsServer, ws: Ws) -> None:
    """After an unsubscribe not one more snapshot comes."""
    await say(ws, action="subscribe", symbols=["BTCUSDT"], update_interval=1)
    await until(lambda: bool(server.manager.active_symbols()))
    snapshot = first_snapshot()
    await server.manager.broadcast(snapshot)
    assert (await receive(ws))["seq"] == 1
    await say(ws, action="unsubscribe", symbols=["BTCUSDT"])
    await until(lambda: not server.manager.active_symbols())
    await server.manager.broadcast(next_snapshot(snapshot))
    await nothing_more(ws)


async def test_multiple_symbols_same_client(server: WsServer, ws: Ws) -> None:
    """One tick of two symbols reaches a client that follows both, and each goes on alone."""
    await say(ws, action="subscribe", symbols=["BTCUSDT", "ETHUSDT"], update_interval=1)
    await until(lambda: len(server.manager.active_symbols()) == 2)
    bitcoin, ethereum = first_snapshot("BTCUSDT"), first_snapshot("ETHUSDT")
    await server.manager.broadcast(bitcoin, ethereum)
    assert [(await receive(ws))["symbol"] for _ in range(2)] == ["BTCUSDT", "ETHUSDT"]
    await say(ws, action="unsubscribe", symbols=["BTCUSDT"])
    await until(lambda: server.manager.active_symbols() == {"ETHUSDT"})
    await server.manager.broadcast(next_snapshot(bitcoin), next_snapshot(ethereum))
    assert (await receive(ws))["symbol"] == "ETHUSDT"


async def test_slow_consumer_warning_sent() -> None:
    """A client that stops reading for longer than the timeout is warned when it reads again."""
    async with ws_server(slow_consumer_timeout_s=0.1) as server, stalled_client(server, SUBSCRIBE) as client:
        await server.manager.broadcast(big_snapshot(1))
        await until(lambda: server.manager.get_stats().slow_consumers == 1)
        assert (await client.message())["type"] == "snapshot"
        warning = await client.message()
        assert (warning["code"], warning["dropped_messages"]) == ("SLOW_CONSUMER", 0)


BAD_MESSAGES = [
    ("not json", "INVALID_MESSAGE"),
    ('{"action":"subscribe"', "INVALID_MESSAGE"),
    ("[]", "INVALID_MESSAGE"),
    ("null", "INVALID_MESSAGE"),
    ('"subscribe"', "INVALID_MESSAGE"),
    ("[" * 2000 + "]" * 2000, "INVALID_MESSAGE"),
    ('{"action":"ping","x":' + "[" * 1800 + "]" * 1800 + "}", "INVALID_MESSAGE"),
    ("{}", "INVALID_ACTION"),
    ('{"action":"buy"}', "INVALID_ACTION"),
    ('{"action":7}', "INVALID_ACTION"),
    ('{"action":null}', "INVALID_ACTION"),
    ('{"action":"resync"}', "INVALID_ACTION"),
    ('{"action":"subscribe"}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":[]}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":"BTCUSDT"}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":[1]}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":[["BTCUSDT"]]}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":null}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":[' + ",".join(['"BTCUSDT"'] * 11) + "]}", "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":NaN}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":Infinity}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":1e999}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":true}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":"5"}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":null}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":[5]}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"delta":1}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"id":{}}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["BTCUSDT"],"resume":{"BTCUSDT":{"epoch":"1"}}}', "INVALID_MESSAGE"),
    ('{"action":"subscribe","symbols":["XXXUSDT"]}', "INVALID_SYMBOL"),
    ('{"action":"subscribe","symbols":["btcusdt"]}', "INVALID_SYMBOL"),
    ('{"action":"subscribe","symbols":["BTC\\r\\nERROR"]}', "INVALID_SYMBOL"),
    ('{"action":"unsubscribe","symbols":[]}', "INVALID_MESSAGE"),
]


@pytest.mark.parametrize(("said", "code"), BAD_MESSAGES, ids=[str(n) for n in range(len(BAD_MESSAGES))])
async def test_bad_input_is_answered_and_survived(ws: Ws, said: str, code: str) -> None:
    """The right code, a sentence, and a connection that still works."""
    await ws.send_str(said)
    error = await receive(ws)
    assert (error["type"], error["code"]) == ("error", code)
    assert 0 < len(error["message"]) < 300
    await nothing_more(ws)


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-3, 1), (0.5, 1), (2.9, 2), (60, 60), (10**30, 60)])
async def test_intervals_are_clamped(server: WsServer, ws: Ws, asked: float, given: int) -> None:
    """1 to 60 whole seconds; the acknowledgement says what became of it."""
    await say(ws, action="subscribe", symbols=["BTCUSDT"], proto=2)
    await ws.send_str(
        f'{{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":{asked:f}}}'
        if isinstance(asked, float)
        else f'{{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":{asked}}}'
    )
    assert (await receive(ws))["update_interval"] == 5
    assert (await receive(ws))["update_interval"] == given


async def test_valid_symbols_of_a_mixed_list_are_served(server: WsServer, ws: Ws) -> None:
    """One unknown symbol costs the others nothing."""
    await say(ws, action="subscribe", symbols=["NOSUCH", "ETHUSDT"])
    error = await receive(ws)
    assert error["code"] == "INVALID_SYMBOL"
    assert "'NOSUCH'" in error["message"]
    await until(lambda: server.manager.active_symbols() == {"ETHUSDT"})


async def test_an_alias_is_answered_with_what_was_meant(server: WsServer, ws: Ws) -> None:
    """Contracts by the thousand, exchanges' own names: the socket knows the coin's alone."""
    names = ["1000BTCUSDT", "ETH-USDT-SWAP", "kBTC", "NOSUCH"]
    for proto, listed in ((1, None), (2, ["1000BTCUSDT", "NOSUCH"])):
        await say(ws, action="subscribe", symbols=names, proto=proto)
        refusal = await receive(ws)
        assert "; did you mean BTCUSDT, ETHUSDT?; available: " in refusal["message"]
        assert refusal.get("symbols") == listed


async def test_binary_messages_are_refused(ws: Ws) -> None:
    """JSON in a binary frame is not read."""
    await ws.send_bytes(b'{"action":"ping"}')
    assert (await receive(ws))["code"] == "INVALID_MESSAGE"


async def test_a_message_beyond_4_kib_closes_with_1009(ws: Ws) -> None:
    """4096 bytes are read, one more is not."""
    ping = '{"action":"ping"}'
    await ws.send_str(ping + " " * (4095 - len(ping)))
    assert (await receive(ws))["type"] == "pong"
    await ws.send_str(ping + " " * (4097 - len(ping)))
    message = await ws.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def test_a_compressed_bomb_closes_with_1009(server: WsServer) -> None:
    """The cap is on what a message inflates to."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url, compress=15) as ws:
        await ws.send_str(" " * 1_000_000)
        message = await ws.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def test_too_many_errors_close_the_connection(ws: Ws) -> None:
    """Fifty bad messages are answered; the next one is the last."""
    for _ in range(51):
        await ws.send_str("?")
    codes = [(await receive(ws))["code"] for _ in range(51)]
    assert set(codes) == {"INVALID_MESSAGE"}
    message = await ws.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4501)


async def test_an_unknown_protocol_is_refused_and_closed(ws: Ws) -> None:
    """A client of a protocol to come learns that it must not retry."""
    await say(ws, action="subscribe", symbols=["BTCUSDT"], proto=3)
    assert (await receive(ws))["code"] == "INVALID_MESSAGE"
    message = await ws.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4502)


async def test_switched_off_it_says_so() -> None:
    """WS_ENABLED=false: 503 with a sentence, before any upgrade."""
    off = Settings(ws_enabled=False)
    async with (
        ws_server(settings=off) as server,
        aiohttp.ClientSession() as session,
        session.get(f"{server.http}/ws/heatmap") as response,
    ):
        assert response.status == 503
        assert "WS_ENABLED" in await response.text()


async def test_over_the_limit_it_says_when_to_return() -> None:
    """WS_MAX_CONNECTIONS holds also in a rush: the rest get 503 with Retry-After, before the upgrade."""
    async with (
        ws_server(settings=Settings(ws_max_connections=3)) as server,
        aiohttp.ClientSession() as session,
    ):
        answers = await asyncio.gather(
            *(session.ws_connect(server.url) for _ in range(8)), return_exceptions=True
        )
        inside = [each for each in answers if isinstance(each, aiohttp.ClientWebSocketResponse)]
        refused = [each for each in answers if isinstance(each, aiohttp.WSServerHandshakeError)]
        assert (len(inside), [each.status for each in refused]) == (3, [503] * 5)
        assert all(each.headers is not None and int(each.headers["Retry-After"]) > 0 for each in refused)
        for ws in inside:
            await ws.close()
        await until(lambda: server.manager.get_stats().active_connections == 0)
        await (await session.ws_connect(server.url)).close()


async def test_stats_count_what_happened(server: WsServer, ws: Ws) -> None:
    """/ws/stats tells connections, messages and subscriptions by symbol."""
    await say(ws, action="subscribe", symbols=["BTCUSDT"])
    await until(lambda: bool(server.manager.active_symbols()))
    await server.manager.broadcast(first_snapshot())
    await receive(ws)
    async with aiohttp.ClientSession() as session, session.get(f"{server.http}/ws/stats") as response:
        stats = await response.json()
    assert stats["active_connections"] == 1
    assert stats["messages_sent_1m"] == 1
    assert stats["slow_consumers"] == 0
    assert stats["subscriptions_by_symbol"] == {"BTCUSDT": 1}
    assert stats["broadcast_ms_p50"] <= stats["broadcast_ms_p95"]


async def test_nothing_follows_the_close_frame(server: WsServer, ws: Ws) -> None:
    """While a closing handshake waits for the peer, snapshots go to the others only."""
    await say(ws, action="subscribe", symbols=["BTCUSDT"])
    await until(lambda: bool(server.manager.active_symbols()))
    await ws.send_str(" " * 5000)
    await until(lambda: not server.manager.active_symbols())
    await server.manager.broadcast(first_snapshot())
    message = await ws.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)
