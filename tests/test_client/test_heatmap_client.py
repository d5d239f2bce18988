"""The client against servers that are slow, silent, full, old, wrong or gone: one clear line each."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.http_websocket import WS_KEY
from aiohttp.test_utils import TestServer, unused_port
from yarl import URL

from liqstream import client as client_package
from liqstream.client import (
    CannotConnectError,
    ClientError,
    HeatmapClient,
    OldServerError,
    RefusedError,
    UnknownSymbolError,
)
from liqstream.client.connection import make_session
from liqstream.client.rest import fetch
from tests.support.scripted_server import ScriptedServer, Step
from tests.test_client.test_behaviours import BEHAVIOURS

SUBSCRIBED: Step = {
    "say": {"type": "subscribed", "symbols": ["BTCUSDT"], "update_interval": 1, "delta": True, "proto": 2}
}
EXPECT_SUBSCRIBE: Step = {"expect": {"action": "subscribe", "proto": 2}}
WHOLE: Step = BEHAVIOURS[0]["connections"][0][2]
DELTA: Step = BEHAVIOURS[0]["connections"][0][3]


@asynccontextmanager
async def answering(status: int, path: str = "/ws/heatmap", **answer: Any) -> AsyncIterator[str]:
    """A server that answers one path with plain HTTP."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, **answer)

    app = web.Application()
    app.router.add_get(path, handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def test_importing_the_client_loads_none_of_the_servers_parts() -> None:
    """A bot's process carries neither DuckDB nor Redis nor SciPy."""
    code = (
        "import sys; from liqstream.client import *; assert HeatmapClient; "
        "print([name for name in ('duckdb', 'redis', 'scipy', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_of_the_client_is_there() -> None:
    """Each is imported when it is asked for; one that is none is refused as everywhere."""
    assert {name: type(getattr(client_package, name)).__name__ for name in client_package.__all__}
    assert set(client_package.__all__) <= set(dir(client_package))
    with pytest.raises(AttributeError, match="no attribute 'Heatmap'"):
        client_package.Heatmap  # noqa: B018


async def test_nobody_at_the_address() -> None:
    """A closed port is one line that names the address."""
    url = f"ws://127.0.0.1:{unused_port()}"
    with pytest.raises(CannotConnectError, match=r"cannot connect to ws://127\.0\.0\.1:\d+/ws/heatmap: .*\w"):
        async with HeatmapClient(url):
            pass


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, RefusedError, "wants a token"),
        (403, RefusedError, "does not serve this origin"),
        (404, RefusedError, "no liqstream server"),
        (101, CannotConnectError, "not as RFC 6455 wants it: invalid upgrade header"),
        (200, CannotConnectError, "HTTP 200"),
        (503, CannotConnectError, "takes no connections now"),
    ],
)
async def test_a_handshake_that_is_refused(status: int, error: type[ClientError], sentence: str) -> None:
    """Each refusal says what it means."""
    async with answering(status) as url:
        with pytest.raises(error, match=sentence):
            async with HeatmapClient(url):
                pass


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Neither to the stream nor in REST, as no browser's WebSocket would; where it leads to is named."""
    server = ScriptedServer([[]])
    async with server.serve() as elsewhere:
        target = elsewhere.replace("ws://", "http://user:secret@")
        headers = {"Location": f"{target}ws/heatmap"}
        async with answering(status, headers=headers) as url:
            with pytest.raises(CannotConnectError, match="redirects to http") as refused:
                async with HeatmapClient(url):
                    pass
            assert "secret" not in str(refused.value)
        async with (
            answering(status, "/api/score/BTCUSDT", headers=headers) as url,
            make_session({}, None) as session,
        ):
            with pytest.raises(CannotConnectError, match=r"cannot reach .*: it redirects to http"):
                await fetch(session, URL(url) / "api/score/BTCUSDT")
    assert not server.finished.is_set()


