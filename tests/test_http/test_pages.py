"""The page as the server writes it: what the browser can ask for before any script has run."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.http.pages import (
    READINESS,
    PageFacts,
    add_page_routes,
    first_history,
    health_app,
    metrics_app,
)
from liqstream.metrics import Metrics
from liqstream.settings.table import Settings

FACTS = PageFacts(("BTCUSDT", "ETHUSDT"), "5m", lambda: "simulated")


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ({}, "api/heatmap/BTCUSDT/history?window=3d&interval=15m&packed=1"),
        (
            {"symbol": "ETHUSDT", "window": "12h"},
            "api/heatmap/ETHUSDT/history?window=12h&interval=5m&packed=1",
        ),
        ({"symbol": "<script>"}, "api/heatmap/BTCUSDT/history?window=3d&interval=15m&packed=1"),
        ({"window": "two weeks"}, None),
        ({"cells": "ETHUSDT:12h,BTCUSDT:7d"}, "api/heatmap/ETHUSDT/history?window=12h&interval=5m&packed=1"),
        (
            {"cells": "NOSUCH:1y,what,ethusdt:12H", "symbol": "BTCUSDT", "window": "7d"},
            "api/heatmap/ETHUSDT/history?window=12h&interval=5m&packed=1",
        ),
        ({"cells": "NOSUCH:12h"}, None),
        ({"cells": "what"}, "api/heatmap/BTCUSDT/history?window=3d&interval=15m&packed=1"),
        ({"venues": "okx"}, None),
    ],
)
def test_the_first_history_is_the_one_the_page_will_ask_for(
    query: dict[str, str], address: str | None
) -> None:
    """Nothing of the query but a followed symbol and a known window gets into it."""
    assert first_history(query, FACTS) == address


def test_columns_are_never_finer_than_the_bars() -> None:
    """A server of hourly bars has no columns of fifteen minutes."""
    hourly = PageFacts(FACTS.symbols, "1h", FACTS.source)
    assert first_history({}, hourly) == "api/heatmap/BTCUSDT/history?window=3d&interval=1h&packed=1"
    assert (
        first_history({"window": "1y"}, hourly)
        == "api/heatmap/BTCUSDT/history?window=1y&interval=12h&packed=1"
    )


def test_a_private_server_s_history_waits_for_the_token() -> None:
    """The browser would ask without it, in vain."""
    assert first_history({}, PageFacts(FACTS.symbols, "5m", FACTS.source, private=True)) is None


async def test_a_private_server_tells_strangers_that_something_is_wrong_and_not_what(
    aiohttp_client: AiohttpClient,
) -> None:
    """Notes too hold addresses and what an exchange answered, as where its brackets could not be read."""
    reason = (
        "margin brackets not read (http://10.0.0.7:3128 does not answer: /v5/market/risk-limit: HTTP 403)"
    )
    feed = {
        "connected": False,
        "last_error": reason,
        "note": reason,
        "last_refusal": reason,
        "address": reason,
    }
    app = web.Application()
    app[ADMISSION] = AdmissionPolicy(Settings())
    app[READINESS] = lambda: {"status": "degraded", "feeds": {"bybit": feed}}
    add_page_routes(app, PageFacts(FACTS.symbols, "5m", FACTS.source, private=True), None)
    client = await aiohttp_client(app)
    async with client.get("/ready") as answer:
        told = await answer.json()
    assert told == {"status": "degraded", "feeds": {"bybit": {"connected": False, "last_error": ""}}}


@pytest.mark.parametrize(("source", "label"), [("simulated", True), ("replay", True), ("live", False)])
async def test_what_kind_of_data_it_is_stands_in_the_page_itself(
    source: str, label: bool, aiohttp_client: AiohttpClient
) -> None:
    """The label does not wait for a script."""
    app = web.Application()
    add_page_routes(app, PageFacts(FACTS.symbols, "5m", lambda: source), None)
    client = await aiohttp_client(app)
    async with client.get("/?symbol=%22%3E%3Cimg%3E") as answer:
        page = await answer.text()
    assert (f'<span class="label {source}">{source.upper()}</span>' in page) == label
    assert 'href="api/heatmap/BTCUSDT/history?window=3d&amp;interval=15m&amp;packed=1" as="fetch"' in page
    assert "<img>" not in page


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("evil.example", "/metrics", 421),
        ("evil.example:9464", "/metrics", 421),
        ("evil.example", "/health", 200),
        ("liq.example.com", "/metrics", 200),
        ("liqstream-1:9464", "/metrics", 200),
        ("127.0.0.1:9464", "/metrics", 200),
    ],
)
async def test_the_metrics_port_goes_by_the_same_names(
    host: str, path: str, status: int, aiohttp_client: AiohttpClient
) -> None:
    """A page of a stranger that points its own name there reads nothing."""
    admission = AdmissionPolicy(Settings(hosts=("liq.example.com",)))
    client = await aiohttp_client(metrics_app(Metrics(), admission))
    async with client.get(path, headers={"Host": host}) as answer:
        assert answer.status == status
        assert ("liqstream_build_info" in await answer.text()) == (path == "/metrics" and status == 200)


@pytest.mark.parametrize(
    "make", [lambda app: metrics_app(Metrics(), app[ADMISSION]), lambda app: health_app(app, Metrics())]
)
@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/health", {}, 405),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/metrics", {"Expect": "a miracle"}, 417),
    ],
)
async def test_the_operator_s_ports_refuse_as_the_public_one_does(
    make: Callable[[web.Application], web.Application],
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    aiohttp_client: AiohttpClient,
) -> None:
    """In JSON, with the security headers and without the name of the library."""
    app = web.Application()
    app[ADMISSION] = AdmissionPolicy(Settings())
    app[READINESS] = lambda: {"status": "ready"}
    client = await aiohttp_client(make(app))
    async with client.request(method, path, headers=headers) as answer:
        assert answer.status == status
        assert list(await answer.json()) == ["error"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "liqstream"


@pytest.mark.parametrize(
    ("asked", "sent_to"),
    [
        ("/?symbol=ETH-USDT-SWAP&window=7d", "?symbol=ETHUSDT&window=7d"),
        ("/?symbol=ETH/USDT:USDT", "?symbol=ETHUSDT"),
        ("/?markets=ETH/USDT:USDT,NOUSDT,BTCUSDT.P", "?markets=ETHUSDT,NOUSDT,BTCUSDT"),
        ("/?cells=BTC/USDT:USDT:12h,NO-USDT:7d,ETHUSDT", "?cells=BTCUSDT:12h,NO-USDT:7d,ETHUSDT"),
        ("/?markets=ethusdt&cells=ethusdt:7D", None),
        ("/?symbol=eth", "?symbol=ETHUSDT"),
        ("/?symbol=ethusdt", None),
        ("/?symbol=SOL-USDT-SWAP", None),
        ("/", None),
    ],
)
async def test_an_address_with_another_form_of_a_symbol_leads_to_its_own(
    asked: str, sent_to: str | None, aiohttp_client: AiohttpClient
) -> None:
    """Below whatever path a proxy serves the page at; nothing of an unknown name gets into the answer."""
    app = web.Application()
    add_page_routes(app, FACTS, None)
    client = await aiohttp_client(app)
    async with client.get(asked, allow_redirects=False) as answer:
        assert answer.headers.get("Location") == sent_to
        assert answer.status == (200 if sent_to is None else 302)


async def test_the_table_of_markets_names_its_addresses_below_the_page_s_path(
    aiohttp_client: AiohttpClient,
) -> None:
    """All addresses of /markets are relative, and every file it names is there."""
    app = web.Application()
    add_page_routes(app, FACTS, None)
    client = await aiohttp_client(app)
    async with client.get("/markets") as answer:
        html = await answer.text()
    addresses = re.findall(r'(?:href|src)="([^"]+)"', html)
    assert not [address for address in addresses if address.startswith(("/", "http"))]
    files = [address for address in addresses if address.startswith("static/")]
    assert len(files) >= 4
    for address in files:
        async with client.get(f"/{address}") as file:
            assert file.status == 200, address
