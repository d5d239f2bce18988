"""The strip above the map and the pane below it: what the server tells, on the map's own time axis."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import DESKTOP, PHONE, Opened, Watch
from tests.browser.pixels import freeze, proof, rest

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

FIGURES = r"() => /^Open interest \$[\d.]+B/.test(document.querySelector('#context').innerText.replaceAll('\n', ' '))"
NOTE = "document.querySelector('.lower-note').innerText"
PANES = "view.chart.panes().map(pane => pane.getHeight())"
# Of the newest column that both have: what is drawn, and what the server says.
DRAWN_AND_TOLD = """async () => {
  const {view} = liqstream.mapGrid.focus, {matrix} = view.market, {state} = liqstream.store;
  const line = view.chart.panes()[1].getSeries()[0].data();
  const told = await (await fetch(`api/context/${state.symbol}?window=${state.window}&interval=${liqstream.loader.interval}`)).json();
  const points = told.open_interest_usd.map((usd, i) => [told.start_time + i * told.interval_ms, usd])
    .filter(([time, usd]) => usd !== null && matrix.holds(matrix.columnAt(time)));
  return {drawn: line.slice(0, -2).map(({time, value}) => [time * 1000, value]), told: points, count: line.length};
}"""


def until_loaded(page: Page) -> None:
    """The pane's answer is of the window in sight."""
    page.wait_for_function(f"() => /highest bar \\$/.test({NOTE}.replaceAll('\\n', ' '))")


CUT_OFF = """() => { const strip = document.querySelector('#context'), {left, right, bottom} = strip.getBoundingClientRect();
  return [...strip.children].filter(each => { const box = each.getBoundingClientRect();
    return box.width && (box.left < left || box.right > right + 1 || box.bottom > bottom + 1); }).map(each => each.className); }"""


def test_strip_and_pane(page: Page, watch: Watch, open_page: Open, demo_url: str) -> None:
    """By key and by link, through other windows, markets, sizes and themes; and when the answer does not come."""
    opened = open_page(demo_url, dots="0")
    page.wait_for_function(FIGURES)
    text = page.inner_text("#context").replace("\n", " ")
    assert re.search(r"[+−][\d.]+ % 1 h\s+[+−][\d.]+ % 24 h", text), text
    assert re.search(r"Funding [+−]0\.\d{4} % in \d+:\d\d:\d\d", text), text
    assert re.search(r"24h volume \$[\d.]+B .*Map \d+ % longs \d+ % shorts", text), text
    for width in (1439, 1280, 1100, 900, 720, DESKTOP["width"]):
        page.set_viewport_size({"width": width, "height": DESKTOP["height"]})
        assert page.evaluate(CUT_OFF) == [], width
    page.keyboard.press("w")
    until_loaded(page)
    page.wait_for_function("() => location.search.includes('pane=oi')")
    assert page.get_attribute(".pane-button", "aria-pressed") == "true"
    upper, lower = opened.view(PANES)
    assert 0.2 < lower / (upper + lower) < 0.24
    opened.until(f"Math.abs(view.pane.height - ({PANES})[0]) < 3")
    assert opened.view("view.element.clientWidth") >= 0.63 * 1440
    opened.until(
        "Math.abs(view.chart.takeScreenshot(true, false).height / devicePixelRatio - view.element.clientHeight) < 3"
    )
    freeze(page)
    assert _after(page, "window 24h") == []
    watch.allowed.append("Failed to load|ERR_FAILED")
    page.route("**/api/context/**", lambda route: route.abort())
    page.click("#windows >> text='7d'")
    page.wait_for_function(f"() => {NOTE}.includes('did not load. Trying again')")
    page.keyboard.press("w")
    page.wait_for_selector(".lower-note", state="hidden")
    page.wait_for_function("() => !location.search.includes('pane')")
    opened.until("view.chart.panes().length === 1 && view.pane.height > arg", lower + 100)
    # What is on its way, what did not come and what is not known read differently.
    page.keyboard.press("]")
    page.wait_for_selector("#context >> text=did not load, trying again")
    page.route("**/api/context/**", lambda route: None)
    page.keyboard.press("[")
    page.wait_for_function(
        "() => /^Open interest …/.test(document.querySelector('#context').innerText.replaceAll('\\n', ' '))"
    )


