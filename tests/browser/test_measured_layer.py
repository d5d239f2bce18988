"""The layer of measured positions on the page: chosen, labelled, drawn alone, and left again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.browser.conftest import PHONE, Opened
from tests.browser.test_words import DRAWN_TEXTS
from tests.support.demo_server import demo_server

pytestmark = [pytest.mark.browser, pytest.mark.simulated]
Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def measured_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulated market whose positions are measured, one coin's by the thousand."""
    folder = tmp_path_factory.mktemp("measured")
    with demo_server(folder, ("BTCUSDT", "kPEPE"), LIQSTREAM_HISTORY_DAYS="3") as url:
        yield url


def context_is_phone(opened: Opened) -> bool:
    """Whether the page has a phone's size."""
    size = opened.page.viewport_size
    return size is not None and size["width"] == PHONE["width"]


def _picture_says_the_same(opened: Opened, note: str) -> None:
    """An exported picture calls nothing an estimate: it has coverage, age, and what its colours mean."""
    opened.page.evaluate("() => liqstream.store.set({ view: 'density' })")
    opened.page.locator(".legend-title", has_text="Known positions at their liquidation price").wait_for()
    opened.page.wait_for_selector("#export-button[aria-expanded]")
    drawn = " ".join(opened.page.evaluate(DRAWN_TEXTS))
    assert "Estimate" not in drawn
    assert "Known positions at their liquidation price (USD), hyperliquid-measured" in drawn
    assert "Measured  \u00b7" in drawn
    assert note.split(" of longs")[0] in drawn
    assert "if open interest counts one side" in drawn


@pytest.mark.parametrize(
    ("context", "theme"), [({}, "dark"), ({"viewport": PHONE}, "light")], indirect=["context"]
)
def test_the_layer_is_labelled_and_left_again(measured_url: str, open_page: Open, theme: str) -> None:
    """Coverage, age, "measured" and "simulated" are in sight, in both themes and on a phone; no address is
    whole."""
    opened = open_page(measured_url, venues="hyperliquid-measured", theme=theme)
    opened.watch.allowed.append("503")  # the score of a market that has just begun
    note = opened.page.locator(".measured-note")
    note.filter(has_text="of longs").wait_for()
    text = note.inner_text()
    assert text.startswith("Measured, simulated: ")
    assert "of shorts" in text
    assert opened.view("market.chosen") == ["hyperliquid-measured"]
    assert "hyperliquid-measured" not in opened.view("market.exchanges")
    assert not re.search("0x[0-9a-fA-F]{40}", opened.page.content())
    estimate = opened.page.locator(".map .estimate").first
    assert not estimate.is_visible()
    box = note.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= opened.page.viewport_size["width"]  # type: ignore[index]
    if not context_is_phone(opened):
        _picture_says_the_same(opened, text)
    opened.page.evaluate("() => liqstream.store.set({ venues: [] })")
    opened.until("market.chosen.length === 0")
    note.wait_for(state="hidden")
    assert estimate.is_visible()


def test_a_coin_by_the_thousand_is_shown_in_single_coins(measured_url: str, open_page: Open) -> None:
    """Its candles are at its price, its figures fit into the panel, its measured map has levels."""
    opened = open_page(measured_url, symbol="PEPEUSDT")
    price = opened.view("market.now.price")
    assert 1e-6 < price < 1e-4
    closes = opened.view(
        "Array.from({length: 50}, (_, k) => market.matrix.candle(market.matrix.end - 1 - k).close)"
    )
    assert all(0.5 * price < close < 2 * price for close in closes)
    page = opened.page
    page.wait_for_selector(".ladder tr:not(.here):not([hidden]) td.amount")
    outside = page.evaluate(
        """() => [...document.querySelectorAll('.ladder th, .ladder td')].filter(cell => cell.offsetParent &&
          cell.getBoundingClientRect().right > document.querySelector('.ladder').getBoundingClientRect().right)
          .map(cell => cell.innerText)"""
    )
    assert outside == []
    opened.page.evaluate("() => liqstream.store.set({ venues: ['hyperliquid-measured'] })")
    opened.page.locator(".measured-note", has_text="of longs").wait_for()
