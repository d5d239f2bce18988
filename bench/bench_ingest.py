"""How many exchange messages a second one core takes in: read, filtered, applied, written behind.

What a busy simulated exchange says (bars, marks, forced orders, trades) comes over a loopback WebSocket from
another process and goes through the ordinary connector into maps and a store; then the same without the
socket, and the six-minute recording of BTCUSDT, if it lies beside the checkout, at full speed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import orjson
import structlog
from aiohttp import web

from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.pacing import FeedTiming, Pace
from liqstream.feeds.parsing import Parsed
from liqstream.feeds.raw_frame_replay import FrameReader, recorded_venue
from liqstream.feeds.raw_frames import read_frames
from liqstream.feeds.socket_supervisor import SocketHooks, SocketMeans, SocketSupervisor
from liqstream.feeds.venue import Socket
from liqstream.feeds.venue_state import VenueState
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.market import DAY_MS, HOUR_MS, MINUTE_MS
from liqstream.model.kernel import load_kernel
from liqstream.simulator import binance_wire
from liqstream.simulator.dialect import MarketSpan
from liqstream.simulator.market import SimulatedMarket
from liqstream.store.market_store import MarketStore
from liqstream.supervision.clock import SYSTEM_CLOCK
from tests.support.recorded_data import TEST_DATA

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "DOGEUSDT", "ADAUSDT", "LINKUSDT")
START_MS = 20_780 * DAY_MS + 3 * HOUR_MS
CAPTURE = TEST_DATA / "raw_frames/binance_usdm_btcusdt_20240808.gz"
STREAMS = ("kline_5m", "markPrice@1s", "forceOrder", *("aggTrade",) * 5)


def messages(count: int) -> list[str]:
    """What the exchange says in a busy stretch, a round every 50 ms of market time."""
    market = SimulatedMarket(SYMBOLS, now_ms=START_MS, history_days=0)
    texts: list[str] = []
    now_ms = START_MS
    while len(texts) < count:
        since_ms, now_ms = now_ms, now_ms + 50
        market.advance(now_ms)
        fills = {symbol: market.liquidations(symbol, start_ms=since_ms, end_ms=now_ms) for symbol in SYMBOLS}
        span = MarketSpan(market, since_ms, now_ms, 0, fills, market.open_interest)
        texts += [
            orjson.dumps(message).decode()
            for symbol in SYMBOLS
            for stream in STREAMS
            for message in binance_wire.stream_messages(span, f"{symbol.lower()}@{stream}")
        ]
    return texts[:count]


class Intake:
    """Maps and a store behind a connector; `take` moves on what the feed has received."""

    def __init__(self, store: MarketStore) -> None:
        self.store = store
        self.feed = ExchangeFeed(Binance(), SYMBOLS, interval_ms=5 * MINUTE_MS)
        self.maps = LiveMaps(
            store,
            MapModel(load_kernel("tiered"), interval_ms=5 * MINUTE_MS, history_days=1),
            stale_after_s=15.0,
            epoch=1,
            clock_s=time.monotonic,
        )
        self.records = 0
        self.messages = 0

    def on_message(self, text: str) -> Parsed | None:
        self.messages += 1
        return self.feed.on_message(text)

    def take(self) -> None:
        for batch in self.feed.drain():
            self.records += len(batch)
            self.maps.apply(batch)
            self.store.enqueue(batch)

    async def close(self) -> None:
        await self.store.flush()
        await self.feed.close()
        self.maps.close()
        await self.store.close()


async def without_socket(texts: Sequence[str], folder: Path) -> None:
    """As fast as they go, from memory."""
    intake = Intake(await MarketStore.open(folder / "memory.duckdb"))
    wall_s, cpu_s = time.perf_counter(), cpu_seconds()
    for start in range(0, len(texts), 250):
        for text in texts[start : start + 250]:
            intake.on_message(text)
        intake.take()
        await asyncio.sleep(0)  # the store's writer has its turn, as it would between frames
    await intake.close()
    wall_s, cpu_s = time.perf_counter() - wall_s, cpu_seconds() - cpu_s
    print(
        f"ingest from memory: {len(texts) / wall_s:,.0f} messages/s, "
        f"{1e6 * cpu_s / len(texts):.0f} us CPU each, {intake.records:,} records"
    )


async def over_socket(count: int, rate: float, folder: Path) -> None:
    """At `rate` a second from another process, maps made once a second meanwhile; how late the loop ran."""
    command = (sys.executable, __file__, "--serve", "--messages", str(count), "--rate", str(rate))
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    if server.stdout is None:
        raise RuntimeError("no pipe to the sender")
    port = int(await server.stdout.readline())
    intake = Intake(await MarketStore.open(folder / "socket.duckdb"))
    session = aiohttp.ClientSession()
    state = VenueState(None, SYSTEM_CLOCK.now_ms)
    supervisor = SocketSupervisor(
        Socket("ws", f"ws://127.0.0.1:{port}/", subscribes=False),
        SocketMeans(Binance(), session, Pace(1.0), FeedTiming(stale_after_s=5.0), state),
        SocketHooks(intake.on_message, on_break=print, on_refused=print, on_alive=print),
    )
    holding = asyncio.create_task(supervisor.run())
    latest_s = 0.0
    while not intake.messages:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # until the first frame is in; only then does the clock run
    wall_s, cpu_s = time.perf_counter(), cpu_seconds()
    next_map_s = wall_s + 1.0
    while intake.messages < count:
        before_s = time.perf_counter()
        await asyncio.sleep(0.01)  # how much later than this the loop wakes us is what is measured
        latest_s = max(latest_s, time.perf_counter() - before_s - 0.01)
        intake.take()
        if time.perf_counter() >= next_map_s:
            next_map_s += 1.0
            for symbol in SYMBOLS:
                await intake.maps.get_latest_heatmap_snapshot(symbol)
    wall_s, cpu_s = time.perf_counter() - wall_s, cpu_seconds() - cpu_s
    holding.cancel()
    await asyncio.wait({holding})
    await session.close()
    await intake.close()
    server.terminate()
    await server.wait()
    print(
        f"ingest over a socket: {count / wall_s:,.0f} messages/s asked {rate:,.0f}/s, "
        f"{100 * cpu_s / wall_s:.0f} % of one core, loop at most {1000 * latest_s:.0f} ms late"
    )


async def serve(count: int, rate: float) -> None:
    """The sender: prints its port, then sends to whoever connects, ten bursts a second."""
    texts = messages(count)

    async def send(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        started_s = time.perf_counter()
        burst = max(1, int(rate / 100))
        for start in range(0, count, burst):
            for text in texts[start : start + burst]:
                await ws.send_str(text)
            # The rate asked for is what is paced.
            await asyncio.sleep(max(0.0, started_s + start / rate - time.perf_counter()))
        await ws.receive()  # the reader leaves when it has measured
        return ws

    app = web.Application()
    app.router.add_get("/", send)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()  # until it is ended


def cpu_seconds() -> float:
    """CPU time of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def capture_rate() -> float | None:
    """Frames a second of the six-minute recording through reader and bar builder, unpacking included."""
    if not CAPTURE.is_file():
        return None
    reader = FrameReader(recorded_venue(CAPTURE), 5 * MINUTE_MS)
    started_s, frames = time.perf_counter(), 0
    for frame in read_frames(CAPTURE):
        reader.new_records(frame, ("BTCUSDT",))
        frames += 1
    return frames / (time.perf_counter() - started_s)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=5000.0, help="messages a second over the socket")
    parser.add_argument("--serve", action="store_true", help="be the sender (the bench starts it itself)")
    options = parser.parse_args()
    if options.serve:
        await serve(options.messages, options.rate)
        return
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        await over_socket(options.messages, options.rate, Path(folder))
        await without_socket(messages(options.messages), Path(folder))
    rate = capture_rate()
    print(f"recorded BTCUSDT frames: {rate:,.0f} frames/s" if rate else f"no recording at {CAPTURE}")


if __name__ == "__main__":
    asyncio.run(main())
