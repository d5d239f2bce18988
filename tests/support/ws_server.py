"""The WebSocket endpoint on a real socket, for tests that speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.settings.table import Settings
from liqstream.ws.endpoint import CONFIG, MANAGER, WsConfig, add_ws_routes

PATIENCE_S = 10.0
"""How long a test waits for what must happen."""


class AheadClock:
    """The loop's clock, moved on at will: an update interval passes without waiting for it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def time(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s

    def call_at(self, when: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(when - self.ahead_s, callback)

    def report(self, name: str, error: Exception, /) -> None:
        raise AssertionError(name) from error


@dataclass(frozen=True, slots=True)
class WsServer:
    """A running endpoint and its manager."""

    manager: ConnectionManager
    host: str
    port: int
    runner: web.AppRunner

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://{self.host}:{self.port}/ws/heatmap"

    @property
    def http(self) -> str:
        """The server's root."""
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def ws_server(
    config: WsConfig | None = None,
    *,
    settings: Settings | None = None,
    middlewares: Sequence[Middleware] = (),
    **manager_options: Any,
) -> AsyncIterator[WsServer]:
    """An application with only the WebSocket routes, on a free port of the loopback."""
    app = web.Application(middlewares=middlewares)
    app[ADMISSION] = AdmissionPolicy(settings or Settings())
    app[CONFIG] = config or WsConfig()
    app[MANAGER] = ConnectionManager(**manager_options)
    add_ws_routes(app)
    runner = web.AppRunner(app, shutdown_timeout=5.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield WsServer(app[MANAGER], host, port, runner)
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no event of its own; the test fails when it does not come."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def receive(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next message, which must be JSON text."""
    async with asyncio.timeout(PATIENCE_S):
        message: dict[str, Any] = orjson.loads(await ws.receive_str())
        return message


async def say(ws: aiohttp.ClientWebSocketResponse, **said: Any) -> None:
    """Send one message."""
    await ws.send_str(orjson.dumps(said).decode())


async def nothing_more(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Nothing was sent before the answer to a ping sent now."""
    await say(ws, action="ping")
    answer = await receive(ws)
    assert answer["type"] == "pong", answer
