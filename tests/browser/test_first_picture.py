"""What is loaded before the first heat, and in what order: a visitor on a bad network waits for no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Opened

AFTERWARDS = ("websocket-client.js", "tooltip.js", "legend.js", "side.js", "tools.js", "alerts.js")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"symbol": "ETHUSDT", "window": "24h", "theme": "light"},
        {"symbol": "NOSUCH"},
        {"venues": "simulated"},
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
    """The heat is drawn before the furniture is even asked for, and everything is there in the end."""
    open_page(demo_url)
    page.wait_for_selector("#display-button[aria-expanded]")
    heat, begun = page.evaluate(
        """() => [performance.getEntriesByName('liqstream:heat')[0].startTime,
                  performance.getEntriesByType('resource').map(entry => [entry.name, entry.startTime])]"""
    )
    late = {name.rsplit("/", 1)[1] for name, at in begun if at > heat}
    assert set(AFTERWARDS) <= late


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
