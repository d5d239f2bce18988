"""A whole server with its page, whose liquidations are those a test hands to its bus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.market import Liquidation
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.integration.test_api import paused_replay
from tests.support.loop_thread import LoopThread, loop_thread

NOW_MS = 1_790_000_000_000
"""After all that was recorded."""


@dataclass
class TapeServer:
    """A server with nothing on its bus, and its address."""

    thread: LoopThread
    app: web.Application
    url: str
    count: int = 0

    def liquidation(self, usd: float, side: str = "long") -> Liquidation:
        """The next one, a ms later, at a price that counts up."""
        self.count += 1
        at = 100_000.0 + self.count
        return Liquidation("binance", "BTCUSDT", NOW_MS + self.count, side, at, usd / at)  # type: ignore[arg-type]

    def put(self, *liquidations: Liquidation) -> None:
        """Hand them to whoever listens."""
        self.thread.loop.call_soon_threadsafe(self.app[LIQUIDATION_BUS].take, liquidations)

    def put_at_1000_a_second(self, seconds: int) -> None:
        """A hundred every tenth of a second."""

        async def run() -> None:
            for _ in range(10 * seconds):
                self.app[LIQUIDATION_BUS].take([self.liquidation(500.0) for _ in range(100)])
                await asyncio.sleep(0.1)

        self.thread.run(run())


@contextmanager
def tape_server(folder: Path) -> Iterator[TapeServer]:
    """A server that replays nothing more, of one market; its store is in `folder`."""
    app = make_app(
        load_settings(db_path=folder / "tape.duckdb", symbols="BTCUSDT", replay="store"), paused_replay
    )
    with loop_thread() as thread:
        runner = web.AppRunner(app, shutdown_timeout=2.0)
        thread.run(runner.setup())
        try:
            thread.run(web.TCPSite(runner, "127.0.0.1", 0).start())
            host, port = runner.addresses[0][:2]
            yield TapeServer(thread, app, f"http://{host}:{port}")
        finally:
            thread.run(runner.cleanup())
