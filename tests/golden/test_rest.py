"""Every REST answer: exact where the input is fixed or the figures are the market's own, else its shape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.feeds.feed import FeedStatus
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.http import score_api
from liqstream.http.app_keys import LATEST, SYMBOLS
from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.http.heatmap_api import add_latest_route
from liqstream.market import Liquidation
from liqstream.server.readiness import Readiness
from tests.golden.compare import check_json, check_text, read_exactly, shape
from tests.golden.fixed import FIRST, SECOND
from tests.golden.server import BAR_MS, END_MS, SYMBOL, Answer, Client, ask, masked, running_server

SPAN = f"start_time={END_MS - 3 * BAR_MS}&end_time={END_MS}"
HISTORY = f"/api/heatmap/{SYMBOL}/history?{SPAN}&price_bin_size=500"
ASKED = {
    "heatmap": f"/api/heatmap/{SYMBOL}",
    "columns": f"/api/heatmap/{SYMBOL}?columns=1",
    "exchange": f"/api/heatmap/{SYMBOL}?columns=1&exchange=binance",
    "history": HISTORY,
    "timeseries": f"/liquidations/heatmap-timeseries?symbol={SYMBOL}&{SPAN}&price_bin_size=500",
    "klines": f"/prices/klines?symbol={SYMBOL}&limit=3",
    "klines-1h": f"/prices/klines?symbol={SYMBOL}&interval=1h&limit=2",
    "liquidations": f"/api/liquidations/{SYMBOL}?{SPAN}",
    "score": f"/api/score/{SYMBOL}",
    "health": "/health",
    "ready": "/ready",
    "ws-stats": "/ws/stats",
}
REFUSED = (
    "/api/heatmap/DOGEBTC",
    "/api/heatmap/ETHUSDT",
    f"/api/heatmap/{SYMBOL}?exchange=mtgox",
    f"/api/heatmap/{SYMBOL}/history?window=8d",
    f"/api/heatmap/{SYMBOL}/history?start_time=yesterday",
    f"/api/heatmap/{SYMBOL}/history?start_time=5&end_time=4",
    f"/api/heatmap/{SYMBOL}/history?start_time=1",
    f"/api/heatmap/{SYMBOL}/history?price_bin_size=NaN",
    "/api/heatmap/ETHUSDT/history",
    f"/api/liquidations/{SYMBOL}?interval=7m",
    f"/api/liquidations/{SYMBOL}?interval=1m",
    "/api/score/ETHUSDT",
    "/api/events?symbol=DOGEBTC",
    "/api/events?min_usd=-1",
    "/prices/klines",
    f"/prices/klines?symbol={SYMBOL}&limit=0",
    "/nowhere",
    "/static/nothing.js",
)


async def everything(folder: Path) -> dict[str, Answer]:
    """The answers to all that is asked, by name or path."""
    async with running_server(folder) as client:
        answers = {name: await ask(client, path) for name, path in ASKED.items()}
        answers |= {path: await ask(client, path) for path in REFUSED}
        answers["history as JSON"] = await ask(client, HISTORY, Accept="application/json")
        answers["page"] = await ask(client, "/")
        answers["POST"] = await ask(client, "/prices/klines", "POST")
        answers["HEAD"] = await ask(client, ASKED["klines"], "HEAD")
        answers["not modified"] = await ask(client, ASKED["klines"], If_None_Match="*")
        answers["other origin"] = await ask(client, ASKED["klines"], Origin="https://page.example")
        for name, origin in (("preflight", "page"), ("preflight refused", "stranger")):
            answers[name] = await ask(
                client,
                ASKED["klines"],
                "OPTIONS",
                Origin=f"https://{origin}.example",
                Access_Control_Request_Method="GET",
            )
        answers["events"] = await _events(client)
    return answers


async def _events(client: Client) -> Answer:
    """The stream of liquidations from a subscription to the server's end."""
    async with client.get("/api/events", params={"min_usd": "1000", "symbol": SYMBOL}) as answer:
        start = await answer.content.readuntil(b"\n\n")
        assert client.app is not None
        tape = client.app[LIQUIDATION_BUS]
        sizes = ((SYMBOL, "long", 0.001), (SYMBOL, "long", 0.5), ("ETHUSDT", "short", 9.0))
        for symbol, side, base in (*sizes, (SYMBOL, "short", 0.25)):
            tape.take([Liquidation("binance", symbol, END_MS, side, 90_000.0, base)])  # type: ignore[arg-type]
            await asyncio.sleep(0)
        tape.close()
        told = {name: answer.headers[name] for name in ("Content-Type", "Cache-Control", "X-Accel-Buffering")}
        return Answer(answer.status, told, start + await answer.content.read())


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Of one server, asked once for all tests; the score is waited for, however busy the machine is."""
    folder = tmp_path_factory.mktemp("golden")
    with (
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        patch.setattr(score_api, "WAIT_S", 100)
        return runner.run(everything(folder))


@pytest.mark.parametrize("name", ["klines", "klines-1h", "liquidations", "ws-stats"])
def test_answers_made_of_the_markets_own_figures(answers: dict[str, Answer], name: str) -> None:
    """Bars, liquidations and counts, exactly."""
    check_json(f"rest-{name}.json", {"request": ASKED[name], "answer": answers[name].json})


@pytest.mark.parametrize("name", ["heatmap", "columns", "exchange", "timeseries", "score"])
def test_answers_made_by_the_model(answers: dict[str, Answer], name: str) -> None:
    """Keys, their order, and types; what the model says is not what is kept here."""
    check_json(f"rest-{name}.json", {"request": ASKED[name], "answer": shape(answers[name].json)})


def test_history_answers(answers: dict[str, Answer]) -> None:
    """The header and the number of bytes after it; as JSON it is the time series."""
    body = answers["history"].body
    size = int.from_bytes(body[4:8], "little")
    assert body[:4] == b"LQH1"
    header = read_exactly(body[8 : 8 + size])
    # The rows follow the model's range; what they take up is told by the two numbers.
    assert len(body) == 8 + size + header["columns"] * (4 * header["rows"] + 16)
    check_json("rest-history.json", {"request": HISTORY, "header": masked(header, "rows", "p0", "epoch")})
    assert shape(answers["history as JSON"].json) == shape(answers["timeseries"].json)


def test_what_supervisors_ask(answers: dict[str, Answer]) -> None:
    """/health and /ready; ages, the epoch and the version differ from run to run."""
    check_json("rest-health.json", masked(answers["health"].json, "version"))
    check_json("rest-ready.json", masked(answers["ready"].json, "age_ms", "last_message_age_ms", "epoch"))


async def test_the_states_of_ready() -> None:
    """Starting, ready, degraded by a feed, and stopping, of a server without maps of its own."""
    feed = FeedStatus(connected=True, reconnects=2, last_error="timed out", address="wss://elsewhere")
    readiness = Readiness((SYMBOL,))
    states = [readiness.report()]
    readiness.watch(None, lambda: {"binance": feed})
    states.append(readiness.report())
    feed.connected = False
    states.append(readiness.report())
    await readiness.stopping(web.Application())
    states.append(readiness.report())
    check_json("rest-ready-states.json", states)


def test_liquidations_as_they_come(answers: dict[str, Answer]) -> None:
    """/api/events, byte by byte: from min_usd on, of one symbol."""
    events = answers["events"]
    check_json("rest-events-head.json", [events.status, events.headers])
    check_text("rest-events.txt", events.body.decode())


def test_refusals(answers: dict[str, Answer]) -> None:
    """The status and the sentence of every bad request."""
    said = {path: [answers[path].status, answers[path].body.decode()] for path in REFUSED}
    check_json("rest-refusals.json", said)


def test_headers(answers: dict[str, Answer]) -> None:
    """Of every answer: type, caching, what a browser may do with it."""
    common = dict(answers["health"].headers)
    del common["Content-Type"]
    heads: list[dict[str, Any]] = []
    for name, answer in answers.items():
        if name == "events":
            continue
        own = {key: value for key, value in answer.headers.items() if common.get(key) != value}
        assert common.keys() <= answer.headers.keys(), name
        head = {"status": answer.status, "headers": own}
        same = next((each for each in heads if each["head"] == head), None)
        if same is None:
            heads.append(same := {"head": head, "answers": []})
        same["answers"].append(name)
    check_json("rest-headers.json", {"every answer": common, "beyond these": heads})


@asynccontextmanager
async def fixed_map(snapshot: HeatmapSnapshot | None) -> AsyncIterator[Client]:
    """A server of one snapshot, as one that only fans out has it."""

    async def latest(_symbol: str) -> HeatmapSnapshot | None:
        return snapshot

    app = web.Application()
    app[SYMBOLS], app[LATEST] = (SYMBOL,), latest
    add_latest_route(app)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize("form", ["", "?columns=1"])
@pytest.mark.parametrize("snapshot", [FIRST, SECOND], ids=["first", "second"])
async def test_the_latest_map(snapshot: HeatmapSnapshot, form: str) -> None:
    """A fixed snapshot, byte by byte."""
    async with fixed_map(snapshot) as client:
        answer = await ask(client, f"/api/heatmap/{SYMBOL}{form}")
    name = f"rest-fixed-{'columns' if form else 'v1'}-{snapshot.seq}.json"
    check_json(name, read_exactly(answer.body))


async def test_no_map_yet() -> None:
    """503, a sentence, and when to ask again."""
    async with fixed_map(None) as client:
        answer = await ask(client, f"/api/heatmap/{SYMBOL}")
    check_json("rest-no-map.json", [answer.status, answer.headers["Retry-After"], answer.json])
