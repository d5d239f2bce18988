"""Behind a proxy that serves the page below a path of its own, and many visitors of one address at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import DRAWN, Opened, Watch
from tests.browser.servers import nginx_below_a_path

pytestmark = [pytest.mark.browser, pytest.mark.nginx]


@pytest.fixture
def below_a_path(demo_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of the demo's page below /liq of an nginx."""
    with nginx_below_a_path(demo_url, tmp_path) as url:
        yield url


def test_below_a_path_the_page_is_live(page: Page, watch: Watch, below_a_path: str) -> None:
    """Scripts, styles, the history (once), the socket, logo and licences: all below the path, none beside it."""
    asked: list[str] = []
    watch.on(page, below_a_path.rstrip("/"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(below_a_path)
    page.wait_for_function(DRAWN)
    opened = Opened(page, watch)
    opened.until_indicator("live")
    assert sum("/history?" in url for url in asked) == 1
    page.wait_for_selector("#export-button[aria-expanded]")
    links = page.evaluate(
        "() => [...document.querySelectorAll('.brand, dialog.help a[href^=static], dialog.help a[href^=docs]')].map(a => a.href)"
    )
    assert len(links) == 4
    for link in links:
        assert link.startswith(below_a_path)
        assert page.request.get(link).ok, link
    assert watch.seen == []
    assert all(url.startswith(below_a_path) for url in asked if url.startswith("http"))


def test_the_page_s_second_address_finds_all_it_needs(
    open_page: Callable[..., Opened], demo_url: str
) -> None:
    """/coinglass is the same page."""
    opened = open_page(f"{demo_url}/coinglass")
    opened.until_indicator("live")
