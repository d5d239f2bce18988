"""Well-formed requests that would cost much: bytes, time, memory and what others notice have bounds."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping

import aiohttp
import pytest

from liqstream.http.params import WINDOWS
from tests.attack.harness import Victim, attacked, healthy_beside

pytestmark = pytest.mark.long
MEGABYTE = 1_000_000
MAX_BYTES = 64 * MEGABYTE
MAX_S = 5.0
ROUTES = {
    "/api/heatmap/BTCUSDT/history": ("price_bin_size", "start_time", "end_time"),
    "/liquidations/heatmap-timeseries?symbol=BTCUSDT": ("price_bin_size", "start_time", "end_time"),
    "/api/liquidations/BTCUSDT": ("start_time", "end_time"),
    "/prices/klines?symbol=BTCUSDT": ("limit", "start_time", "end_time"),
}
FIGURES = {
    "price_bin_size": ("1e-300", "1e308", "9.9e-13", "1e-12", "1e-9", "5000", "1e9", "1.1e9"),
    "start_time": ("1e-300", "1e308", "0", "1", "253402300799999", "253402300800000"),
    "end_time": ("1e-300", "1e308", "0", "1", "253402300799999", "253402300800000"),
    "limit": ("1e-300", "1e308", "0", "1", "1500", "1501"),
}
HEAVY = "/liquidations/heatmap-timeseries?symbol=BTCUSDT&time_window=7d&interval=5m&price_bin_size="
"""Of a price step of its own each: none is equal to another."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server with a week of bars and more, at its default rates."""
    with attacked(tmp_path_factory.mktemp("cost"), REPLAY_WARMUP="8d", REPLAY_SPEED="60") as victim:
        yield victim


async def fetched(
    session: aiohttp.ClientSession, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, int, str]:
    """Status, bytes and Retry-After of an answer, which must come within its bounds."""
    began_s = time.monotonic()
    async with session.get(path, headers=headers) as answer:
        size = 0
        async for chunk in answer.content.iter_any():
            size += len(chunk)
        if answer.status == 400:
            assert size < 2000
        assert size <= MAX_BYTES
        assert time.monotonic() - began_s < 4 * MAX_S, path  # of a busy machine
        return answer.status, size, answer.headers.get("Retry-After", "")


def _joined(route: str, query: str) -> str:
    return f"{route}{'&' if '?' in route else '?'}{query}"


async def test_every_figure_at_its_limits(server: Victim) -> None:
    """200 within the limits, 400 beyond them: never an error of the server's own."""
    async with aiohttp.ClientSession(server.url) as session:
        for route, names in ROUTES.items():
            for name in names:
                statuses = {
                    value: (await fetched(session, _joined(route, f"{name}={value}")))[0]
                    for value in FIGURES[name]
                }
                assert set(statuses.values()) <= {200, 400}, (route, name, statuses)
                assert statuses["1e-300"] == statuses["1e308"] == 400
                first, *_, most, beyond = FIGURES[name]
                assert (statuses[most], statuses[beyond], statuses[first]) == (200, 400, 400)


@pytest.mark.parametrize(
    ("accept", "more"), [("application/json", "&price_bin_size=1e-9"), ("application/octet-stream", "")]
)
async def test_every_window_of_the_plan_is_answered(server: Victim, accept: str, more: str) -> None:
    """At its default interval, also as JSON with the finest levels anybody may ask for."""
    async with aiohttp.ClientSession(server.url) as session:
        for window in WINDOWS:
            path = f"/api/heatmap/BTCUSDT/history?window={window}{more}"
            status, _, _ = await fetched(session, path, {"Accept": accept})
            assert status == 200, window


ASKING = """
import asyncio, sys
from collections import Counter

import aiohttp

async def ask(session, path):
    async with session.get(path, headers={"Accept-Encoding": "identity"}) as answer:
        size = sum([len(chunk) async for chunk in answer.content.iter_any()])
        assert size > 1_000_000 if answer.status == 200 else int(answer.headers["Retry-After"]) > 0
        return answer.status

async def main(url, path):
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:
        statuses = await asyncio.gather(*(ask(session, f"{path}{number}") for number in range(100, 130)))
    print(*statuses)

asyncio.run(main(*sys.argv[1:]))
"""
"""In a process of its own: what it reads must not delay the neighbour's clock."""


async def test_heavy_requests_in_parallel(server: Victim) -> None:
    """Some are answered, the others sent away with a time to come back; memory and neighbours stay well."""
    peak = before = server.rss_bytes()
    async with healthy_beside(server):
        asking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ASKING, server.url, HEAVY), stdout=asyncio.subprocess.PIPE
        )
        answers = asyncio.create_task(asking.communicate())
        while not answers.done():
            peak = max(peak, server.rss_bytes())
            await asyncio.sleep(0.05)
    answered = Counter(map(int, (await answers)[0].split()))
    assert answered.total() == 30
    assert answered[200] >= 2
    assert answered[503] + answered[429] == 30 - answered[200] >= 30 - 18
    assert peak - before <= 300 * MEGABYTE


async def test_equal_requests_are_made_once(server: Victim) -> None:
    """Fifty visitors of one address who all look at a long window are one piece of work."""
    async with aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(limit=0)) as session:
        path = "/api/heatmap/BTCUSDT/history?window=7d"
        answers = await asyncio.gather(*(fetched(session, path) for _ in range(50)))
    assert {status for status, _, _ in answers} == {200}


async def test_fifty_visits_at_once_from_one_address(server: Victim) -> None:
    """An office behind one address: each page, its files, its first requests and its socket come."""
    data = (
        "/api/heatmap/BTCUSDT?columns=1",
        "/api/heatmap/BTCUSDT/history?window=3d&interval=15m",
        "/api/liquidations/BTCUSDT?window=3d",
        "/prices/klines?symbol=BTCUSDT&limit=2",
        "/api/score/BTCUSDT",
        "/ready",
    )
    statuses: Counter[int] = Counter()

    async def ask(session: aiohttp.ClientSession, path: str) -> None:
        async with session.get(path) as answer:
            await answer.read()
            statuses[answer.status] += 1

    async def visit(session: aiohttp.ClientSession) -> None:
        async with session.get("/") as answer:
            page = await answer.text()
        files = [f"/{name.lstrip('/')}" for name in re.findall(r'(?:href|src)="(/?static/[^"]+)"', page)]
        assert files
        await asyncio.gather(*(ask(session, path) for path in (*files, *data)))
        async with session.ws_connect("/ws/heatmap") as ws:
            await ws.send_json({"action": "subscribe", "symbols": ["BTCUSDT"]})
            assert (await ws.receive_json(timeout=30))["type"] == "snapshot"

    connector = aiohttp.TCPConnector(limit=300)
    async with aiohttp.ClientSession(server.url, connector=connector) as session:
        await asyncio.gather(*(visit(session) for _ in range(50)))
    assert set(statuses) == {200, 404}
    assert statuses[404] == 50, "of the score, which this market is too short for"


@pytest.mark.attack
async def test_readers_that_stall_hold_no_place_for_ever(server: Victim) -> None:
    """One address that reads nothing of what it asked for has half of all places; others notice nothing."""
    streams = []
    for number in range(200, 215):
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1)
        writer.write(f"GET {HEAVY}{number} HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
        streams.append((reader, writer))
    lines = await asyncio.gather(*(reader.readuntil(b" ") for reader, _ in streams), return_exceptions=True)
    assert len(lines) == 15
    async with healthy_beside(server):
        pass
    for _, writer in streams:
        writer.transport.abort()
