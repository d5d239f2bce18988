"""The servers the fan-out bench compares: liqstream's product path, and what people build elsewhere.

A design serves `path` on a free port and sends one tick to all its clients in `tick`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

import orjson
from aiohttp import web

from bench.fanout_payloads import ROWS_BY_KB, Market
from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.fanout.timers import Timer
from liqstream.settings.table import Settings
from liqstream.wire.snapshot_message import v1_data
from liqstream.ws.endpoint import CONFIG, MANAGER, WsConfig, add_ws_routes

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")


class Design(Protocol):
    """One server under test."""

    name: str
    path: str
    subscribe: str
    extensions: str

    async def start(self) -> int: ...
    def prepare(self, kilobytes: int) -> int: ...
    def arm(self) -> None: ...
    async def tick(self) -> None: ...
    async def stop(self) -> None: ...


async def serve_app(app: web.Application) -> tuple[web.AppRunner, int]:
    """The app on a free port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    return runner, runner.addresses[0][1]


class SteppedClock:
    """The loop's clock, moved on by one interval before each tick, so that every tick is due."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def time(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        return asyncio.get_running_loop().call_at(when - self.ahead_s, callback)

    def report(self, name: str, error: Exception, /) -> None:
        raise AssertionError(name) from error


class Liqstream:
    """The whole product path: subscriptions, seq, conflation, eviction, statistics and metrics."""

    path = "/ws/heatmap"

    def __init__(
        self,
        variant: str = "v1",
        *,
        symbols: int = 1,
        deflated: bool = False,
        stall_timeout_s: float = 3600.0,
    ) -> None:
        self.name = f"liqstream {variant}{', deflated' if deflated else ''}"
        if symbols > 1:
            self.name += f", {symbols} symbols"
        self.symbols = SYMBOLS[:symbols]
        said: dict[str, object] = {"action": "subscribe", "symbols": self.symbols, "update_interval": 1}
        if variant != "v1":
            said |= {"proto": 2, "delta": variant == "delta"}
        self.subscribe = json.dumps(said)
        self.extensions = "permessage-deflate" if deflated else ""
        self._clock = SteppedClock()
        self._stall_timeout_s = stall_timeout_s
        self._markets: list[Market] = []

    async def start(self) -> int:
        app = web.Application()
        # The drain child answers no pings.
        app[CONFIG] = WsConfig(symbols=SYMBOLS, heartbeat_s=3600.0)
        app[ADMISSION] = AdmissionPolicy(Settings(ws_max_connections=1_000_000))
        self.manager = app[MANAGER] = ConnectionManager(
            timers=self._clock, stall_timeout_s=self._stall_timeout_s
        )
        add_ws_routes(app)
        self._runner, port = await serve_app(app)
        return port

    def prepare(self, kilobytes: int) -> int:
        """SnapshotBatch at this size from now on; returns a v1 message's bytes."""
        seq = self._markets[0].snapshot.seq + 1 if self._markets else 1
        self._markets = [
            Market(symbol, ROWS_BY_KB[kilobytes], seed=number) for number, symbol in enumerate(self.symbols)
        ]
        for market in self._markets:
            market.snapshot = market.snapshot.__class__(**{**market.snapshot.__dict__, "seq": seq})
        return len(orjson.dumps(v1_data(self._markets[0].snapshot), option=orjson.OPT_SERIALIZE_NUMPY))

    def arm(self) -> None:
        """Make the next tick's snapshots; that is the model's work, not the stream's."""
        self._clock.ahead_s += 1.0
        self._next = [market.advance() for market in self._markets]

    async def tick(self) -> None:
        await self.manager.broadcast(*self._next)

    async def stop(self) -> None:
        await self._runner.cleanup()


class _Peer:
    """A server that sends a ready message to every open socket."""

    path = "/"
    subscribe = ""
    extensions = ""

    def prepare(self, kilobytes: int) -> int:
        """Send a snapshot of this size from now on; returns its bytes."""
        market = Market("BTCUSDT", ROWS_BY_KB[kilobytes])
        data = orjson.loads(orjson.dumps(v1_data(market.snapshot)))
        self.message: dict[str, Any] = {"type": "snapshot", "symbol": "BTCUSDT", "data": data}
        self.text = orjson.dumps(self.message).decode()
        return len(self.text)

    def arm(self) -> None:
        """The same message every time."""


class AiohttpPeer(_Peer):
    """The public ancestor's way: a set of sockets, and a send per client."""

    def __init__(self, *, as_json: bool) -> None:
        self.name = "aiohttp send_json per client" if as_json else "aiohttp send_str of one string"
        self._as_json = as_json
        self._sockets: set[web.WebSocketResponse] = set()

    async def _handle(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        self._sockets.add(ws)
        async for _ in ws:
            pass
        self._sockets.discard(ws)
        return ws

    async def start(self) -> int:
        app = web.Application()
        app.router.add_get("/", self._handle)
        self._runner, port = await serve_app(app)
        return port

    async def tick(self) -> None:
        for ws in list(self._sockets):
            if self._as_json:
                await ws.send_json(self.message)
            else:
                await ws.send_str(self.text)

    async def stop(self) -> None:
        await self._runner.cleanup()


class WebsocketsPeer(_Peer):
    """`websockets.broadcast`, which its documentation names for this."""

    name = "websockets.broadcast"

    async def start(self) -> int:
        from websockets.asyncio.server import ServerConnection, serve

        self._sockets: set[ServerConnection] = set()

        async def handle(ws: ServerConnection) -> None:
            self._sockets.add(ws)
            await ws.wait_closed()
            self._sockets.discard(ws)

        self._server = await serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096)
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def tick(self) -> None:
        from websockets.asyncio.server import broadcast

        broadcast(self._sockets, self.text)

    async def stop(self) -> None:
        self._server.close(close_connections=False)


class StarlettePeer(_Peer):
    """Starlette on uvicorn, a send per client."""

    name = "Starlette on uvicorn"

    async def start(self) -> int:
        import uvicorn
        from starlette.applications import Starlette
        from starlette.routing import WebSocketRoute
        from starlette.websockets import WebSocket

        self._sockets: set[WebSocket] = set()

        async def handle(ws: WebSocket) -> None:
            await ws.accept()
            self._sockets.add(ws)
            await ws.receive()

        app = Starlette(routes=[WebSocketRoute("/", handle)])
        config = uvicorn.Config(
            app, port=0, log_level="error", backlog=4096, ws_per_message_deflate=False, ws_ping_interval=None
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.ensure_future(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # uvicorn has no event for its start
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    async def tick(self) -> None:
        for ws in list(self._sockets):
            await ws.send_text(self.text)

    async def stop(self) -> None:
        self._serving.cancel()


DESIGNS: dict[str, Callable[[], Design]] = {
    "v1": Liqstream,
    "v1-4": lambda: Liqstream(symbols=4),
    "columns": lambda: Liqstream("columns"),
    "delta": lambda: Liqstream("delta"),
    "delta-4": lambda: Liqstream("delta", symbols=4),
    "v1-deflated": lambda: Liqstream(deflated=True),
    "v1-4-deflated": lambda: Liqstream(symbols=4, deflated=True),
    "send_json": lambda: AiohttpPeer(as_json=True),
    "send_str": lambda: AiohttpPeer(as_json=False),
    "websockets": WebsocketsPeer,
    "starlette": StarlettePeer,
}