@pytest.mark.parametrize("status", [200, 400, 403, 404, 405, 426, 429, 500, 502])
async def test_once_it_has_worked_a_proxys_refusal_is_waited_out(status: int) -> None:
    """While what is behind it is replaced; the status says what stands in the way."""
    server = ScriptedServer(
        [[EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE, {"close": 1012}], [EXPECT_SUBSCRIBE, SUBSCRIBED, DELTA]]
    )
    app, refusals = server.app(), [status] * 3
    states: list[str] = []

    @web.middleware
    async def proxy(request: web.Request, handler: Any) -> Any:
        if server.heard and refusals:
            return web.Response(status=refusals.pop())
        return await handler(request)

    def backoff(attempt: int) -> float:
        states.append(client.status.reason)
        return 0.0

    app.middlewares.append(proxy)
    async with (
        TestServer(app) as running,
        HeatmapClient(str(running.make_url("/")), backoff=backoff) as client,
    ):
        snapshots = client.subscribe("BTCUSDT")
        assert [(await anext(snapshots)).seq, (await anext(snapshots)).seq] == [1, 2]
    assert refusals == []
    assert len(states) == 4


@pytest.mark.parametrize(
    ("challenge", "final"), [("Bearer", True), ('Bearer realm="x"', True), ("Basic", False)]
)
async def test_once_it_has_worked_only_the_servers_own_401_is_final(challenge: str, *, final: bool) -> None:
    """A proxy's is not: its own password prompt says nothing of our token."""
    server = ScriptedServer(
        [[EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE, {"close": 1012}], [EXPECT_SUBSCRIBE, SUBSCRIBED, DELTA]]
    )
    app, refusals = server.app(), [401]

    @web.middleware
    async def proxy(request: web.Request, handler: Any) -> Any:
        if server.heard and refusals:
            return web.Response(status=refusals.pop(), headers={"WWW-Authenticate": challenge})
        return await handler(request)

    app.middlewares.append(proxy)
    async with (
        TestServer(app) as running,
        HeatmapClient(str(running.make_url("/")), backoff=lambda _: 0.0) as client,
    ):
        snapshots = client.subscribe("BTCUSDT")
        assert (await anext(snapshots)).seq == 1
        if final:
            with pytest.raises(RefusedError, match="wants a token"):
                await anext(snapshots)
        else:
            assert (await anext(snapshots)).seq == 2


@pytest.mark.parametrize("url", ["", "ftp://host", "ws://", "http://host:99999"])
def test_no_address(url: str) -> None:
    """Text that is no address is refused at once, with an example."""
    with pytest.raises(ClientError, match=r"try ws://127\.0\.0\.1:8000"):
        HeatmapClient(url)


async def test_a_server_of_the_first_protocol() -> None:
    """A v1 snapshot ends the subscription with one line."""
    old = {
        "type": "snapshot",
        "symbol": "BTCUSDT",
        "timestamp": "2025-12-28T14:30:00Z",
        "data": {"levels": [], "current_price": 98450, "positions_created": 0, "positions_consumed": 0},
    }
    server = ScriptedServer([[EXPECT_SUBSCRIBE, {"say": old}]])
    async with server.serve() as url, HeatmapClient(url) as client:
        with pytest.raises(OldServerError, match="only protocol 1"):
            await anext(client.subscribe("BTCUSDT"))


async def test_a_symbol_the_server_does_not_follow() -> None:
    """A typo is told, not served as silence; the rest of the list is not served either, until asked again."""
    let_go: Step = {"expect": {"action": "unsubscribe", "symbols": ["BTCUSDT"]}}
    refusal: Step = {
        "say": {"type": "error", "code": "INVALID_SYMBOL", "message": "unknown", "symbols": ["BTCUSD"]}
    }
    again: list[Step] = [let_go, EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE]
    for first, sentence in ((SUBSCRIBED, r"does not follow BTCUSD$"), (refusal, "unknown")):
        server = ScriptedServer([[EXPECT_SUBSCRIBE, first, *again]])
        async with server.serve() as url, HeatmapClient(url) as client, asyncio.timeout(5):
            refused = client.subscribe("BTCUSDT", "BTCUSD")
            with pytest.raises(UnknownSymbolError, match=sentence):
                await anext(refused)
            snapshots = client.subscribe("BTCUSDT")
            await refused.aclose()
            assert (await anext(snapshots)).symbol == "BTCUSDT"
            assert server.mistakes == []


async def test_left_at_once_it_still_says_goodbye() -> None:
    """A connection that nobody had begun to read is closed like any other."""
    server = ScriptedServer([[]])
    async with server.serve() as url:
        async with HeatmapClient(url):
            pass
        async with asyncio.timeout(5):
            await server.left.wait()
    assert server.left_with == 1000


