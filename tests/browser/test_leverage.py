"""Leverage tiers: what is left out is left out of everything that shows levels, at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]
TIERS = 5
OF = "market.now && market.matrix && market.tiers.join() === arg"
SUMS = """(() => { const {now, matrix} = market, cells = matrix.column(matrix.end - 8);
  const usd = index => index ? Math.round(500 * 1.02 ** (index - 1)) : 0, sum = (a, f = x => x) => [...a].reduce((s, x) => s + f(x), 0);
  return {now: sum(now.grid.long) + sum(now.grid.short), past: sum(cells.long, usd) + sum(cells.short, usd), rows: matrix.rows}; })()"""


def test_tiers_add_up_to_the_whole(open_page: Open, demo_url: str) -> None:
    """Now and in a past column: within a step of 2 %, and 500 USD a level and tier."""
    opened = open_page(demo_url, window="24h")
    opened.until("market.mix && market.matrix.end > 8")
    opened.page.evaluate("liqstream.client.close()")
    whole, parts = opened.view(SUMS), []
    for tier in range(TIERS):
        opened.view("liqstream.store.set({lev: [arg]})", tier)
        opened.until(OF, str(tier))
        parts.append(opened.view(SUMS))
    for when in ("now", "past"):
        total = sum(part[when] for part in parts)
        assert abs(total - whole[when]) <= 0.04 * whole[when] + 500 * TIERS * whole["rows"]
        assert all(part[when] < whole[when] for part in parts)
        assert sum(part[when] > 0 for part in parts) >= 3


def test_a_link_to_some_tiers_is_of_those_alone(open_page: Open, page: Page, demo_url: str) -> None:
    """Heat, profile, ladder, totals, if-price and CSV agree; the page says of what they are."""
    opened = open_page(demo_url, lev="50-", **{"if": "1"})
    opened.until(OF, "3,4")
    opened.until("market.mix")
    assert page.inner_text("#ohlc .venues") == "≥50x"
    assert opened.view("market.mix.long.slice(0, 3).flat().every(usd => usd === 0)")
    sums = "(side => market.now.grid[side].reduce((a, b) => a + b, 0))"
    for side in ("long", "short"):
        mixed = opened.view("market.mix[arg].flat().reduce((a, b) => a + b, 0)", side)
        assert opened.view(f"{sums}(arg)", side) == pytest.approx(mixed)
        assert mixed < 0.9 * opened.view("market.wholeMix[arg].flat().reduce((a, b) => a + b, 0)", side)
    assert [button.get_attribute("aria-pressed") for button in page.locator(".groups button").all()] == [
        "false",
        "false",
        "false",
        "true",
        "true",
    ]
    shown = page.inner_text(".totals tr:nth-child(4) td:nth-of-type(1)")
    assert f"up to its end {shown} longs" in page.inner_text(".if-label span")
    page.click("#export-button")
    with page.expect_download() as download:
        page.click(".item >> text=Levels")
    assert "50-x" in download.value.suggested_filename
    lines = [line.split(",") for line in download.value.path().read_text().splitlines()[1:]]
    assert all(float(line[3]) == float(line[4]) == float(line[5]) == 0 for line in lines if len(line) > 3)
    assert sum(float(line[1]) for line in lines) == pytest.approx(opened.view(f"{sums}('long')"), rel=0.1)
    seen = opened.view("market.now.timeMs")
    opened.until("market.now.timeMs > arg", seen)
    assert opened.view("market.tiers") == [3, 4]


def test_tiers_by_key_and_button(open_page: Open, page: Page, demo_url: str) -> None:
    """K turns through the sets; a button leaves its tier out and keeps the focus; once here they change at once."""
    opened = open_page(demo_url)
    opened.until("market.mix")
    page.wait_for_selector("#export-button[aria-expanded]")
    page.keyboard.press("k")
    opened.until(OF, "0,1")
    page.wait_for_function("() => location.search.includes('lev=0-25')")
    page.keyboard.press("k")
    assert opened.state("lev") == [3, 4]
    opened.until(OF, "3,4")
    before = opened.picture()
    page.keyboard.press("k")
    opened.until(OF, "")
    button = page.locator(".groups button >> nth=1")
    button.focus()
    page.wait_for_function("() => liqstream.loader.holdsTiers('BTCUSDT')")
    spent = page.evaluate(
        """() => [[0], [1], [2, 3], [4], [3, 4]].map(lev => { const began = performance.now();
             liqstream.store.set({lev}); return performance.now() - began; }).sort((a, b) => a - b)"""
    )
    assert spent[0] + opened.view("view.heat.frameMs") < 50, spent
    opened.settle()
    assert opened.view("market.tiers") == [3, 4]
    assert np.mean(before != opened.picture()) < 0.1
    button.press("Enter")
    assert opened.state("lev") == [1, 3, 4]
    assert button.evaluate("each => document.activeElement === each")


def test_tiers_on_their_way_and_tiers_that_do_not_come(open_page: Open, page: Page, demo_url: str) -> None:
    """Loading is told over the map of before, a refusal with its reason; then they come by themselves."""
    answers = {"on": False}
    opened = open_page(demo_url)
    opened.watch.allowed.append("Failed to load resource")

    def answer(route: Route) -> None:
        if answers["on"]:
            route.continue_()
        else:
            held.append(route)

    held: list[Route] = []
    page.route("**/history?*leverage=1*", answer)
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.wait_for_selector(".veil:not([hidden]) >> text=Loading ≥50x")
    while len(held) < 2:  # the one of the first key was given up
        page.wait_for_timeout(20)
    held[-1].fulfill(status=503, json={"error": "the store is busy"})
    page.wait_for_selector(".veil >> text=≥50x did not load: the store is busy. Trying again.")
    assert opened.view("market.tiers") == []
    answers["on"] = True
    page.evaluate("() => liqstream.loader.reload()")
    opened.until(OF, "3,4")
    page.wait_for_selector(".veil", state="hidden")
