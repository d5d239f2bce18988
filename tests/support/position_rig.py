"""A collector of measured positions on a simulated Hyperliquid with real sockets, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.positions.collector import PositionsCollector, PositionsSetup
from liqstream.positions.measured import Coverage, MeasuredLevels
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.exchange_server import SimulatedExchange
from liqstream.store.market_store import MarketStore
from liqstream.supervision.clock import Clock
from tests.support.exchange_rig import serving
from tests.support.market_start import START_MS

SYMBOL = "XRPUSDT"
OF_POSITIONS = (b"clearinghouseState", b"userFillsByTime", b"vaultDetails")


@dataclass(slots=True)
class PositionRig:
    """What a test looks at. `asked` are the weights of requests by the exchange's own log: (s, weight), and
    `asked_of_positions` those of them that are about accounts."""

    exchange: SimulatedExchange
    collector: PositionsCollector
    store: MarketStore
    clock: Clock
    asked: list[tuple[float, float]]
    asked_of_positions: list[tuple[float, float]]
    url: str

    def measured(self, symbol: str = SYMBOL) -> tuple[MeasuredLevels, Coverage]:
        """Levels and coverage now."""
        levels = self.collector.levels(symbol)
        assert levels is not None
        coverage = self.collector.coverage(symbol, levels)
        assert coverage is not None
        return levels, coverage

    def now_ms(self) -> int:
        """The market's time, with the market worked out up to it."""
        now_ms = self.exchange.clock.now_ms()
        self.exchange.market.advance(now_ms)
        return now_ms


@asynccontextmanager
async def position_rig(
    folder: Path,
    symbols: Sequence[str] = (SYMBOL,),
    *,
    leaderboard: bool = True,
    weight: float = 800.0,
    ledger: WeightLedger | None = None,
    history_days: int = 0,
    marked: bool = True,
) -> AsyncIterator[PositionRig]:
    """The exchange and the collector, which has not been started; for `run_virtually`. An exchange that is
    not `marked` as simulated refuses what is beyond its limits."""
    loop = asyncio.get_running_loop()
    market_clock = MarketClock(1.0, START_MS, loop.time)
    exchange = await SimulatedExchange.open(symbols, clock=market_clock, history_days=history_days)
    exchange.marked = marked
    asked, of_positions = _log_weights(exchange, loop)
    clock = Clock(now_ms=market_clock.now_ms)
    store = await MarketStore.open(folder / "positions.duckdb")
    async with serving(exchange.app) as port:
        url = f"http://127.0.0.1:{port}"
        setup = PositionsSetup(
            url,
            f"ws://127.0.0.1:{port}",
            f"{url}/Mainnet/leaderboard" if leaderboard else "",
            weight,
        )
        collector = PositionsCollector(setup, symbols, store, ledger=ledger, clock=clock)
        yield PositionRig(exchange, collector, store, clock, asked, of_positions, url)
    await store.close()


def _log_weights(
    exchange: SimulatedExchange, loop: asyncio.AbstractEventLoop
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Note what each request costs, as the exchange counts it, when it answers: of all, of accounts."""
    asked: list[tuple[float, float]] = []
    of_positions: list[tuple[float, float]] = []
    dialect = exchange.usage["hyperliquid"]

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        question = await request.read() if request.path == "/info" else b""
        response: web.StreamResponse = await handler(request)
        if question:
            cheap = b"clearinghouseState" in question or b"l2Book" in question
            body = response.body if isinstance(response, web.Response) else b""
            rows = body.count(b"},{") if isinstance(body, bytes) else 0
            extra = rows // (60 if b"candleSnapshot" in question else 20) if not cheap else 0
            counts = (
                b"candleSnapshot" in question or b"fundingHistory" in question or b"userFills" in question
            )
            asked.append((loop.time(), 2.0 if cheap else 20.0 + (extra if counts else 0)))
            if any(kind in question for kind in OF_POSITIONS):
                of_positions.append(asked[-1])
        return response

    assert dialect.limits
    exchange.app.middlewares.insert(0, note)
    return asked, of_positions


def fullest(asked: Sequence[tuple[float, float]], window_s: float = 60.0) -> float:
    """The most weight in any window."""
    most = held = 0.0
    first = 0
    for time_s, weight in asked:
        held += weight
        while asked[first][0] <= time_s - window_s:
            held -= asked[first][1]
            first += 1
        most = max(most, held)
    return most
