"""Promises that take a server of one's own: it is starved, stopped and killed."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from liqstream.client import HeatmapClient
from liqstream.selftest.promise import Finding, Promise
from liqstream.selftest.recording import subscribe
from liqstream.selftest.server_process import OwnServer, own_server
from liqstream.selftest.stalled_client import stalled_client
from liqstream.selftest.target import Target, reached
from liqstream.store.market_store import MarketStore

SHUTDOWN_WITHIN_S = 10.0
_BAR_MS = 300_000
_BARS = 300
_START_MS = 1_780_000_200_000
_STALE_WITHIN_S = 20.0
_BARS_WITHIN_S = 20.0
_ASK_EVERY_S = 0.1


async def stale_labelled(target: Target) -> Finding:
    """Own server: a recording that ends turns stale. Other: /ready and the stream say the same."""
    if target.own is None:
        return await _stale_agrees(target)
    with TemporaryDirectory(prefix="liqstream-selftest-") as name:
        folder = Path(name)
        bars = folder / "bars.csv"
        bars.write_text(short_recording())
        args = ("--replay", str(bars), "--exchange", "binance", "--symbol", "BTCUSDT", "--interval", "5m")
        pace, env = ("--speed", "600", "--warmup", "1d"), {"LIQSTREAM_STALE_AFTER": "3"}
        async with own_server(folder, *args, *pace, env=env) as server:
            return await _turns_stale(server)


def short_recording() -> str:
    """A day of five-minute bars that end."""
    lines = ["open_time,open,high,low,close,volume,open_interest"]
    for bar in range(_BARS):
        price = 100_000 + 500 * ((bar * 7) % 11 - 5)
        lines.append(
            f"{_START_MS + bar * _BAR_MS},{price},{price + 300},{price - 300},{price},10,{80_000 + bar}"
        )
    return "\n".join(lines) + "\n"


async def _turns_stale(server: OwnServer) -> Finding:
    began_s = time.monotonic()
    fresh = 0
    try:
        async with asyncio.timeout(_STALE_WITHIN_S + 20), HeatmapClient(server.url) as client:
            async for snapshot in client.subscribe("BTCUSDT", update_interval_s=1):
                if snapshot.stale and fresh:  # the first may be older than the feed's first record
                    took_s = time.monotonic() - began_s
                    return Finding(f"{fresh} fresh snapshots, stale after {took_s:.0f} s", fresh > 0)
                fresh += not snapshot.stale
    except TimeoutError:
        pass
    return Finding(f"{fresh} snapshots, none of them stale", kept=False)


async def _stale_agrees(target: Target) -> Finding:
    ready = await target.get_json("/ready")
    reported = {symbol: state["stale"] for symbol, state in ready["symbols"].items()}
    _, wholes = await target.recordings()
    streamed = {symbol: states[-1].stale for symbol in target.symbols if (states := wholes.states(symbol))}
    wrong = [symbol for symbol, stale in streamed.items() if reported.get(symbol) != stale]
    count, stale = len(streamed), sum(streamed.values())
    return Finding(
        f"{count} symbols, {stale} stale, {len(wrong)} otherwise at /ready", count > 0 and not wrong
    )


async def clean_shutdown(target: Target) -> Finding:
    """SIGTERM with a client and a stalled client attached."""
    server = target.own
    if server is None:
        return Finding("", None)
    async with (
        stalled_client(target.addresses, target.symbols, headers=target.headers),
        target.session.ws_connect(target.addresses.stream) as ws,
    ):
        await ws.send_json(subscribe(target.symbols))
        await ws.receive(timeout=5)
        began_s = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(SHUTDOWN_WITHIN_S):
                while (await ws.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
                code = await server.process.wait()
        except TimeoutError:
            return Finding(f"still running after {SHUTDOWN_WITHIN_S:.0f} s", kept=False)
        took_s = time.monotonic() - began_s
    return Finding(
        f"exit code {code} after {took_s:.1f} s, clients closed with {ws.close_code}",
        code == 0 and ws.close_code in (1001, 1012),
    )


async def survives_kill(_target: Target) -> Finding:
    """kill -9 in the middle of ingest; what the server had answered from its store must be there after."""
    with TemporaryDirectory(prefix="liqstream-selftest-") as name:
        folder = Path(name)
        async with own_server(folder, "--demo", "--symbol", "BTCUSDT") as server:
            async with reached(server.url, token=None, own=server) as target:
                acknowledged = await _closed_bars(target)
            server.process.kill()
            await server.process.wait()
        if not acknowledged:
            return Finding(f"the server answered with no closed bar within {_BARS_WITHIN_S:.0f} s", None)
        return await _still_there(server.db_path, acknowledged)


async def _closed_bars(target: Target) -> set[str]:
    """Open times of the closed bars the server answers with, as soon as there are any; empty if none come."""
    try:
        async with asyncio.timeout(_BARS_WITHIN_S):
            while True:
                answer = await target.get_json("/prices/klines", symbol="BTCUSDT", limit="1500")
                # The last bar still forms; a refusal ("no data yet") has no bars at all.
                if closed := {row["timestamp"] for row in answer.get("data", ())[:-1]}:
                    return closed
                await asyncio.sleep(_ASK_EVERY_S)
    except TimeoutError:
        return set()


async def _still_there(db_path: Path, acknowledged: set[str]) -> Finding:
    store = await MarketStore.open(db_path)
    try:
        venues = await store.exchanges("BTCUSDT")
        bars = [await store.bars(venue, "BTCUSDT", _BAR_MS) for venue in venues]
    finally:
        await store.close()
    kept = {
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))
        for each in bars
        for at_ms in each.open_time_ms.tolist()
    }
    lost = acknowledged - kept
    return Finding(
        f"the file opens, {len(acknowledged)} bars acknowledged, {len(lost)} lost",
        bool(acknowledged) and not lost,
    )


STALE = Promise("stale data is labelled", "stale once the source is silent", stale_labelled, apart=True)
SHUTDOWN = Promise(
    "a clean shutdown within 10 s",
    "SIGTERM: clients closed with 1001 or 1012, exit code 0",
    clean_shutdown,
    own_server_only=True,
)
KILL = Promise(
    "committed data survives kill -9",
    "the file opens and holds every acknowledged bar",
    survives_kill,
    own_server_only=True,
    apart=True,
)