@pytest.mark.attack
@pytest.mark.parametrize("change", ["window 7d", "key ]", "key t", "size 1100 700", "size 390 844"])
def test_the_pane_stays_with_its_map(open_page: Open, demo_url: str, change: str) -> None:
    """Another window, market, theme or size: the map fills its place, and the pane is of the map's columns."""
    opened = open_page(demo_url, dots="0", pane="oi")
    until_loaded(opened.page)
    freeze(opened.page)
    assert _after(opened.page, change) == []


def _after(page: Page, change: str) -> list[str]:
    """What is wrong with map and pane after a change."""
    kind, *of = change.split()
    if kind == "window":
        page.click(f"#windows >> text='{of[0]}'")
    elif kind == "size":
        page.set_viewport_size({"width": int(of[0]), "height": int(of[1])})
    else:
        page.keyboard.press(of[0])
    rest(page)
    until_loaded(page)
    rest(page)
    _is_as_told(page)
    return list(proof(page).faults)


def _is_as_told(page: Page) -> None:
    """Column by column, the newest aside, which still moves."""
    found = page.evaluate(DRAWN_AND_TOLD)
    told = dict(map(tuple, found["told"]))
    assert found["count"] > 90
    off = [time for time, value in found["drawn"] if told.get(time) != value]
    assert off == []


WITH_A_GAP = """() => { const {market} = liqstream.mapGrid.focus.view, {matrix, header} = market, {columns, rows} = header;
  const side = name => Float64Array.from({length: columns}, (_, c) => c >= 90 && c < 160 ? NaN : matrix.candle(c)?.[name] ?? matrix.p0);
  const cells = () => new Uint16Array(rows * columns);
  liqstream.client.close();
  market.now = null;
  market.takeHistory({header: {...header, t0: matrix.t0}, long: cells(), short: cells(),
    candles: {open: side('open'), high: side('high'), low: side('low'), close: side('close')}}); }"""


def test_no_line_of_open_interest_leads_over_a_gap(page: Page, open_page: Open, demo_url: str) -> None:
    """Where nothing was recorded nothing is drawn: a line from one side to the other would read as a figure."""

    def without_some(route: Route) -> None:
        body = route.fetch().json()
        body["open_interest_usd"][100:150] = [None] * len(body["open_interest_usd"][100:150])
        route.fulfill(json=body)

    page.route("**/api/context/**", without_some)
    opened = open_page(demo_url, pane="oi", dots="0")
    until_loaded(page)
    columns = "view.chart.panes()[1].getSeries()[0].data().filter(arg).map(({time}) => market.matrix.columnAt(time * 1000))"
    hidden = columns.replace("arg", "({color}) => color === 'transparent'")
    assert opened.view(f"{hidden}.length") == 0
    page.evaluate(WITH_A_GAP)
    opened.until(f"{hidden}.length === 1")
    [after] = opened.view(hidden)
    assert after >= 150
    assert after - 1 not in opened.view(columns.replace("arg", "() => true"))


@pytest.mark.parametrize(
    "context", [{"viewport": PHONE, "has_touch": True, "is_mobile": True}], indirect=True
)
def test_on_a_phone_the_strip_is_one_line(page: Page, open_page: Open, demo_url: str) -> None:
    """It is swiped sideways, and the page is no wider for it; the pane's note stays within the map."""
    opened = open_page(demo_url, pane="oi")
    page.wait_for_function(FIGURES)
    until_loaded(page)
    strip = page.evaluate(
        "(({scrollWidth, clientWidth, offsetHeight}) => [scrollWidth, clientWidth, offsetHeight])(document.querySelector('#context'))"
    )
    assert strip[0] > strip[1]
    assert strip[2] <= 30
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    # Where it goes on its words fade, instead of being cut.
    ends = ["end", "start end", "start"]
    for at, end in zip((0, 40, strip[0]), ends, strict=True):
        page.evaluate("at => document.querySelector('#context').scrollTo(at, 0)", at)
        page.wait_for_function("ends => document.querySelector('#context').dataset.more === ends", arg=end)
    page.evaluate("document.querySelector('#context').scrollTo(0, 0)")
    right = page.evaluate("document.querySelector('.lower-note').getBoundingClientRect().right")
    assert right <= opened.view("view.element.getBoundingClientRect().right")
    assert (
        page.evaluate(
            "(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(document.querySelector('.lower-note'))"
        )
        <= 0
    )
    freeze(page)
    rest(page)
    assert proof(page).faults == ()
