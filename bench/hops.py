"""The way of a price through the server, hop by hop in one process: what each costs per message or map."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

import aiohttp

from bench.bench_ingest import Intake, messages
from bench.bench_live import Figure
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.store.market_store import MarketStore
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from liqstream.wire.frames import text_frame
from liqstream.wire.tick_message import tick_message

MESSAGES = 4000
ROUNDS = 100
SYMBOL = "BTCUSDT"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


def timed_us(work: Callable[[], object], times: int = ROUNDS) -> float:
    """Median microseconds of one call."""
    spent = []
    for _ in range(times):
        began_s = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began_s)
    return 1e6 * median(spent)


async def hop_figures() -> list[Figure]:
    """Socket, parse, apply, step, encode, write, and a tick from price to frame."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as parts:
            store = await MarketStore.open(Path(folder) / "hops.duckdb")
            parts.push_async_callback(store.close)
            return await _measured(Intake(store))


async def _measured(intake: Intake) -> list[Figure]:
    texts, spent_s = messages(MESSAGES), {"parse": 0.0, "apply": 0.0}
    for text in texts[: MESSAGES // 2]:
        began_s = time.perf_counter()
        intake.feed.on_message(text)
        parsed_s = time.perf_counter()
        for batch in intake.feed.drain():
            intake.maps.apply(batch)
        spent_s["parse"] += parsed_s - began_s
        spent_s["apply"] += time.perf_counter() - parsed_s
    made, steps_s = await _stepped(intake, texts[MESSAGES // 2 :])
    last, base = EncodedSnapshot(made[-1]), EncodedSnapshot(made[-2])
    position = last.position

    def tick() -> bytes:
        price = intake.maps.price_since(SYMBOL, position)
        if price is None:
            raise RuntimeError("no price")
        return text_frame(tick_message(SYMBOL, position, n=1, price=price))

    ours, theirs = socket.socketpair()
    frame = tick()
    with ours, theirs:
        write_us = timed_us(lambda: (ours.send(frame), theirs.recv(4096)))
    per_message = 1e6 / (MESSAGES // 2)
    return [
        Figure("take one message off the exchange's socket", await _socket_us(texts), "us"),
        Figure("parse one message and know it is new", spent_s["parse"] * per_message, "us"),
        Figure("apply its records to the maps", spent_s["apply"] * per_message, "us"),
        Figure("step a map, thread and back", 1e6 * median(steps_s), "us"),
        Figure(
            "a closed bar's levels: apply, step, encode, write",
            await _closed_bar_ms(intake),
            "ms",
            at_most=300,
        ),
        Figure("encode a delta", timed_us(lambda: _delta(made[-1], base)), "us"),
        Figure("a tick: price, extremes, message, frame", timed_us(tick), "us"),
        Figure("write and read a tick, one socket", write_us, "us"),
    ]


async def _socket_us(texts: list[str]) -> float:
    """Mean microseconds of a message that is there, from the kernel to its text, by the feeds' library."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = b"".join(text_frame(text.encode()) for text in texts)
        exchange = threading.Thread(target=_say, args=(listener, said))
        exchange.start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as ws:
            await ws.receive_str()
            began_s = time.perf_counter()
            for _ in range(len(texts) - 1):
                await ws.receive_str()
            spent_s = time.perf_counter() - began_s
        exchange.join()
    return 1e6 * spent_s / (len(texts) - 1)


def _say(listener: socket.socket, frames: bytes) -> None:
    """As an exchange: accept a WebSocket, say all, and wait until it is left."""
    peer, _ = listener.accept()
    with peer:
        request = b""
        while b"\r\n\r\n" not in request:
            request += peer.recv(4096)
        found = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
        key = base64.b64encode(hashlib.sha1((found[1] if found else b"") + _GUID).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        peer.sendall(head + b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n" + frames)
        peer.recv(4096)


async def _stepped(intake: Intake, texts: list[str]) -> tuple[list[HeatmapSnapshot], list[float]]:
    """Snapshots between messages, and the seconds that each took."""
    made: list[HeatmapSnapshot] = []
    spent_s: list[float] = []
    for text in texts:
        intake.feed.on_message(text)
        for batch in intake.feed.drain():
            intake.maps.apply(batch)
        if SYMBOL in text and "kline" in text:
            began_s = time.perf_counter()
            snapshot = await intake.maps.get_latest_heatmap_snapshot(SYMBOL)
            spent_s.append(time.perf_counter() - began_s)
            if snapshot is not None and (not made or made[-1] is not snapshot):
                made.append(snapshot)
        await asyncio.sleep(0)
    return made, spent_s


async def _closed_bar_ms(intake: Intake) -> float:
    """Median of a bar's end, from its record to the frame in the socket's buffer, a round's wait aside."""
    last = await intake.maps.get_latest_heatmap_snapshot(SYMBOL)
    market = intake.maps.markets(SYMBOL)[0]
    if last is None or market.forming is None:
        raise RuntimeError("no bar is forming")
    bar, base, spent_s = market.forming, EncodedSnapshot(last), []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for _ in range(ROUNDS // 10):
            began_s = time.perf_counter()
            intake.maps.apply([replace(bar, closed=True)])
            made = await intake.maps.get_latest_heatmap_snapshot(SYMBOL)
            if made is None:
                raise RuntimeError("no map")
            ours.send(_delta(made, base))
            spent_s.append(time.perf_counter() - began_s)
            theirs.recv(1_000_000)
            base = EncodedSnapshot(made)
            bar = replace(bar, open_time_ms=bar.open_time_ms + bar.interval_ms, open=bar.close)
    return 1e3 * median(spent_s)


def _delta(snapshot: HeatmapSnapshot, base: EncodedSnapshot) -> bytes:
    return EncodedSnapshot(snapshot).frame(Variant(Shape.DELTA, 0), base=base)