async def test_a_symbol_twice() -> None:
    """One connection has one interval per symbol."""
    server = ScriptedServer([[]])
    async with server.serve() as url, HeatmapClient(url) as client:
        client.subscribe("BTCUSDT")
        with pytest.raises(ValueError, match="already subscribed: BTCUSDT"):
            client.subscribe("BTCUSDT")
        with pytest.raises(ValueError, match="no symbol"):
            client.subscribe()


async def test_leaving_a_subscription_unsubscribes() -> None:
    """The server is told, and the symbol can be subscribed again."""
    steps = [EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE, {"expect": {"action": "unsubscribe"}}, EXPECT_SUBSCRIBE]
    server = ScriptedServer([steps])
    async with server.serve() as url, HeatmapClient(url) as client:
        async with client.subscribe("BTCUSDT") as snapshots:
            await anext(snapshots)
        with pytest.raises(StopAsyncIteration):
            await anext(snapshots)
        client.subscribe("BTCUSDT")
        await server.finished.wait()
    assert server.mistakes == []


async def test_a_subscription_the_server_did_not_read_is_sent_again() -> None:
    """RATE_LIMITED is waited out, not lost."""
    limited = {"say": {"type": "error", "code": "RATE_LIMITED", "message": "too fast", "retry_after_ms": 10}}
    server = ScriptedServer([[EXPECT_SUBSCRIBE, limited, EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE]])
    async with server.serve() as url, HeatmapClient(url) as client:
        assert (await anext(client.subscribe("BTCUSDT"))).seq == 1
    assert server.mistakes == []


async def test_connections_that_show_nothing_are_made_ever_more_seldom() -> None:
    """An open socket proves nothing, a state does; a damaged frame is not the server's last word."""
    hang_up, too_big = {"close": 1012}, {"raw": "x" * 4_200_000}
    server = ScriptedServer(
        [[hang_up], [hang_up], [EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE, too_big], [EXPECT_SUBSCRIBE, DELTA]]
    )
    waits: list[int] = []

    def backoff(attempt: int) -> float:
        waits.append(attempt)
        return 0.0

    async with server.serve() as url, HeatmapClient(url, backoff=backoff) as client:
        snapshots = client.subscribe("BTCUSDT", keep=2)
        assert [(await anext(snapshots)).seq, (await anext(snapshots)).seq] == [1, 2]
    assert waits == [1, 2, 1]


async def test_a_server_whose_every_state_is_denied_is_asked_at_a_pace() -> None:
    """Ten resyncs at once, then one a second: it is not asked as fast as it responds."""
    elsewhere = {"type": "heartbeat", "symbols": {"BTCUSDT": {"epoch": 7, "seq": 1}}}
    asked: list[str] = []

    async def deny(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for frame in socket:
            asked.append(json.loads(frame.data)["action"])
            await socket.send_json(WHOLE["say"])
            await socket.send_json(elsewhere)
        return socket

    app = web.Application()
    app.router.add_get("/ws/heatmap", deny)
    async with TestServer(app) as server, HeatmapClient(str(server.make_url("/"))) as client:
        snapshots = client.subscribe("BTCUSDT", keep=100)
        for _ in range(11):
            await anext(snapshots)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(snapshots), 0.2)
        assert (await anext(snapshots)).seq == 1
    assert asked == ["subscribe"] + ["resync"] * 11


