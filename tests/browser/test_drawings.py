"""Lines, boxes and texts on the maps: by pointer, key and finger, at their time and price, kept in this browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, Opened
from tests.browser.test_accessible import faults

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

# Where a time and a price are on the screen, px.
SPOT = "(([ms, price]) => ({x: view.xOf(market.matrix.columnAt(ms)), y: view.yOf(price)}))"
# Whether near a spot (px of the chart) there are pixels of the drawing's own casing around its colour.
MARKED = """(({x, y}) => { const canvas = view.chart.takeScreenshot(true, false);
  const ratio = canvas.width / view.element.clientWidth, context = canvas.getContext('2d');
  const {data} = context.getImageData(Math.round((x - 3) * ratio), Math.round((y - 3) * ratio), 7, 7);
  const [r, g, b] = view.theme.text.match(/\\w\\w/g).map(hex => parseInt(hex, 16));
  for (let i = 0; i < data.length; i += 4)
    if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 30) return true;
  return false; })"""
KEPT = "() => JSON.parse(localStorage.getItem('liqstream.drawings.BTCUSDT') ?? '[]')"


def kept(page: Page) -> list[Any]:
    rows: list[Any] = page.evaluate(KEPT)
    return rows


def test_drawn_by_pointer_and_key_they_stay_at_their_time_and_price(open_page: Open, demo_url: str) -> None:
    """Drag, click, arrows and Delete; another window, size, market and grid; a reload; the exported picture."""
    opened = open_page(demo_url, window="24h", symbol="BTCUSDT", candles="0", dots="0")
    page = opened.page
    chart = page.locator("#maps .chart").bounding_box()
    assert chart
    opened.view("view.viewport.showPrices(view.viewport.prices())")  # which then stay
    opened.settle()
    page.keyboard.press("h")
    page.click("[data-pen=box]")
    left, top = chart["x"] + 300, chart["y"] + 200
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + 160, top + 90, steps=4)
    page.mouse.up()
    [box] = kept(page)
    assert box[0] == "box"
    corner = opened.view(f"{SPOT}(arg)", [box[1], box[2]])
    assert corner == pytest.approx({"x": 300, "y": 200}, abs=3)
    page.wait_for_selector(".draw-bar [aria-label='Text of the drawing']")
    page.fill(".draw-bar input", "range")
    page.keyboard.press("Enter")
    assert kept(page)[0][5] == "range"

    # By key alone: the line at the price, moved, sloped by its end; the box is let go of.
    page.keyboard.press("Escape")
    page.focus(".draw-bar [data-pen=line]")
    page.keyboard.press("Enter")
    level = kept(page)[1]
    assert level[1] == level[3]
    page.keyboard.press("ArrowUp")
    assert kept(page)[1][2] > level[2]
    page.keyboard.press("Shift+ArrowRight")
    line = kept(page)[1]
    assert line[3] > line[1]
    page.keyboard.press("Delete")
    assert [row[0] for row in kept(page)] == ["box"]
    assert faults(page) == []

    # The left edge is drawn where it belongs, in the picture too, whatever is in sight.
    middle = [box[1], (box[2] + box[4]) / 2]
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.locator(".draw-bar").is_hidden()
    assert opened.view(f"{MARKED}({SPOT}(arg))", middle)
    assert not opened.view(f"{MARKED}((({{x, y}}) => ({{x: x - 30, y}}))({SPOT}(arg)))", middle)
    page.keyboard.press("1")
    opened.until("market.header.columns * market.matrix.intervalMs < 13 * 3600e3")
    page.keyboard.press("4")
    opened.until("market.header.columns * market.matrix.intervalMs > 70 * 3600e3")
    opened.until(f"{MARKED}({SPOT}(arg))", middle)
    page.set_viewport_size({"width": 1000, "height": 700})
    opened.until(f"view.element.clientHeight < 600 && {MARKED}({SPOT}(arg))", middle)
    page.keyboard.press("]")
    opened.until("market.matrix && market.symbol !== 'BTCUSDT'")
    page.evaluate("() => liqstream.store.set({symbol: 'BTCUSDT', grid: 4})")
    opened.until(
        f"market.matrix && market.symbol === 'BTCUSDT' && view.compact && {MARKED}({SPOT}(arg))", middle
    )
    page.reload()
    opened.until(f"market?.matrix && view.candles && {MARKED}({SPOT}(arg))", middle)

    # The list brings it into sight and takes it away.
    page.evaluate("() => liqstream.store.set({grid: 1})")
    page.keyboard.press("h")
    page.click(".draw-bar summary")
    page.click(".draw-bar li button >> text=Box “range” from")
    page.click(".draw-bar >> text=Delete")
    assert kept(page) == []
    opened.until(f"!{MARKED}({SPOT}(arg))", middle)

    # A text without words, which nobody would find again, goes with the next thing that is done.
    def begin_a_text() -> None:
        page.click("[data-pen=text]")
        page.mouse.click(left, top)
        page.wait_for_selector(".draw-bar input:focus")
        assert [row[0] for row in kept(page)] == ["text"]

    begin_a_text()
    page.click("[data-pen=line]")
    assert kept(page) == []
    begin_a_text()
    page.evaluate("() => liqstream.store.set({symbol: 'ETHUSDT'})")
    assert kept(page) == []
    page.evaluate("() => liqstream.store.set({symbol: 'BTCUSDT'})")
    opened.until("market.matrix && market.symbol === 'BTCUSDT'")
    opened.settle()
    begin_a_text()
    page.keyboard.type("as typed")  # also where the page goes before the typing is over
    assert kept(page)[0][5] == "as typed"
    page.click(".draw-bar >> text=Delete")
    # What had the focus goes: the map has it.
    page.focus("[data-pen=box]")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.wait_for_selector(".chart:focus")


def test_a_browser_that_keeps_nothing_draws_all_the_same(open_page: Open, demo_url: str) -> None:
    """Fifty at most, and the page says so; storage that throws ends nothing; no press reaches the map."""
    opened = open_page(demo_url, window="24h")
    page = opened.page
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    page.keyboard.press("h")
    for _ in range(51):
        page.keyboard.press("Enter")
    page.wait_for_selector("text=50 drawings at most", state="attached")
    page.wait_for_selector("#notice >> text=Not saved")
    assert page.inner_text(".draw-bar summary") == "50 of 50"
    times = opened.view("view.viewport.times()")
    spot = opened.view(
        "(b => ({x: b.x + 500, y: b.y + view.yOf(market.now.price)}))(view.element.getBoundingClientRect())"
    )
    page.keyboard.press("Escape")
    page.mouse.move(spot["x"], spot["y"])
    page.wait_for_selector(".chart.on-drawing")
    page.mouse.down()
    page.mouse.move(spot["x"] + 100, spot["y"] - 60, steps=3)
    page.mouse.up()
    page.wait_for_selector(".draw-bar button >> text=Delete")
    assert opened.view("view.viewport.times()") == pytest.approx(times, rel=1e-6)


@pytest.mark.parametrize(
    "context", [{"viewport": PHONE, "has_touch": True, "is_mobile": True}], indirect=True
)
def test_by_touch(open_page: Open, demo_url: str) -> None:
    """The pencil, a kind, a tap on the map, Delete: all large enough."""
    opened = open_page(demo_url, window="24h")
    page = opened.page
    page.tap("[aria-label='Draw: line, box, text']")
    page.tap("[data-pen=line]")
    chart = page.locator("#maps .chart").bounding_box()
    assert chart
    page.touchscreen.tap(chart["x"] + 120, chart["y"] + 220)
    page.wait_for_function("() => liqstream.store.state.if === null")
    page.wait_for_selector(".draw-bar >> text=Delete")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.draw-bar *:is(button, summary, input), .touch-tools button')]
             .filter(each => each.checkVisibility()).map(each => each.getBoundingClientRect())
             .filter(({right, left}) => right - left).map(({width, height}) => Math.min(width, height))"""
    )
    assert len(sizes) >= 12
    assert min(sizes) >= 44
    symbol = opened.state("symbol")
    assert page.evaluate(f"() => localStorage.getItem('liqstream.drawings.{symbol}').includes('line')")
    page.tap(".draw-bar >> text=Delete")
    assert page.evaluate(f"() => localStorage.getItem('liqstream.drawings.{symbol}')") == "[]"
