"""A server that plays a script over a real socket: what it says, what it must hear, when it hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Step = dict[str, Any]


class ScriptedServer:
    """Plays one list of steps per connection, in order; `mistakes` holds what it did not expect to hear.

    A step is {"expect": part of a message}, {"say": message}, {"raw": text} or {"close": code}; in the answer
    to an expectation, an ack takes the request's id unless it has one. After its last step a connection stays
    open.
    """

    def __init__(self, connections: list[list[Step]]) -> None:
        self.mistakes: list[str] = []
        self.heard: list[dict[str, Any]] = []
        self.finished = asyncio.Event()
        self.left = asyncio.Event()
        self.left_with: int | None = None
        self._connections = list(connections)
        self._sockets: list[web.WebSocketResponse] = []

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serve at the yielded ws:// address."""
        async with TestServer(self.app()) as server:
            yield str(server.make_url("/").with_scheme("ws"))

    def app(self) -> web.Application:
        """The application that plays the script."""
        app = web.Application()
        app.router.add_get("/ws/heatmap", self._handle)
        app.on_shutdown.append(self._hang_up)
        return app

    async def _hang_up(self, _app: web.Application) -> None:
        for socket in self._sockets:
            await socket.close(code=1001)

    async def _handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        steps = self._connections.pop(0) if self._connections else []
        request_id = None
        for step in steps:
            if "expect" in step:
                request_id = await self._hear(socket, step["expect"])
            elif "close" in step:
                await socket.close(code=step["close"])
            elif "raw" in step:
                await socket.send_str(step["raw"])
            else:
                said = step["say"]
                ack = {"id": request_id} if said["type"] == "subscribed" else {}
                await socket.send_str(json.dumps(ack | said))
        if not self._connections:
            self.finished.set()
        async for _ in socket:
            pass
        self.left_with = socket.close_code
        self.left.set()
        return socket

    async def _hear(self, socket: web.WebSocketResponse, expected: dict[str, Any]) -> Any:
        heard = await socket.receive_json()
        self.heard.append(heard)
        wrong = {key: heard.get(key) for key, value in expected.items() if heard.get(key) != value}
        if wrong:
            self.mistakes.append(f"expected {expected}, heard {heard}")
        return heard.get("id")
