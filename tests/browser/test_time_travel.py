"""Looking back: the map and its figures as they were, stepped and played by key, and back to live."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

HERE = ".ladder .here th"
THEN = "market.matrix.columnAt(liqstream.store.state.at)"

# Of the pane below the map at the time looked back to, in the figures of the page.
OPEN_INTEREST_THEN = (
    "(({value}) => `$${(value / 1e9).toFixed(2)}B`)(view.chart.panes()[1].getSeries()[0].data()"
    ".find(({time}) => time * 1000 === market.matrix.timeOf(market.matrix.columnAt(market.at))))"
)
# How far the next big clusters are, as the ladder has it.
NEXT_BIG = """[...document.querySelectorAll('.ladder tbody tr:not([hidden])')]
  .filter(row => row.querySelector('small')?.hidden === false).map(({children}) => children[1].textContent)"""
# Of the picture made, how bright it gets in the sixty columns before the time looked back to, and after it.
BRIGHTEST = """edge => { const from = Math.round(edge) - 65, most = [0, 0];
  const {data, width} = exported.getContext('2d').getImageData(from, 60, 130, exported.height - 200);
  for (let i = 0; i < data.length; i += 4) {
    const x = i / 4 % width, side = x < 60 ? 0 : x >= 70 ? 1 : -1;
    if (side >= 0) most[side] = Math.max(most[side], data[i] + data[i + 1] + data[i + 2]);
  }
  return most; }"""


def test_figures_are_those_of_the_time_looked_back_to(open_page: Open, demo_url: str) -> None:
    """Ladder, sums and what the price would meet come from that column; the link brings them back."""
    opened = open_page(demo_url, window="24h", pane="oi")
    page = opened.page
    page.wait_for_selector(HERE)
    page.wait_for_selector(".lower-note >> text=highest bar")
    page.keyboard.press("z")
    page.wait_for_selector("text=As of")
    page.wait_for_function("() => /[?&]at=\\d+/.test(location.search)")
    page.wait_for_selector("text=price then")
    column = opened.view(THEN)
    assert column < opened.view("market.matrix.end") - 10
    first = opened.view(f"market.matrix.candle({THEN}).close")
    assert float(page.inner_text(HERE).replace(",", "")) == pytest.approx(first, rel=1e-4)
    then = opened.view("Array.from(market.shown.grid.long)")
    raw = f"Array.from(market.matrix.column({THEN}).long)"
    assert [usd > 0 for usd in then] == [rung > 0 for rung in opened.view(raw)]
    covered = page.locator(".later").bounding_box()
    assert covered is not None
    assert covered["width"] > 50
    assert covered["height"] == opened.view("view.element.clientHeight - view.chart.timeScale().height()")
    # Beside the map: its own share is of then, as the levels are; the pane's figures too; the rest says now.
    opened.until(f"document.querySelector('.lower-note').innerText.includes({OPEN_INTEREST_THEN})")
    page.wait_for_selector("#context >> text=Now: OI")
    long, short = opened.view(
        "['long', 'short'].map(side => market.shown.grid[side].reduce((a, b) => a + b))"
    )
    share = page.inner_text("#context .figure:nth-child(4)").replace("\n", " ")
    assert share.startswith(f"Map then {100 * long / (long + short):.0f} % longs")
    # What a phone's closed sheet names: as far away as the ladder says.
    opened.until(
        f"({NEXT_BIG}).join() === document.querySelector('#sheet-summary').textContent.match(/[+−][\\d.]+ %/g).join()"
    )

    page.keyboard.press("ArrowRight")
    opened.until(f"{THEN} === arg + 1", column)
    page.keyboard.press(" ")
    opened.until(f"{THEN} >= arg + 4", column)
    page.keyboard.press(" ")
    page.wait_for_selector("[aria-label='Play (Space)']")
    page.reload()
    page.wait_for_selector("text=As of")
    page.wait_for_selector("text=price then")
    page.click("#export-button")
    with page.expect_download() as levels:
        page.click(".popover >> text=as of then")
    lines = levels.value.path().read_text().splitlines()
    assert lines[0] == "price,long_usd,short_usd"
    levels_then = (
        "market.shown.grid.long.reduce((n, long, i) => n + Boolean(long || market.shown.grid.short[i]), 0)"
    )
    assert len(lines) - 1 == opened.view(levels_then)
    page.click("#export-button")
    page.evaluate(
        "() => { HTMLCanvasElement.prototype.toBlob = function () { globalThis.exported = this; }; }"
    )
    page.click(".popover >> text=Picture")
    covered = page.locator(".later").bounding_box()
    chart = page.locator("#maps .chart").bounding_box()
    assert chart
    assert covered
    before, after = page.evaluate(BRIGHTEST, covered["x"] - chart["x"])
    assert after < before / 2

    page.keyboard.press("Escape")
    page.wait_for_selector("text=price now")
    assert opened.state("at") is None
    assert page.locator(".replay-bar").is_hidden()


GAP = """() => {
  const {market} = liqstream.mapGrid.focus.view, {matrix, header} = market, rows = 50, columns = 200;
  const candle = () => new Float64Array(columns).fill(matrix.p0 + 10 * matrix.step).fill(NaN, 100, 197);
  const cells = () => new Uint16Array(rows * columns).fill(500);
  liqstream.client.close();
  market.now = null;
  market.takeHistory({header: {...header, rows, columns, gaps: [[100, 97]]}, long: cells(), short: cells(),
    candles: {open: candle(), high: candle(), low: candle(), close: candle()}});
}"""


def test_from_a_time_without_data_it_looks_back_to_the_last_before_it(open_page: Open, demo_url: str) -> None:
    """A quarter of the map back, the pointer in a gap: what was last known; the change is up to that time."""
    opened = open_page(demo_url, window="24h")
    page = opened.page
    page.evaluate(GAP)
    opened.settle()
    page.keyboard.press("z")
    assert opened.view(THEN) == 99
    hours, minutes = divmod(100 * opened.view("market.matrix.intervalMs") // 60_000, 60)
    page.wait_for_selector(f"#ohlc [title='over {hours} h {minutes} min']", state="attached")
    page.keyboard.press("Escape")
    chart = page.locator("#maps .chart").bounding_box()
    assert chart
    page.mouse.move(chart["x"] + opened.view("view.xOf(150)"), chart["y"] + 200)
    page.keyboard.press("z")
    assert opened.view(THEN) == 99
    page.keyboard.press("Escape")
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(chart["x"] + opened.view("view.xOf(120)"), chart["y"] + 300, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_selector(".measure-label >> text=No data at the right edge")