async def _upgrade(reader: asyncio.StreamReader) -> bytes:
    """The answer to a handshake, by hand."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    accept = base64.b64encode(hashlib.sha1(key.encode() + WS_KEY).digest()).decode()
    head = f"101 .\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}"
    return f"HTTP/1.1 {head}\r\n\r\n".encode()


async def test_a_ping_on_a_connection_that_is_gone_is_a_loss_as_any_other() -> None:
    """It cannot be answered; the client comes back."""
    connections: asyncio.Queue[None] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await _upgrade(reader) + b"\x89\x00" * 50_000)
        connections.put_nowait(None)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with HeatmapClient(f"ws://127.0.0.1:{port}", backoff=lambda _attempt: 0) as client:
            subscription = client.subscribe("BTCUSDT")
            waiting = asyncio.create_task(anext(aiter(subscription)))
            async with asyncio.timeout(10):
                for _ in range(2):
                    await connections.get()
            assert not waiting.done()
            waiting.cancel()


@pytest.mark.parametrize("with_handshake", [True, False])
async def test_what_no_server_may_send_ends_the_connection(with_handshake: bool) -> None:
    """A masked frame (RFC 6455 5.1), also where it comes with the handshake: close 1002, and another try."""
    closed: asyncio.Queue[bytes] = asyncio.Queue()
    lost = asyncio.Event()
    masked = b"\x81\x82\0\0\0\0{}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await _upgrade(reader) + (masked if with_handshake else b""))
        if not with_handshake:
            await reader.read(1)
            writer.write(masked)
        closed.put_nowait(await reader.read())
        writer.close()

    def backoff(_attempt: int) -> float:
        lost.set()
        return 60

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with HeatmapClient(f"ws://127.0.0.1:{port}", backoff=backoff) as client:
            client.subscribe("BTCUSDT")
            async with asyncio.timeout(10):
                await lost.wait()
            assert (client.status.code, client.not_understood) == (1006, 0)
            assert "with mask" in client.status.reason
        async with asyncio.timeout(10):
            frame = (await closed.get())[-8:]
        assert [byte ^ mask for byte, mask in zip(frame[6:], frame[2:4], strict=True)] == [0x03, 0xEA]


async def test_silence_is_an_outage() -> None:
    """A socket that stays open but says nothing is given up; a ping is tried first."""
    server = ScriptedServer(
        [[EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE], [{"expect": {"action": "subscribe"}}, SUBSCRIBED, DELTA]]
    )
    async with (
        server.serve() as url,
        HeatmapClient(url, backoff=lambda _: 0.0, outage_after_s=0.1) as client,
    ):
        snapshots = client.subscribe("BTCUSDT")
        assert (await anext(snapshots)).seq == 1
        assert (await anext(snapshots)).seq == 2
        assert client.status.code == 0
    assert server.heard[1]["resume"]["BTCUSDT"]["seq"] == 1


async def test_a_slow_consumer_gets_the_newest() -> None:
    """What waits is the newest state; what it replaced is counted."""
    resync = {"expect": {"action": "resync"}}
    wrong = {"say": DELTA["say"] | {"seq": 3, "prev_seq": 2, "checksum": 1}}
    server = ScriptedServer([[EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE, DELTA, wrong, resync]])
    async with server.serve() as url, HeatmapClient(url) as client:
        snapshots = client.subscribe("BTCUSDT")
        await server.finished.wait()
        assert (await anext(snapshots)).seq == 2
        assert snapshots.overtaken == 1


async def test_a_patient_client_waits_for_its_server() -> None:
    """With `patient`, a server that is not there yet is waited for."""
    port = unused_port()
    tried_twice = asyncio.Event()

    def backoff(attempt: int) -> float:
        if attempt > 2:
            tried_twice.set()
        return 0.0

    async with HeatmapClient(f"http://127.0.0.1:{port}", patient=True, backoff=backoff) as client:
        snapshots = client.subscribe("BTCUSDT")
        await tried_twice.wait()
        server = ScriptedServer([[EXPECT_SUBSCRIBE, SUBSCRIBED, WHOLE]])
        async with TestServer(server.app(), port=port):
            assert (await anext(snapshots)).seq == 1


async def test_rest_says_what_the_server_says() -> None:
    """The server's own sentence is the error; damaged answers are not believed."""
    refusal = {"body": b'{"error":"unknown symbol; one of BTCUSDT"}', "content_type": "application/json"}
    async with answering(400, "/api/heatmap/{symbol}", **refusal) as url:
        client = HeatmapClient(url)
        with pytest.raises(ClientError, match="is not open"):
            await client.latest("BTCUSDT")
        async with HeatmapClient(url, patient=True) as client:
            with pytest.raises(UnknownSymbolError, match="one of BTCUSDT"):
                await client.latest("NOPE")
            with pytest.raises(ClientError, match="HTTP 404"):
                await client.history("BTCUSDT")
    for body in (b"LQH1", b"LQH1\xff\xff\xff\xff{}", b"<html>"):
        async with (
            answering(200, "/api/heatmap/BTCUSDT/history", body=body) as url,
            HeatmapClient(url, patient=True) as client,
        ):
            with pytest.raises(ClientError, match="cannot be read"):
                await client.history("BTCUSDT")
