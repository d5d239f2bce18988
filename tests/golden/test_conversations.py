"""Whole conversations over a real socket, in each protocol: what a client says, and all it is told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liqstream.admission.policy import ADMISSION
from liqstream.admission.tokens import new_token, token_line
from liqstream.heatmap.snapshot import HeatmapSnapshot, StreamPosition
from liqstream.settings.table import Settings
from liqstream.wire.close_codes import CLOSE_CODES
from liqstream.wire.messages import heartbeat_message, rate_limited_message, slow_consumer_message
from liqstream.ws.endpoint import WsConfig
from tests.golden.compare import check_json, read_exactly
from tests.golden.fixed import EPOCH, FIRST, NOW_MS, SECOND
from tests.support.ws_server import PATIENCE_S, AheadClock, WsServer, ws_server

INTERVAL_S = 5
SUBSCRIBE = f'{{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":{INTERVAL_S},"id":"s1"'
RESYNC = '{"action":"resync","symbols":["BTCUSDT"],"id":5}'
COMMON = (
    FIRST,
    SECOND,
    replace(SECOND, epoch=EPOCH + 1, seq=1),
    RESYNC,
    '{"action":"resync"}',
    '{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":999,"id":2}',
    '{"action":"subscribe","symbols":["DOGEBTC"],"id":3}',
    '{"action":"subscribe","symbols":[]}',
    '{"action":"subscribe","symbols":"BTCUSDT"}',
    '{"action":"ping","id":4}',
    '{"action":"fly"}',
    '{"symbols":["BTCUSDT"]}',
    "not JSON",
    '["ping"]',
    b"binary",
    '{"action":"unsubscribe","symbols":["BTCUSDT","ETHUSDT"],"id":6}',
    f'{{"action":"subscribe","symbols":["BTCUSDT"],"resume":{{"BTCUSDT":{{"epoch":{EPOCH + 1},"seq":1}}}}}}',
)
CONVERSATIONS: dict[str, tuple[str | bytes | HeatmapSnapshot, ...]] = {
    "proto-1": (f"{SUBSCRIBE}}}", *COMMON),
    "proto-2-columns": (f'{SUBSCRIBE},"proto":2,"delta":false}}', *COMMON),
    "proto-2-delta": (f'{SUBSCRIBE},"proto":2}}', *COMMON),
    "proto-3": (f'{SUBSCRIBE},"proto":3}}',),
}
"""What happens, in order: a message of the client (bytes: binary), or a snapshot that is broadcast."""


class Conversation:
    """One client's conversation as it is written down."""

    def __init__(self, server: WsServer, clock: AheadClock, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.lines: list[dict[str, Any]] = []
        self._server = server
        self._clock = clock
        self._ws = ws

    async def go_on(self, step: str | bytes | HeatmapSnapshot) -> bool:
        """Do one thing and take down all it leads to; False once the server has closed."""
        if isinstance(step, HeatmapSnapshot):
            self.lines.append({"broadcast": [step.symbol, step.epoch, step.seq]})
            self._clock.ahead_s += INTERVAL_S
            await self._server.manager.broadcast(step)
        elif isinstance(step, bytes):
            self.lines.append({"client_binary": step.decode()})
            await self._ws.send_bytes(step)
        else:
            self.lines.append({"client": _as_json(step)})
            await self._ws.send_str(step)
        if not self._ws.closed:
            # Answers keep the order of questions: after this one's nothing more of the step can come.
            await self._ws.send_str('{"action":"ping","id":"end of step"}')
        return await self.take_down(until_pong=True)

    async def take_down(self, *, until_pong: bool) -> bool:
        """Everything up to the pong that ends a step, or up to the close."""
        asked = self.lines[-1].get("client")
        pongs = 2 if isinstance(asked, dict) and asked.get("action") == "ping" else 1
        while True:
            async with asyncio.timeout(PATIENCE_S):
                message = await self._ws.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                self.lines.append({"close": self._ws.close_code, "reason": message.extra})
                return False
            said = read_exactly(message.data.encode())
            if said["type"] == "heartbeat":  # on a machine that is slow enough; see messages.json
                continue
            pongs -= said["type"] == "pong"
            if until_pong and not pongs:
                return True
            if "retry_after_ms" in said:
                said["retry_after_ms"] = type(said["retry_after_ms"]).__name__
            if "data" in said:  # in full in test_frames.py
                said["data"] = list(said["data"])
            self.lines.append({"server": said})


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


async def converse(steps: tuple[str | bytes | HeatmapSnapshot, ...]) -> list[dict[str, Any]]:
    """What is said while the steps are taken, and, if the client is still there, when the server stops."""
    clock = AheadClock()
    config = WsConfig(symbols=("BTCUSDT", "ETHUSDT"))
    async with (
        ws_server(config, timers=clock, now_ms=lambda: NOW_MS) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url, compress=15) as ws,
    ):
        conversation = Conversation(server, clock, ws)
        for step in steps:
            if not await conversation.go_on(step):
                return conversation.lines
        async with session.get(f"{server.http}/ws/stats") as answer:
            stats = await answer.json()
        conversation.lines.append({"ws_stats": stats | _durations(stats)})
        conversation.lines.append({"server_stops": True})
        closing = asyncio.ensure_future(server.manager.close())
        await conversation.take_down(until_pong=False)
        await closing
    return conversation.lines


def _durations(stats: dict[str, Any]) -> dict[str, str]:
    return {name: type(value).__name__ for name, value in stats.items() if name.startswith("broadcast_ms")}


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_conversations(name: str) -> None:
    """Snapshots, acknowledgements, errors, the close, and /ws/stats before it."""
    check_json(f"conversation-{name}.json", await converse(CONVERSATIONS[name]))


async def test_a_page_of_a_private_server(tmp_path: Path) -> None:
    """Its first message holds its token; what it is told for a good and for a wrong one."""
    token = new_token()
    path = tmp_path / "tokens"
    path.write_text(token_line("page", token))
    told = {}
    async with ws_server(settings=Settings(tokens_file=str(path))) as server:
        await asyncio.to_thread(server.runner.app[ADMISSION].tokens.reload)
        async with aiohttp.ClientSession(headers={"Origin": server.http}) as session:
            for kind, shown in (("good", token), ("wrong", new_token())):
                async with session.ws_connect(server.url) as ws, asyncio.timeout(PATIENCE_S):
                    await ws.send_json({"action": "auth", "token": shown})
                    message = await ws.receive()
                    told[kind] = [message.data, message.extra]
    check_json("conversation-private.json", told)


def test_messages_of_a_server_in_trouble() -> None:
    """What an idle, a slow and a rushing client are told."""
    messages = [
        heartbeat_message(
            "2025-12-28T14:30:00Z", {"BTCUSDT": StreamPosition(EPOCH, 3), "ETHUSDT": StreamPosition(EPOCH, 1)}
        ),
        slow_consumer_message({"BTCUSDT": 3, "ETHUSDT": 1}),
        rate_limited_message(retry_after_ms=200),
    ]
    check_json("messages.json", [read_exactly(message) for message in messages])


def test_close_codes() -> None:
    """Number, name, reason, and whether a client comes back."""
    codes = [[code.code, code.name, code.reason, code.reconnect] for code in CLOSE_CODES.values()]
    check_json("close-codes.json", codes)
