"""Who is connected and who is sent what, on real sockets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp

from tests.support.frame_reader import StateReader, assert_says, levels_of
from tests.support.snapshots import first_snapshot, next_snapshot, series
from tests.support.stalled_client import SUBSCRIBE, big_snapshot, block, stalled_client
from tests.support.ws_server import AheadClock, WsServer, nothing_more, receive, say, until, ws_server


async def connected(
    session: aiohttp.ClientSession, server: WsServer, *symbols: str, **fields: object
) -> aiohttp.ClientWebSocketResponse:
    """A client subscribed to symbols."""
    ws = await session.ws_connect(server.url)
    counts = {symbol: server.manager.get_stats().subscriptions_by_symbol.get(symbol, 0) for symbol in symbols}
    await say(ws, action="subscribe", symbols=symbols, **{"update_interval": 1, **fields})
    await until(
        lambda: all(
            server.manager.get_stats().subscriptions_by_symbol.get(symbol, 0) > count
            for symbol, count in counts.items()
        )
    )
    return ws


async def test_connect_adds_client_to_subscriptions(session: aiohttp.ClientSession, server: WsServer) -> None:
    """A subscribed socket stands under its symbol, and the generator is woken for it."""
    ws = await connected(session, server, "BTCUSDT")
    assert [len(sockets) for sockets in server.manager.active_connections.values()] == [1]
    assert server.manager.active_symbols() == {"BTCUSDT"}
    assert server.manager.changed.is_set()
    assert server.manager.smallest_interval_s(5) == 1
    await ws.close()


async def test_disconnect_removes_client(session: aiohttp.ClientSession, server: WsServer) -> None:
    """A socket that closed is counted nowhere."""
    ws = await connected(session, server, "BTCUSDT", "ETHUSDT")
    await ws.close()
    await until(lambda: not server.manager.active_connections)
    stats = server.manager.get_stats()
    assert (stats.active_connections, stats.subscriptions_by_symbol, stats.groups) == (0, {}, 0)
    assert server.manager.smallest_interval_s(5) == 5


async def test_broadcast_sends_to_all_subscribers(session: aiohttp.ClientSession, server: WsServer) -> None:
    """Every subscriber gets the same snapshot."""
    clients = [await connected(session, server, "BTCUSDT") for _ in range(3)]
    snapshot = first_snapshot()
    await server.manager.broadcast(snapshot)
    for ws in clients:
        message = await receive(ws)
        assert message["data"]["levels"] == levels_of(snapshot)
        assert (message["epoch"], message["seq"], message["skipped"]) == (1, 1, 0)
        await ws.close()
    assert server.manager.get_stats().messages_sent_total == 3


async def test_client_subscribes_to_multiple_symbols(
    session: aiohttp.ClientSession, server: WsServer
) -> None:
    """One socket follows several symbols, each on its own."""
    ws = await connected(session, server, "BTCUSDT", "ETHUSDT")
    await server.manager.broadcast(first_snapshot("ETHUSDT"))
    assert (await receive(ws))["symbol"] == "ETHUSDT"
    await server.manager.broadcast(first_snapshot("BTCUSDT"))
    assert (await receive(ws))["symbol"] == "BTCUSDT"
    await ws.close()


async def test_broadcast_only_to_symbol_subscribers(session: aiohttp.ClientSession, server: WsServer) -> None:
    """A symbol costs only those who asked for it."""
    ethereum = await connected(session, server, "ETHUSDT")
    bitcoin = await connected(session, server, "BTCUSDT")
    await server.manager.broadcast(first_snapshot("BTCUSDT"))
    assert (await receive(bitcoin))["symbol"] == "BTCUSDT"
    await nothing_more(ethereum)
    await ethereum.close()
    await bitcoin.close()


async def test_a_newcomer_gets_the_newest_snapshot_at_once(
    session: aiohttp.ClientSession, server: WsServer
) -> None:
    """Whoever joins a symbol that is followed does not wait for its next change."""
    first = await connected(session, server, "BTCUSDT")
    await server.manager.broadcast(first_snapshot())
    second = await connected(session, server, "BTCUSDT")
    assert (await receive(second))["seq"] == 1
    await first.close()
    await second.close()


async def test_subscribing_again_marks_the_repeat(session: aiohttp.ClientSession, server: WsServer) -> None:
    """The same snapshot comes twice only marked as a repeat; changing the interval sends nothing."""
    ws = await connected(session, server, "BTCUSDT")
    await server.manager.broadcast(first_snapshot())
    assert "repeat" not in await receive(ws)
    await say(ws, action="subscribe", symbols=["BTCUSDT"], update_interval=9)
    await nothing_more(ws)
    assert server.manager.smallest_interval_s(5) == 9
    server.manager.changed.clear()
    await say(ws, action="unsubscribe", symbols=["BTCUSDT"])
    await say(ws, action="subscribe", symbols=["BTCUSDT"], update_interval=1)
    await until(server.manager.changed.is_set)
    await server.manager.broadcast(first_snapshot())
    assert (await receive(ws))["repeat"] is True
    await ws.close()


async def test_what_the_interval_passes_over_is_counted(
    session: aiohttp.ClientSession, server: WsServer
) -> None:
    """Within an interval only the newest state is sent, at its end, and says how many it skipped."""
    ws = await connected(session, server, "BTCUSDT")
    began = asyncio.get_running_loop().time()
    for snapshot in series("BTCUSDT", 6):
        await server.manager.broadcast(snapshot)
    first, second = [await receive(ws) for _ in range(2)]
    assert (first["seq"], first["skipped"]) == (1, 0)
    assert (second["seq"], second["skipped"]) == (6, 4)
    assert asyncio.get_running_loop().time() - began >= 0.95
    await ws.close()


async def test_an_older_snapshot_is_ignored(session: aiohttp.ClientSession, server: WsServer) -> None:
    """Nobody is sent backwards, whoever broadcasts."""
    ws = await connected(session, server, "BTCUSDT")
    newer = first_snapshot(epoch=7)
    await server.manager.broadcast(newer)
    await server.manager.broadcast(first_snapshot(epoch=6, seq=40))
    assert (await receive(ws))["epoch"] == 7
    await nothing_more(ws)
    assert server.manager.latest("BTCUSDT") is newer
    await ws.close()


async def test_proto_2_acknowledges_and_sends_deltas(
    session: aiohttp.ClientSession, server: WsServer, clock: AheadClock
) -> None:
    """An ack with the id, a full snapshot in columns, then deltas that rebuild the state."""
    ws = await connected(session, server, "BTCUSDT", proto=2, id="first")
    assert await receive(ws) == {
        "type": "subscribed",
        "id": "first",
        "proto": 2,
        "symbols": ["BTCUSDT"],
        "update_interval": 1,
        "delta": True,
        "ticks": False,
        "positions": {},
    }
    reader = StateReader()
    one = first_snapshot()
    two = next_snapshot(one)
    await server.manager.broadcast(one)
    clock.ahead_s += 1.0
    await server.manager.broadcast(two)
    messages = [await receive(ws), await receive(ws)]
    assert [message["type"] for message in messages] == ["snapshot", "delta"]
    for message in messages:
        reader.take(message)
    assert_says(reader.state["BTCUSDT"], two)
    await say(ws, action="resync")
    again = await receive(ws)
    assert (again["type"], again["seq"], again["repeat"]) == ("snapshot", 2, True)
    await ws.close()


async def test_resume_sends_only_what_is_new(
    session: aiohttp.ClientSession, server: WsServer, clock: AheadClock
) -> None:
    """A client that returns with the newest state gets none; an older one gets the full state."""
    stays = await connected(session, server, "BTCUSDT")
    one = first_snapshot()
    await server.manager.broadcast(one)
    held = {"BTCUSDT": {"epoch": 1, "seq": 1}}
    back = await connected(session, server, "BTCUSDT", proto=2, resume=held)
    assert (await receive(back))["type"] == "subscribed"
    await nothing_more(back)
    clock.ahead_s += 1.0
    await server.manager.broadcast(next_snapshot(one))
    assert (await receive(back))["type"] == "delta"
    late = await connected(session, server, "BTCUSDT", proto=2, resume=held)
    assert (await receive(late))["type"] == "subscribed"
    full = await receive(late)
    assert (full["type"], full["seq"], full["skipped"]) == ("snapshot", 2, 0)
    for ws in (stays, back, late):
        await ws.close()


async def test_an_idle_client_is_sent_a_heartbeat(session: aiohttp.ClientSession) -> None:
    """After 5 s without a message a proto-2 client is sent which snapshot is its newest."""
    clock = AheadClock()
    async with ws_server(timers=clock) as server:
        ws = await connected(session, server, "BTCUSDT", proto=2)
        await server.manager.broadcast(first_snapshot())
        kinds = [(await receive(ws))["type"] for _ in range(2)]
        assert kinds == ["subscribed", "snapshot"]
        clock.ahead_s += 5.0
        heartbeat = await receive(ws)
        assert heartbeat["type"] == "heartbeat"
        assert heartbeat["symbols"] == {"BTCUSDT": {"epoch": 1, "seq": 1}}
        await ws.close()


async def test_closing_sends_every_client_a_code_and_waits_for_none(session: aiohttp.ClientSession) -> None:
    """On shutdown clients get a close code at once; proto 2 is warned when to return."""
    async with ws_server() as server:
        old = await connected(session, server, "BTCUSDT")
        new = await connected(session, server, "BTCUSDT", proto=2)
        assert (await receive(new))["type"] == "subscribed"
    warning = await receive(new)
    assert (warning["type"], warning["code"]) == ("warning", "SERVER_SHUTDOWN")
    assert 0 <= warning["retry_after_ms"] < 2000
    for ws in (old, new):
        message = await ws.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)


async def test_slow_consumer_receives_warning() -> None:
    """A reader that stalled finds the newest state and, with it how many were dropped for it."""
    clock = AheadClock()
    async with (
        ws_server(slow_consumer_timeout_s=0.2, timers=clock) as server,
        stalled_client(server, SUBSCRIBE) as client,
    ):
        reader = StateReader()
        snapshot = big_snapshot(1)
        await server.manager.broadcast(snapshot)
        for _ in range(3):  # the first of them waits, each later one takes its place
            clock.ahead_s += 1.0
            snapshot = next_snapshot(snapshot)
            await server.manager.broadcast(snapshot)
        assert server.manager.get_stats().dropped_total == 2
        await until(lambda: server.manager.get_stats().slow_consumer_warnings_total == 1)
        assert server.manager.get_stats().slow_consumers == 1
        while not reader.others or reader.last["BTCUSDT"] != (1, snapshot.seq):
            reader.take(await client.message())
        warning = reader.others[0]
        assert (warning["type"], warning["code"]) == ("warning", "SLOW_CONSUMER")
        assert warning["dropped_messages"] == server.manager.get_stats().dropped_total
        assert reader.gaps["BTCUSDT"] == reader.skipped["BTCUSDT"] + reader.told["BTCUSDT"]
        assert server.manager.get_stats().slow_consumers == 0


async def test_fast_clients_not_blocked_by_slow_client(session: aiohttp.ClientSession) -> None:
    """While one client is stuck the others get every snapshot, and broadcast() returns at once."""
    clock = AheadClock()
    async with ws_server(timers=clock) as server, stalled_client(server, SUBSCRIBE):
        seq = await block(server)
        fast = await session.ws_connect(server.url, max_msg_size=0)
        await say(fast, action="subscribe", symbols=["BTCUSDT"], update_interval=1)
        assert (await receive(fast))["seq"] == seq
        for later in (seq + 1, seq + 2):
            clock.ahead_s += 1.0
            began = asyncio.get_running_loop().time()
            await server.manager.broadcast(big_snapshot(later), replace(big_snapshot(later), epoch=99))
            assert asyncio.get_running_loop().time() - began < 1.0
            assert (await receive(fast))["seq"] == later
        await fast.close()


async def test_disconnected_client_removed_on_broadcast(
    session: aiohttp.ClientSession,
) -> None:
    """A peer that vanished without a word is found out by writing to it, and nothing of it remains."""
    async with ws_server() as server, stalled_client(server, SUBSCRIBE) as client:
        client.vanish()
        await server.manager.broadcast(first_snapshot())
        await until(lambda: not server.manager.active_connections)
        stats = server.manager.get_stats()
        assert (stats.active_connections, stats.groups, stats.pending_snapshots) == (0, 0, 0)
