"""The forecast beside the map: chances of clusters and levels are those of the server's table, on every place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Response

from tests.browser.conftest import Opened
from tests.browser.pixels import freeze

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]
CHANCES = ".ladder tr:not(.here):not([hidden]) td.chance"
CLUSTERS = """(() => { const {shown} = market, side = (name, above) => market.clusters(name, shown)
  .filter(({price}) => above ? price > shown.price : price < shown.price).map(({price}) => price);
  return [...side('short', true), ...side('long', false)]; })()"""


def forecast_of(page: Page, open_: Callable[[], Opened]) -> tuple[Opened, dict[str, Any]]:
    """The opened page, and the next hour's forecast that the server answered it with."""
    answers: list[Response] = []
    page.on("response", lambda each: answers.append(each) if "/api/forecast/BTCUSDT" in each.url else None)
    opened = open_()
    opened.until("market.forecast", timeout_s=120)  # issued once a young server has read its past
    freeze(page)
    hour: dict[str, Any] = next(each for each in reversed(answers) if each.ok).json()["horizons"]["1h"]
    return opened, hour


def chance_text(hour: dict[str, Any], price: float, now: float) -> str:
    """What the page must say of a price, worked out without its code."""
    reach = hour["reach"]
    distance = abs(math.log(price / now))
    chance = float(np.interp(distance, reach["log_distance"], reach["chance"], right=0.0))
    return "< 1 %" if chance < 0.01 else "> 99 %" if chance > 0.99 else f"{chance * 100:.0f} %"


def with_levels(open_page: Open, url: str) -> Opened:
    """The page with its levels in sight, on a phone on the opened sheet."""
    opened = open_page(url, dots="0", tab="levels", panel="1")
    handle = opened.page.locator("#sheet-handle")
    if handle.is_visible():
        handle.click()
    return opened


@pytest.mark.parametrize("context", [{}, {"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_every_cluster_has_the_chance_of_its_price(open_page: Open, page: Page, demo_url: str) -> None:
    """In the ladder, in the sentence above it and in the tooltip; the same figure, from the same table."""
    opened, hour = forecast_of(page, lambda: with_levels(open_page, demo_url))
    page.wait_for_selector(f"{CHANCES}:not(:empty)", state="attached")
    # It is drawn twice a second at most: until what came last stands there.
    opened.until(
        "Number(document.querySelector('.ladder .here th').textContent.replaceAll(',', '')) === Number(market.now.price.toFixed(1))"
    )
    prices = [
        float(text.replace(",", "")) for text in page.locator(".ladder th span").all_text_contents() if text
    ]
    shown = page.locator(CHANCES).all_text_contents()
    exact = opened.view(CLUSTERS)
    nearest = [min(exact, key=lambda each: abs(each - price)) for price in prices]
    assert shown
    assert shown == [chance_text(hour, price, opened.view("market.now.price")) for price in nearest]
    assert page.text_content(".ladder h2 span") == "price · away · chance in 1 h · USD"
    next_big = page.locator(
        ".ladder tr:not([hidden]):has(small:not([hidden]):text('Next big cluster')) td.chance"
    )
    sentence = page.text_content(".forecast p:has-text('next big cluster')") or ""
    named = next_big.all_text_contents()
    assert named  # on both sides, unless the price is the highest or lowest of days
    assert [text for text in named if f"({text})" not in sentence] == []


@pytest.mark.parametrize("beside", [{"panel": "0"}, {"tab": "accuracy"}])
def test_the_tooltip_has_the_chance_of_its_level(
    open_page: Open, page: Page, demo_url: str, beside: dict[str, str]
) -> None:
    """Of the level under the pointer, whatever is beside the map; a look back, whose chances nobody kept, has none."""
    opened, hour = forecast_of(page, lambda: open_page(demo_url, dots="0", **beside))
    level = opened.view("market.matrix.priceOf(market.matrix.rowAt(market.now.price * 1.01))")
    box = page.locator("#maps .chart").first.bounding_box()
    assert box
    x = box["x"] + opened.view("view.xOf(market.matrix.end - 3)")
    page.mouse.move(x, box["y"] + opened.view("view.yOf(arg)", level))
    page.wait_for_selector(".tooltip:not([hidden]) >> text=Chance in 1 h")
    assert chance_text(hour, level, opened.view("market.now.price")) in page.inner_text(
        ".tooltip .row:has-text('Chance in 1 h')"
    )
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.keyboard.press("z")
    opened.until("market.at !== null")
    page.mouse.move(x, box["y"] + opened.view("view.yOf(arg)", level))
    page.wait_for_selector(".tooltip:not([hidden])")
    assert "Chance" not in page.inner_text(".tooltip")


def test_the_ladder_of_then_has_no_chances(open_page: Open, page: Page, demo_url: str) -> None:
    """Nobody kept them; they come back with now."""
    opened, _ = forecast_of(page, lambda: with_levels(open_page, demo_url))
    page.wait_for_selector(f"{CHANCES}:not(:empty)")
    box = page.locator("#maps .chart").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.keyboard.press("z")
    page.wait_for_selector(".ladder h2 span:text-is('price · away · USD')")
    assert set(page.locator(CHANCES).all_text_contents()) <= {""}
    page.keyboard.press("Escape")
    opened.until("market.at === null")
    page.wait_for_selector(f"{CHANCES}:not(:empty)")


@pytest.mark.parametrize(
    "context", [{"viewport": {"width": width, "height": 800}} for width in (320, 390, 1280)], indirect=True
)
def test_no_figure_of_the_ladder_is_cut(open_page: Open, page: Page, demo_url: str) -> None:
    """Each cell holds its text, and the table stays within its panel."""
    opened, _ = forecast_of(page, lambda: with_levels(open_page, demo_url))
    page.wait_for_selector(f"{CHANCES}:not(:empty)", state="attached")
    opened.settle()
    cut = page.evaluate(
        """() => { const table = document.querySelector('.ladder table'), panel = table.parentElement;
          const {paddingLeft, paddingRight} = getComputedStyle(panel), out = [];
          const inner = panel.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
          if (table.scrollWidth > inner + 1) out.push(`table ${table.scrollWidth} of ${inner}`);
          for (const cell of table.querySelectorAll('tbody tr:not([hidden]) td, tbody tr:not([hidden]) th'))
            if (cell.scrollWidth > cell.clientWidth + 1) out.push(cell.textContent);
          return out; }"""
    )
    assert cut == []
