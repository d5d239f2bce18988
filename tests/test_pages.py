"""The page as the server writes it: what the browser can ask for before any script has run."""

from __future__ import annotations

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from liqstream.pages import PageFacts, add_page_routes, first_history

FACTS = PageFacts(("BTCUSDT", "ETHUSDT"), "5m", lambda: "simulated")


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ({}, "/api/heatmap/BTCUSDT/history?window=3d&interval=15m"),
        ({"symbol": "ETHUSDT", "window": "12h"}, "/api/heatmap/ETHUSDT/history?window=12h&interval=5m"),
        ({"symbol": "<script>"}, "/api/heatmap/BTCUSDT/history?window=3d&interval=15m"),
        ({"window": "two weeks"}, None),
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
    assert first_history({}, hourly) == "/api/heatmap/BTCUSDT/history?window=3d&interval=1h"
    assert first_history({"window": "1y"}, hourly) == "/api/heatmap/BTCUSDT/history?window=1y&interval=12h"


def test_a_private_server_s_history_waits_for_the_token() -> None:
    """The browser would ask without it, in vain."""
    assert first_history({}, PageFacts(FACTS.symbols, "5m", FACTS.source, private=True)) is None


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
    assert 'href="/api/heatmap/BTCUSDT/history?window=3d&amp;interval=15m" as="fetch"' in page
    assert "<img>" not in page
