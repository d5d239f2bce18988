"""What one reads on the page: its words, that the map is an estimate, and what is said while nothing is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import PHONE, Opened

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

OTHER_WORDS: dict[str, str] = json.loads((Path(__file__).parents[1] / "page_words.json").read_text())
"""Words the page does not use, by the one it uses."""
SENTENCE = (
    "Estimated from price and open interest, not from orders. A USD figure is what we expect to be liquidated if the "
    "price trades through the level, not the size of open positions. A rise in open interest in a quiet market adds "
    "almost nothing."
)
TEXTS = """() => [document.title, document.body.innerText,
  ...[...document.querySelectorAll('[title], [aria-label], [aria-valuetext]')].flatMap(element =>
    ['title', 'aria-label', 'aria-valuetext'].map(name => element.getAttribute(name)))].filter(Boolean)"""
DRAWN_TEXTS = """async () => {
  const drawn = [], write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...at) { drawn.push(text); return write.call(this, text, ...at); };
  const click = HTMLAnchorElement.prototype.click;
  HTMLAnchorElement.prototype.click = function () {};
  document.querySelector('#export-button').click();
  [...document.querySelectorAll('.popover .item')].find(item => item.innerText.includes('Picture')).click();
  CanvasRenderingContext2D.prototype.fillText = write;
  HTMLAnchorElement.prototype.click = click;
  return drawn;
}"""


def other_words(texts: list[str]) -> list[str]:
    """Each word that is not of the glossary, with the line it is in."""
    return [
        f'"{found[0]}" instead of "{right}" in: {line}'
        for text in texts
        for line in text.splitlines()
        for right, other in OTHER_WORDS.items()
        if (found := re.search(other, line, re.IGNORECASE))
    ]


@pytest.mark.long
def test_one_word_for_each_thing(open_page: Open, demo_url: str) -> None:
    """Map, panel with its details, tooltip, menus, help: no word but the glossary's."""
    opened = open_page(demo_url, tab="accuracy")
    page = opened.page
    page.wait_for_selector(".accuracy details:not([hidden])")
    page.keyboard.press("h")
    page.evaluate("() => document.querySelectorAll('details').forEach(each => (each.open = true))")
    page.mouse.move(600, 400)
    page.wait_for_selector(".tooltip:not([hidden])")
    texts: list[str] = page.evaluate(TEXTS)
    for tab, there in (("data", ".quality .lamp"), ("tape", ".tape-head"), ("levels", ".totals tbody")):
        page.click(f"#tab-{tab}")
        page.wait_for_selector(there)
        texts += page.evaluate(TEXTS)
    page.hover("#connection")
    for key in "dae?":
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]" if key == "?" else ".popover:visible")
        texts += page.evaluate(TEXTS)
    assert any("Liquidation levels nearby" in text for text in texts)
    assert any("Lock colour scale" in text for text in texts)
    assert any("untouched prices" in text for text in texts)
    assert other_words(texts) == []


def test_the_words_are_looked_for_where_they_would_be_found(open_page: Open, demo_url: str) -> None:
    """A word put back on the page is found, in a text as in an attribute."""
    page = open_page(demo_url).page
    page.evaluate(
        "() => { const mark = document.createElement('b'); mark.textContent = 'Standing now'; document.body.append(mark); }"
    )
    page.evaluate("() => (document.querySelector('#connection').title = '3 venues')")
    assert len(other_words(page.evaluate(TEXTS))) == 2


@pytest.mark.parametrize("query", [{}, {"grid": "4"}, {"embed": "1"}])
def test_every_map_says_that_it_is_an_estimate(open_page: Open, demo_url: str, query: dict[str, str]) -> None:
    """The word is on each map, also in a grid and in a frame, and opens to the sentence by mouse and by key."""
    page = open_page(demo_url, **query).page
    maps = page.locator(".map .chart")
    for i in range(maps.count()):
        word = maps.nth(i).locator(".estimate summary")
        assert word.inner_text() == "Estimate"
        assert maps.nth(i).locator(".estimate p").is_hidden()
        word.click()
        assert maps.nth(i).locator(".estimate p").inner_text() == SENTENCE
        word.press("Enter")
        assert maps.nth(i).locator(".estimate p").is_hidden()


@pytest.mark.parametrize("context", [{"viewport": PHONE}, {}], indirect=True)
def test_the_picture_says_that_it_is_an_estimate(open_page: Open, demo_url: str) -> None:
    """The word in its head, the whole sentence below the map however narrow, the meaning and the model."""
    opened = open_page(demo_url)
    opened.page.wait_for_selector("#display-button[aria-expanded]")
    drawn: list[str] = opened.page.evaluate(DRAWN_TEXTS)
    assert any(text.startswith("Estimate") and not text.startswith("Estimated") for text in drawn)
    foot = " ".join(drawn)
    assert SENTENCE in foot
    assert "Cluster strength per level (USD)" in foot
    assert "Model: tiered" in foot
    assert other_words(drawn) == []


def test_loading_none_and_failed_are_three_sentences(page: Page, open_page: Open, demo_url: str) -> None:
    """While an answer is pending, when it says none, and when none comes: never the same sentence."""
    answers: dict[str, dict[str, Any]] = {}

    def answer(route: Route) -> None:
        route.fulfill(**answers["score" if "/api/score/" in route.request.url else "liquidations"])

    page.add_init_script(
        """const fetch_ = fetch; globalThis.held = new Promise(done => (globalThis.release = done));
           globalThis.fetch = async (...args) => { const url = String(args[0]);
             if (/api\\/(score|liquidations)/.test(url)) await globalThis.held; return fetch_(...args); };"""
    )
    page.route("**/api/score/*", answer)
    page.route("**/api/liquidations/*", answer)
    opened = open_page(demo_url)
    opened.watch.allowed.append("Failed to load resource")
    lead, totals = page.locator(".accuracy .lead"), page.locator(".realised .quiet")
    totals.wait_for()
    assert totals.inner_text() == "Loading liquidations"
    page.click("#tab-accuracy")
    lead.wait_for()
    assert lead.inner_text() == "Checking the map against recorded liquidations"
    _, first, *rest = [line for line in page.locator(".accuracy").inner_text().splitlines() if line]
    assert first == "Simulated market: accuracy here says nothing about real ones."
    published = rest[: rest.index("This simulated market")]
    assert published[0] == "Published: real BTCUSDT, 25 Feb 2026 to 1 Apr 2026"
    assert published[1].startswith("Over 838 hours the drawn map ranks liquidations worse than")
    answers["score"] = {"status": 503, "json": {"error": "the store is busy"}}
    answers["liquidations"] = {"status": 503, "json": {"error": "the store is busy"}}
    page.evaluate("() => release()")
    page.wait_for_function(
        "() => document.querySelector('.accuracy .lead').innerText.includes('the store is busy')"
    )
    page.click("#tab-levels")
    page.wait_for_function(
        "() => document.querySelector('.realised .quiet').innerText.includes('could not be fetched')"
    )
    answers["score"] = {"status": 404, "json": {"error": "no liquidations"}}
    answers["liquidations"] = {"json": {"data": [], "totals": []}}
    page.keyboard.press("]")
    page.wait_for_function(
        "() => document.querySelector('.realised .quiet').innerText.startsWith('No liquidations')"
    )
    page.click("#tab-accuracy")
    page.wait_for_function(
        "() => document.querySelector('.accuracy .lead').innerText.includes('needs a liquidation feed')"
    )
