"""`liqstream selftest`: the promises are kept, a broken one is found, a wrong address is one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from liqstream.selftest.promise import Result
from liqstream.selftest.run import PROMISES, put_to_the_test, target_of
from liqstream.selftest.stream_promises import BAD, DELTAS, FIRST, FORWARD, SKIPS

SELFTEST = (sys.executable, "-m", "liqstream", "selftest")


def test_ten_promises() -> None:
    """Each has its own name."""
    assert len({promise.name for promise in PROMISES}) == 10


@pytest.mark.timeout(150)
def test_our_own_server_keeps_every_promise() -> None:
    """Without URL all ten are tried, on a server that is stopped and killed; JSON alone on stdout."""
    done = subprocess.run([*SELFTEST, "--json"], capture_output=True, text=True, timeout=120, check=False)
    results = json.loads(done.stdout)
    assert [result["verdict"] for result in results] == ["kept"] * 10, results
    assert done.returncode == 0


async def test_on_anothers_server_nothing_is_stopped(demo_url: str) -> None:
    """The promises that take a server of one's own are not applicable there."""
    own_only = [promise for promise in PROMISES if promise.own_server_only]
    async with target_of(demo_url, None) as target:
        results = [result async for result in put_to_the_test(target, own_only)]
    assert [result.verdict for result in results] == ["not applicable"] * 2


@pytest.mark.parametrize(
    ("url", "sentence"), [("http://127.0.0.1:{port}", "cannot reach"), ("nonsense://", "is no address")]
)
def test_a_wrong_address_is_one_line(url: str, sentence: str) -> None:
    """Exit code 1."""
    command = [*SELFTEST, url.format(port=unused_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


SNAPSHOT: dict[str, Any] = {
    "type": "snapshot",
    "symbol": "BTCUSDT",
    "timestamp": "2026-01-01T00:00:00Z",
    "epoch": 1000,
    "checksum": 0,
    "skipped": 0,
    "data": {"p0": 1, "step": 1, "long": [0], "short": [0], "current_price": 1},
}


@asynccontextmanager
async def lying_server(seqs: list[int]) -> AsyncIterator[str]:
    """A server that sends snapshots of these seqs with wrong checksums, then hangs up on bad input."""

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"symbols": {"BTCUSDT": {"stale": False}}})

    async def stream(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if "subscribe" in (await socket.receive()).data:
            for seq in seqs:
                await socket.send_json(SNAPSHOT | {"seq": seq})
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/ready", ready)
    app.router.add_get("/ws/heatmap", stream)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_a_server_that_lies_is_found_out() -> None:
    """Twice the same seq, a gap that nobody explains, a state that is not provable, a dropped connection."""
    async with lying_server([1, 1, 5]) as url, target_of(url, None) as target:
        promises = (FIRST, FORWARD, SKIPS, DELTAS, BAD)
        results = [result async for result in put_to_the_test(target, promises)]
    assert [result.verdict for result in results] == ["kept", "broken", "broken", "broken", "broken"]
    assert _observed(results, "never backwards, never twice") == "6 snapshots, 2 out of order or twice"


def _observed(results: list[Result], name: str) -> str:
    return next(result.observation for result in results if result.promise == name)
