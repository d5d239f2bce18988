"""Swept clusters are outlined where that is chosen, with what was expected and what came."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import Opened
from tests.browser.pixels import freeze, rest

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

LIST = "[aria-label='Swept clusters']"


def test_swept_clusters_are_outlined_and_listed(open_page: Open, demo_url: str) -> None:
    """By link and by key; the figure of what came waits for the liquidations, and goes with the outlines."""
    opened = open_page(demo_url, swept="1", window="7d", dots="0")
    page = opened.page
    page.wait_for_function(
        f"() => /liquidated \\$/.test(document.querySelector(\"{LIST}\")?.innerText ?? '')"
    )
    lines = page.locator(f"{LIST} li").all_inner_texts()
    assert 1 <= len(lines) <= 12
    figures = r"(longs|shorts), [\d,.]+ to [\d,.]+, expected \$[\d.]+[KMB](, liquidated \$[\d.]+[KMB]?)?"
    assert all(re.search(figures, line) for line in lines), lines
    freeze(page)
    rest(page)
    outlined = page.locator(".map .chart").screenshot()
    page.keyboard.press("q")
    page.wait_for_selector(LIST, state="hidden")
    page.wait_for_function("() => !location.search.includes('swept')")
    rest(page)
    assert page.locator(".map .chart").screenshot() != outlined
    page.keyboard.press("q")
    page.wait_for_selector(LIST, state="attached")
    assert opened.state("swept") is True
