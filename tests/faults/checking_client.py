"""A client that believes nothing: it writes down all it gets and checks it on the way."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

import aiohttp
import orjson

from tests.faults.oracle import Key, Order
from tests.support.frame_reader import StateReader

Kind = Literal["delta", "columns", "v1"]
INTERVAL_S = 1


class Received(NamedTuple):
    """One snapshot as it arrived; `checksum` is None in protocol 1."""

    key: Key
    checksum: int | None
    timestamp_ms: int
    stale: bool
    at_s: float


@dataclass
class Watcher:
    """Follows one symbol of one address and comes back whenever it is cut off."""

    node: str
    url: str
    symbol: str
    kind: Kind
    random: random.Random
    received: list[Received] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    endings: Counter[int] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    held: Order = (0, 0)
    connected: bool = False
    _task: asyncio.Task[None] | None = None

    def start(self, session: aiohttp.ClientSession) -> None:
        """Watch until stopped."""
        self._task = asyncio.create_task(self._run(session), name=f"watch-{self.node}-{self.kind}")

    async def stop(self) -> None:
        """Leave."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, session: aiohttp.ClientSession) -> None:
        while True:
            try:
                await self._follow(session)
            except (aiohttp.ClientError, OSError, TimeoutError):
                self.connected = False
            await asyncio.sleep(self.random.uniform(0.05, 0.4))

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        async with (
            asyncio.timeout(2) as opening,
            session.ws_connect(self.url.replace("http", "ws", 1) + "/ws/heatmap", max_msg_size=0) as ws,
        ):
            opening.reschedule(None)
            await ws.send_str(self._subscription())
            reader, self.held, self.connected = StateReader(), (0, 0), True
            try:
                async for message in ws:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    self._take(reader, orjson.loads(message.data))
                self.endings[ws.close_code or 0] += 1
            finally:
                self.connected = False
                self._balance(reader)

    def _subscription(self) -> str:
        said: dict[str, Any] = {
            "action": "subscribe",
            "symbols": [self.symbol],
            "update_interval": INTERVAL_S,
        }
        if self.kind != "v1":
            said |= {"proto": 2, "delta": self.kind == "delta"}
        return orjson.dumps(said).decode()

    def _take(self, reader: StateReader, message: dict[str, Any]) -> None:
        if message["type"] in ("warning", "error"):
            self.warnings[message["code"]] += 1
        try:
            reader.take(message)
        except AssertionError as error:
            self.violations.append(f"{self.node} {self.kind}: {error}")
            return
        if message["type"] not in ("snapshot", "delta"):
            return
        key = Key(message["symbol"], message["epoch"], message["seq"])
        timestamp_ms = round(datetime.fromisoformat(message["timestamp"]).timestamp() * 1000)
        self.received.append(
            Received(key, message.get("checksum"), timestamp_ms, message["stale"], time.time())
        )
        self.held = (key.epoch, key.seq)

    def _balance(self, reader: StateReader) -> None:
        """Within a connection and epoch: what is missing was said to be missing."""
        gap, skipped = reader.gaps.get(self.symbol, 0), reader.skipped.get(self.symbol, 0)
        dropped = reader.told.get(self.symbol, 0)
        if self.kind != "v1" and gap != skipped + dropped:
            said = f"{gap} missing, {skipped} skipped, {dropped} dropped"
            self.violations.append(f"{self.node} {self.kind}: the books do not balance: {said}")
