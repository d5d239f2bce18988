"""What is loaded before the first heat, and in what order: a visitor on a bad network waits for no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import Opened
from tests.support.demo_server import demo_server

ROOT = Path(__file__).parents[2]
REQUESTS_UNTIL_LIVE = 12
BYTES_UNTIL_LIVE = 185_000


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"symbol": "ETHUSDT", "window": "24h", "theme": "light"},
        {"symbol": "NOSUCH"},
        {"venues": "simulated"},
        {"lev": "50-"},
        {"cells": "ETHUSDT:12h"},
        {"cells": "NOSUCH:7d,ETHUSDT:12h", "symbol": "BTCUSDT"},
    ],
)
def test_the_first_history_is_asked_for_once(
    query: dict[str, str], page: Page, open_page: Callable[..., Opened], demo_url: str
) -> None:
    """The browser's own early request and the page's are the same one."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/history?" in request.url else None)
    open_page(demo_url, **query)
    assert len(asked) == 1, asked


def test_what_the_first_picture_needs_comes_before_all_else(
    page: Page, open_page: Callable[..., Opened], demo_url: str
) -> None:
    """The heat is drawn before the rest of the page is even asked for, and everything is there in the end."""
    open_page(demo_url)
    page.wait_for_selector("#display-button[aria-expanded]")
    heat, begun = page.evaluate(
        """() => [performance.getEntriesByName('liqstream:heat')[0].startTime,
                  performance.getEntriesByType('resource').map(entry => [entry.name, entry.startTime])]"""
    )
    late = {name.rsplit("/", 1)[1] for name, at in begun if at > heat}
    assert {"live-socket.js", "live-ui.js", "panels.css"} <= late


def test_it_is_live_before_what_stands_around_the_map_has_come(
    page: Page, open_page: Callable[..., Opened], demo_url: str
) -> None:
    """On a slow line the tools take a second: the socket, the indicator and the title do not wait for them."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/live-ui.js", hold)
    opened = open_page(demo_url, drawn=False)
    opened.until_indicator("live")
    opened.until("market.now.seq > arg", opened.view("market.now.seq"))
    assert "BTCUSDT" in page.title()
    assert page.get_attribute("#display-button", "aria-expanded") is None
    held[0].continue_()
    page.wait_for_selector("#display-button[aria-expanded]")


def test_few_requests_until_it_is_live(page: Page, open_page: Callable[..., Opened], demo_url: str) -> None:
    """Each costs a round trip on a slow line: document, styles, scripts, data and the socket, all counted."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    asked: list[str] = []
    sizes: list[float] = []
    session.on("Network.requestWillBeSent", lambda event: asked.append(event["request"]["url"]))
    session.on("Network.webSocketCreated", lambda event: asked.append(event["url"]))
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.add_init_script(
        """addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
             if (document.querySelector('#connection').dataset.state === 'live') globalThis.isLive = true;
           }).observe(document.querySelector('#connection'), {attributes: true}))"""
    )
    open_page(demo_url, drawn=False)
    page.wait_for_function("() => globalThis.isLive")
    assert asked[0].startswith("http")
    assert any(address.startswith("ws:") for address in asked)
    assert len(asked) <= REQUESTS_UNTIL_LIVE, "\n".join(asked)
    assert sum(sizes) <= BYTES_UNTIL_LIVE


@pytest.mark.long
def test_the_sources_run_as_they_are_written(
    page: Page, open_page: Callable[..., Opened], tmp_path: Path
) -> None:
    """Without bundles and small copies: the same page of the same modules, in more requests."""
    shutil.copytree(ROOT / "liqstream", tmp_path / "liqstream", ignore=shutil.ignore_patterns("__pycache__"))
    unbuilt = shutil.ignore_patterns("built", "node_modules")
    shutil.copytree(ROOT / "web", tmp_path / "web", ignore=unbuilt)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with demo_server(tmp_path, LIQSTREAM_HISTORY_DAYS="3") as url:
        opened = open_page(url)
        opened.until_indicator("live")
        assert any(address.endswith("/js/panels/tooltip.js") for address in asked)
        assert "const facts" in page.evaluate("() => fetch('/static/js/page-facts.js').then(r => r.text())")


def test_a_second_visit_asks_for_nothing_but_the_page_and_its_data(
    page: Page, open_page: Callable[..., Opened], demo_url: str
) -> None:
    """The files' addresses say which they are: the browser keeps them."""
    opened = open_page(demo_url)
    page.wait_for_selector("#display-button[aria-expanded]")
    page.goto(f"{demo_url}/?window=7d")
    opened.until("market.now && view.heat.frames > 1")
    page.wait_for_selector("#display-button[aria-expanded]")
    fetched = page.evaluate(
        """() => performance.getEntriesByType('resource')
                   .filter(entry => entry.name.includes('/static/') && entry.transferSize > 0).map(entry => entry.name)"""
    )
    assert fetched == []
