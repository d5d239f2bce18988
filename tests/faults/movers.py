"""Our own clients behind a door that leads to one server or another, and what they show."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from liqstream.client import HeatmapClient
from tests.faults.oracle import Key, Oracle
from tests.faults.tcp_proxy import TcpProxy

SYMBOL = "BTCUSDT"
_MOVER = Path(__file__).with_name("mover.mjs")


class Shown(NamedTuple):
    """One state as a client handed it on."""

    key: Key
    checksum: int


@dataclass
class Movers:
    """The Python and the JavaScript client; `shown` has what each handed on."""

    door: TcpProxy
    shown: dict[str, list[Shown]] = field(default_factory=lambda: {"python": [], "javascript": []})
    moved_s: float = 0.0
    """When the door was last turned, monotonic."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Follow until stopped."""
        await self.door.start()
        self._tasks = [asyncio.create_task(self._python()), asyncio.create_task(self._javascript())]

    async def stop(self) -> None:
        """Leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.door.stop()

    def move(self, port: int) -> None:
        """Whoever comes from now on comes to the server on this port, and all have to come again."""
        for shown in self.shown.values():
            del shown[:-1]
        self.moved_s = time.monotonic()
        self.door.target_port = port
        self.door.reset()

    def violations(self, oracle: Oracle) -> list[str]:
        """States that no server made, or made with other levels."""
        wrong = []
        for name, shown in self.shown.items():
            for key, checksum in shown:
                made = oracle.produced.get(key)
                if made is None or made.checksum != checksum:
                    wrong.append(f"the {name} client shows {key}, which nobody made so")
        wrong += [f"the {name} client has ended" for name, task in self._named() if task.done()]
        return wrong

    def _named(self) -> list[tuple[str, asyncio.Task[None]]]:
        return list(zip(self.shown, self._tasks, strict=True))

    async def _python(self) -> None:
        url = f"http://127.0.0.1:{self.door.port}"
        async with HeatmapClient(url, patient=True, backoff=lambda _attempt: 0.05) as client:
            async for got in client.subscribe(SYMBOL, update_interval_s=1):
                self.shown["python"].append(Shown(Key(SYMBOL, got.epoch, got.seq), got.checksum))

    async def _javascript(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *("node", str(_MOVER), f"ws://127.0.0.1:{self.door.port}/ws/heatmap", SYMBOL),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                epoch, seq, checksum = json.loads(line)
                self.shown["javascript"].append(Shown(Key(SYMBOL, epoch, seq), checksum))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
