"""If the price goes to X: the line, its sentence, and the figures beside the map that must say the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, Opened
from tests.browser.pixels import freeze

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]
NO_BAR_OVER_IT = """() => { const label = document.querySelector('.if-label:not([hidden])').getBoundingClientRect();
  return [...document.querySelectorAll(':is(.replay-bar, .draw-bar):not([hidden])')].every(bar => bar.getBoundingClientRect().bottom <= label.top); }"""
SENTENCE = r"to [\d,.]+ \([+−][\d.]+ %\): \$[\d.]+[KMB]? (longs|shorts), (no cluster|1 cluster at|\d+ clusters, largest)"

# Rows of the state now between the price and another one, both of whose levels count whole.
SUM = """(to => { const {grid, price} = market.now, row = at => Math.round((at - grid.p0) / grid.step);
  const side = to >= price ? grid.short : grid.long, [from, until] = [row(price), row(to)].sort((a, b) => a - b);
  let usd = 0; for (let r = from; r <= until; r++) usd += side[r] ?? 0;
  return usd; })"""
SHORT = """(usd => { const [unit, letter] = [[1e9, 'B'], [1e6, 'M'], [1e3, 'K'], [1, '']].find(([least]) => usd >= least * .9995);
  const scaled = usd / unit, digits = unit === 1 ? 0 : scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return `$${scaled.toFixed(digits)}${letter}`; })"""


def text_of(page: Page) -> str:
    return page.inner_text(".if-label span")


def test_line_tooltip_totals_and_curve_say_one_figure(open_page: Open, page: Page, demo_url: str) -> None:
    """The link restores the line; its USD are the sum of the rows, and so are those of all that show one."""
    opened = open_page(demo_url, dots="0")
    opened.until("market.mix")
    freeze(page)
    for share in (0.02, -0.02):
        opened.view("liqstream.store.set({if: market.now.price * (1 + arg)})", share)
        opened.settle()
        assert re.match(SENTENCE, text_of(page))
        wanted = opened.view(f"{SHORT}({SUM}(market.now.price * (1 + arg)))", share)
        assert f": {wanted} {'shorts' if share > 0 else 'longs'}" in text_of(page)
        assert page.inner_text(f".totals tr:nth-child(2) td:nth-of-type({3 if share > 0 else 1})") == wanted
        figures = opened.view("liqstream.mapGrid.focus.profile.figures")
        assert opened.view(f"{SHORT}(arg)", next(f["usd"] for f in figures if f["share"] == share)) == wanted
    level = opened.view("market.matrix.priceOf(market.matrix.rowAt(market.now.price * 1.015))")
    opened.view("liqstream.store.set({if: arg})", level)
    box = page.locator("#maps .chart").first.bounding_box()
    assert box
    page.mouse.move(
        box["x"] + opened.view("view.xOf(market.matrix.end - 1)"),
        box["y"] + opened.view("view.yOf(arg)", level),
    )
    page.wait_for_selector(".tooltip:not([hidden])")
    cumulative = re.search(r"to this price\s+(\$[\d.]+[KMB]?)", page.inner_text(".tooltip"))
    assert cumulative
    assert f": {cumulative[1]} shorts" in text_of(page)
    page.wait_for_function(
        "level => Number(new URLSearchParams(location.search).get('if')) === level", arg=opened.state("if")
    )
    page.reload()
    page.wait_for_selector(".if-label:not([hidden])")
    assert opened.state("if") == pytest.approx(level, rel=1e-6)


def test_by_keys_alone(open_page: Open, page: Page, demo_url: str) -> None:
    """I puts it on the next big cluster, arrows move it a level, Enter copies the sentence, Delete removes it."""
    opened = open_page(demo_url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.wait_for_selector("#export-button[aria-expanded]")
    page.keyboard.press("i")
    page.wait_for_selector(".if-handle:focus")
    first = opened.state("if")
    assert opened.view(
        "market.clusters(arg > market.now.price ? 'short' : 'long').some(({price}) => Math.abs(price - arg) < market.now.grid.step)",
        first,
    )
    page.keyboard.press("ArrowUp")
    assert opened.state("if") == pytest.approx(first + opened.view("market.now.grid.step"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".note >> text=Sentence copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.match(rf"BTCUSDT {SENTENCE} [\d,.]+\. Estimate by liqstream, \w+", copied), copied
    page.keyboard.press("]")
    assert opened.state("if") is None
    page.keyboard.press("[")
    page.wait_for_selector(".if-label:not([hidden])")
    page.locator(".if-handle").press("Delete")
    assert opened.state("if") is None
    assert page.is_hidden(".if-handle")
    page.wait_for_selector(".chart:focus")


def test_by_mouse_and_past_the_end_of_the_map(open_page: Open, page: Page, demo_url: str) -> None:
    """The arrow beside the price axis puts it there, the handle drags it; where nothing is known it says so."""
    opened = open_page(demo_url)
    page.wait_for_selector(".if-here", state="attached")
    box = page.locator("#maps .chart").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + opened.view("view.pane.width") - 40, box["y"] + 150)
    page.click(".if-here")
    at_first = opened.state("if")
    assert at_first == pytest.approx(opened.view("view.pointAt(1, 150).price"), rel=1e-3)
    handle = page.locator(".if-handle").bounding_box()
    assert handle
    page.mouse.move(handle["x"] + 10, handle["y"] + 10)
    page.mouse.down()
    page.mouse.move(handle["x"] + 10, handle["y"] + 80, steps=3)
    page.mouse.up()
    assert opened.state("if") < at_first
    opened.view("liqstream.store.set({if: market.now.price * .4})")
    opened.settle()
    assert "beyond the range, up to its end $" in text_of(page)
    page.click(".if-label button >> nth=1")
    assert opened.state("if") is None


@pytest.mark.parametrize(
    "context", [{"viewport": PHONE, "has_touch": True, "is_mobile": True}], indirect=True
)
def test_by_touch(open_page: Open, page: Page, demo_url: str) -> None:
    """A finger that rests on the map, or the button and a tap; one that moves pans as ever."""
    opened = open_page(demo_url)
    page.wait_for_selector("#export-button[aria-expanded]")
    box = page.locator("#maps .chart").first.bounding_box()
    assert box
    session = page.context.new_cdp_session(page)

    def finger(kind: str, *at: float) -> None:
        points = [{"x": box["x"] + 120, "y": box["y"] + y} for y in at]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    finger("touchStart", 150)
    page.wait_for_timeout(600)
    finger("touchEnd")
    page.wait_for_selector(".if-label:not([hidden])")
    assert opened.state("if") == pytest.approx(opened.view("view.pointAt(1, 150).price"), rel=2e-3)
    page.tap(".if-label button >> nth=1")
    assert opened.state("if") is None
    page.tap(".touch-tools button >> nth=2")
    page.touchscreen.tap(box["x"] + 120, box["y"] + 200)
    page.wait_for_selector(".if-label:not([hidden])")
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('.if-label button, .if-handle')].map(each => each.getBoundingClientRect()).map(b => [b.width, b.height, b.right])"
    )
    assert all(width >= 44 and height >= 44 and right <= PHONE["width"] for width, height, right in sizes)
    # The bars of a replay and of drawing stand at the top of the map too: it makes room below them.
    for button in (5, 4):
        page.tap(f".touch-tools button >> nth={button - 1}")
        page.wait_for_selector(".replay-bar:not([hidden])")
        page.wait_for_function(NO_BAR_OVER_IT)
