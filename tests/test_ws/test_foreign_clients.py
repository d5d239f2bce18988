"""Clients we did not write decode every variant, deflated and plain, between acks and errors."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright
from websockets.asyncio.client import connect

from liqstream.heatmap.snapshot import HeatmapSnapshot
from tests.support.frame_reader import StateReader, assert_says
from tests.support.snapshots import first_snapshot, next_snapshot
from tests.support.ws_server import PATIENCE_S, AheadClock, WsServer, until, ws_server

WEB = Path(__file__).parents[2] / "web"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
UPDATES = 6

SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "v1": {},
    "columns": {"proto": 2, "delta": False, "id": 1},
    "delta": {"proto": 2, "id": 2},
}


@dataclass(frozen=True, slots=True)
class Foreign:
    """Somebody else's client: say a message, take the next one."""

    say: Callable[[str], Any]
    take: Callable[[], Any]


@asynccontextmanager
async def python_websockets(server: WsServer, *, deflate: bool) -> AsyncIterator[Foreign]:
    """The `websockets` library."""
    compression = "deflate" if deflate else None
    async with connect(server.url, compression=compression, max_size=None) as ws:
        yield Foreign(ws.send, ws.recv)


@asynccontextmanager
async def node_ws(server: WsServer, *, deflate: bool) -> AsyncIterator[Foreign]:
    """npm's `ws` under Node.js."""
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules/ws").is_dir():
        pytest.fail("needs node and web/node_modules/ws: `make setup` installs them")
    script = Path(__file__).with_name("foreign_client.mjs")
    child = await asyncio.create_subprocess_exec(
        node,
        script,
        WEB / "package.json",
        server.url,
        "deflate" if deflate else "plain",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None

    async def say(text: str) -> None:
        stdin.write(text.encode() + b"\n")
        await stdin.drain()

    try:
        yield Foreign(say, stdout.readline)
    finally:
        stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            await child.wait()
        # The transport of a finished child closes with the loop's next turn.
        await asyncio.sleep(0)


@asynccontextmanager
async def chromium(server: WsServer, *, deflate: bool) -> AsyncIterator[Foreign]:
    """A browser's WebSocket, which always offers deflate."""
    del deflate
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("needs chromium: `make setup` installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = await browser.new_page()
        received: asyncio.Queue[str] = asyncio.Queue()
        await page.expose_function("received", received.put_nowait)
        await page.goto(f"{server.http}/ws/stats")
        await page.evaluate(
            """url => new Promise((opened) => {
                globalThis.socket = new WebSocket(url);
                socket.onopen = opened;
                socket.onmessage = (event) => received(event.data);
            }).then(() => null)""",
            server.url,
        )

        async def say(text: str) -> None:
            await page.evaluate("text => socket.send(text)", text)

        try:
            yield Foreign(say, received.get)
        finally:
            await browser.close()


CLIENTS = {
    "websockets": (python_websockets, True),
    "websockets-plain": (python_websockets, False),
    "ws": (node_ws, True),
    "ws-plain": (node_ws, False),
    "chromium": (chromium, True),
}


@pytest.mark.browser
@pytest.mark.parametrize("variant", SUBSCRIPTIONS)
@pytest.mark.parametrize("library", CLIENTS)
async def test_every_variant_is_decoded(library: str, variant: str) -> None:
    """Snapshots, deltas, acks, errors and pongs in turn leave every client with the oracle's state."""
    open_client, deflate = CLIENTS[library]
    clock = AheadClock()
    async with ws_server(timers=clock) as server, open_client(server, deflate=deflate) as client:
        reader = StateReader()
        message = {"action": "subscribe", "symbols": SYMBOLS, "update_interval": 1, **SUBSCRIPTIONS[variant]}
        await client.say(json.dumps(message))
        await until(lambda: server.manager.active_symbols() == set(SYMBOLS))
        newest: list[HeatmapSnapshot] = [first_snapshot(symbol) for symbol in SYMBOLS]
        for update in range(UPDATES):
            clock.ahead_s += 1.0
            await server.manager.broadcast(*newest)
            if update % 2:
                await client.say("?")
                await client.say(json.dumps({"action": "ping"}))
            await until_has(client, reader, newest)
            newest = [next_snapshot(snapshot) for snapshot in newest]
        for symbol, data in reader.state.items():
            broadcast = server.manager.latest(symbol)
            assert broadcast is not None
            assert_says(data, broadcast)
        # The last answers may come after the last snapshot.
        async with asyncio.timeout(PATIENCE_S):
            while not {"error", "pong"} <= kinds_of(reader):
                reader.take(json.loads(await client.take()))
        assert ("subscribed" in kinds_of(reader)) == (variant != "v1")


def kinds_of(reader: StateReader) -> set[str]:
    """Types of the messages that are no snapshots."""
    return {message["type"] for message in reader.others}


async def until_has(client: Foreign, reader: StateReader, newest: list[HeatmapSnapshot]) -> None:
    """Take messages until the client holds these snapshots."""
    wanted = {snapshot.symbol: (snapshot.epoch, snapshot.seq) for snapshot in newest}
    async with asyncio.timeout(PATIENCE_S):
        while {symbol: reader.last.get(symbol) for symbol in wanted} != wanted:
            reader.take(json.loads(await client.take()))
