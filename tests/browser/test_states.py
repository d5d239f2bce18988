"""What stays, goes and is told when the map changes under it: boxes, toasts, veils, a view of nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import DRAWN, PHONE, Opened, Watch
from tests.browser.pixels import freeze, rest, share_off

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]


# What is to press in an open menu, dialog or sheet and reaches beyond it.
CUT = """() => [...document.querySelectorAll('.popover, dialog[open], .side.open')].flatMap(box =>
  [...box.querySelectorAll('button:not(.handle), input, select')].filter(part =>
    part.offsetParent && part.getBoundingClientRect().right > box.getBoundingClientRect().right - 4)
    .map(part => part.innerText || part.ariaLabel))"""


def measure(opened: Opened) -> None:
    """A box by Shift and the mouse."""
    box = opened.page.locator("#maps .chart").first.bounding_box()
    assert box is not None
    opened.page.wait_for_selector(".measure", state="attached")
    opened.page.keyboard.down("Shift")
    opened.page.mouse.move(box["x"] + 500, box["y"] + 500)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 700, box["y"] + 250, steps=4)
    opened.page.mouse.up()
    opened.page.keyboard.up("Shift")
    opened.page.wait_for_selector(".measure-label:not([hidden])")


CORNERS = """(() => { const {left, top, width, height} = document.querySelector('.measure').style, n = parseFloat;
  const a = view.pointAt(n(left), n(top)), b = view.pointAt(n(left) + n(width), n(top) + n(height));
  return [a.timeMs, b.timeMs, a.price, b.price]; })()"""


def corners(opened: Opened) -> list[float]:
    """Times and prices at the box's left, right, top and bottom."""
    found: list[float] = opened.view(CORNERS)
    return found


def test_a_measured_box_moves_with_the_map(open_page: Open, demo_url: str) -> None:
    """Its times and prices stay through pan, zoom and resize; Escape and another market remove it."""
    opened = open_page(demo_url)
    page = opened.page
    measure(opened)
    before, text = corners(opened), page.inner_text(".measure-label b")
    for change in ("view.viewport.pan(-0.1, 0.05)", "view.viewport.zoomTime(1.2)"):
        opened.view(change)
        opened.settle()
        opened.settle()
        now = corners(opened)
        assert now[:2] == pytest.approx(before[:2], abs=900_000)
        assert now[2:] == pytest.approx(before[2:], rel=1e-3)
    page.set_viewport_size({"width": 1200, "height": 800})
    opened.settle()
    opened.settle()  # and again where the strip above has wrapped
    opened.until(f"{CORNERS}.slice(2).every((price, i) => Math.abs(price / arg[i] - 1) < 1e-3)", before[2:])
    assert page.inner_text(".measure-label b") == text
    page.keyboard.press("Escape")
    assert page.is_hidden(".measure")
    page.set_viewport_size({"width": 1440, "height": 900})
    measure(opened)
    page.keyboard.press("]")
    page.wait_for_selector(".measure", state="hidden")


def test_toasts_do_not_cover_the_map(open_page: Open, demo_url: str) -> None:
    """Three are shown; the others are counted, and go with one press."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#export-button[aria-expanded]")
    page.click("#alerts-button")
    for at, value in ((0, "30"), (1, "0.01")):
        page.locator(".rule input[type=number]").nth(at).fill(value)
        page.locator(".rule input[type=number]").nth(at).press("Tab")
    page.locator(".rule input[type=checkbox]").nth(0).check()
    page.wait_for_selector(".toast.more")
    assert page.locator(".toast:not(.more)").count() == 3
    assert page.inner_text(".toast.more").startswith("+")
    page.keyboard.press("Escape")
    page.click(".toast.more")
    assert page.locator(".toast").count() == 0


def test_a_window_on_its_way_is_shown_over_the_old_map(open_page: Open, page: Page, demo_url: str) -> None:
    """A slow history: 'Loading 7d' until it is there; a quick one needs no word."""
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/history?window=7d*", hold)  # before it is open: a page may be quicker than its new rule
    opened = open_page(demo_url)
    page.click("#windows >> text='7d'")
    page.wait_for_selector(".veil:not([hidden]) >> text=Loading 7d")
    waiting[0].continue_()
    page.wait_for_selector(".veil", state="hidden")
    assert opened.view("market.matrix.intervalMs") == 900_000


@pytest.mark.parametrize("answer", ["out of reach", "failed"])
def test_a_history_that_fails_is_explained(
    open_page: Open, page: Page, watch: Watch, demo_url: str, answer: str
) -> None:
    """The first one, another window's over the old map: why, and that it is requested again; then it comes."""

    def fail(route: Route) -> None:
        if answer == "failed":
            route.fulfill(status=503, json={"error": "the store is busy"})
        else:
            route.abort()

    why = {"failed": "the store is busy", "out of reach": "no answer from the server"}[answer]
    page.route("**/history?window=3d*", fail)
    page.route("**/history?window=7d*", fail)
    watch.allowed.append("Failed to load resource")
    opened = open_page(demo_url, drawn=False)
    page.wait_for_selector(f".empty >> text={why}. Trying again.")
    page.unroute("**/history?window=3d*")
    page.evaluate("() => liqstream.loader.reload()")  # which it does by itself after 5 s
    page.wait_for_function(DRAWN)
    assert page.locator(".empty").is_hidden()
    page.click("#windows >> text='7d'")
    page.wait_for_selector(f".veil >> text=7d did not load: {why}. Trying again.")
    page.unroute("**/history?window=7d*")
    page.evaluate("() => liqstream.loader.reload()")
    page.wait_for_selector(".veil", state="hidden")
    assert opened.view("market.matrix.end - market.matrix.first") > 600


def test_a_market_on_its_way_has_its_price_and_no_levels_of_nowhere(
    open_page: Open, page: Page, demo_url: str
) -> None:
    """The socket is quicker than a slow history: the price is told, and nothing is drawn beside an axis without prices."""
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route(
        "**/api/heatmap/ETHUSDT/history?*", hold
    )  # before it is open: a page may be quicker than its new rule
    opened = open_page(demo_url)
    page.keyboard.press("]")
    opened.until("market.symbol === 'ETHUSDT' && market.now && !market.matrix")
    page.wait_for_selector("#ohlc .price")
    drawn = """(canvas => { const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
      copy.drawImage(canvas, 0, 0);
      return new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer).some(word => word);
    })(liqstream.mapGrid.focus.profileElement.querySelector('canvas'))"""
    opened.until(f"!{drawn}")
    assert page.inner_text(".profile-max") == ""
    waiting[0].continue_()
    opened.until(drawn)


def test_a_theme_switched_while_all_is_open_reaches_everything(
    open_page: Open, page: Page, demo_url: str
) -> None:
    """Map, colour bar, profile, tooltip and menu: switched is as drawn anew, and switched back as before."""
    opened = open_page(demo_url)
    opened.until("view.dots && market.mix")
    page.route("**/api/**", lambda _route: None)
    freeze(page)
    opened.until_indicator("disconnected")
    page.keyboard.press("d")
    page.mouse.move(500, 500)
    page.wait_for_selector(".tooltip:not([hidden])")
    shots = []
    for _ in range(4):
        page.keyboard.press("t")
        rest(page)
        shots.append(page.screenshot())
    light, dark, again, _ = shots
    assert share_off(page, light, again) <= 0.002  # ages and countdowns go on
    page.keyboard.press("t")
    assert share_off(page, dark, light) > 0.3
    rest(page)
    opened.view(
        "(liqstream.legend.draw(), liqstream.mapGrid.focus.update(), view.heat.forget(), view.chart.applyOptions({}))"
    )
    rest(page)
    assert share_off(page, light, page.screenshot()) <= 0.002


def test_a_view_of_nothing_says_how_to_leave_it(open_page: Open, demo_url: str) -> None:
    """Prices, or times, far from the map: a button and a key lead back."""
    opened = open_page(demo_url, prices="1~2", fit="free")
    page = opened.page
    page.wait_for_selector(".reset:not([hidden]) >> text=Nothing in sight: R resets")
    page.keyboard.press("r")
    page.wait_for_selector(".reset", state="hidden")
    opened.view("view.viewport.showPrices([1, 2])")
    page.click(".reset")
    page.wait_for_selector(".reset", state="hidden")
    assert opened.state("fit") == "near"


@pytest.mark.parametrize("context", [{"viewport": {"width": 360, "height": 225}}], indirect=True)
def test_at_400_per_cent_the_page_scrolls_to_its_map(open_page: Open, demo_url: str) -> None:
    """A window of 1440 x 900 zoomed so: the map has room, all of it can be brought into sight, nothing is wider."""
    opened = open_page(demo_url)
    assert opened.view("view.pane.height") > 150
    opened.page.evaluate("scrollTo(0, 1000)")
    chart = opened.page.locator("#maps .chart").bounding_box()
    assert chart
    assert chart["y"] + chart["height"] <= 225
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 360


WITHOUT_LEVELS = """() => { const {market} = liqstream.mapGrid.focus.view, {matrix, header} = market, {rows} = header, columns = header.columns - 1;
  const side = name => Float64Array.from({length: columns}, (_, c) => matrix.candle(c)?.[name] ?? NaN);
  liqstream.client.close();
  market.now = null;
  market.takeHistory({header: {...header, columns, quality: ['no_open_interest', 'calibrating']},
    long: new Uint16Array(rows * columns), short: new Uint16Array(rows * columns),
    candles: {open: side('open'), high: side('high'), low: side('low'), close: side('close')}}); }"""


def test_a_map_without_open_interest_says_so(open_page: Open, demo_url: str) -> None:
    """Black for want of data is not black for want of levels, and a share of nothing has no bar."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#context .sides:visible")
    page.evaluate(WITHOUT_LEVELS)
    page.wait_for_selector(".empty >> text=No open interest is known of this market")
    page.wait_for_selector("#context .sides", state="hidden")


def test_what_was_done_is_seen(open_page: Open, demo_url: str) -> None:
    """A cluster chosen flashes on the map; a copied link is told."""
    opened = open_page(demo_url)
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click(".ladder tbody button >> visible=true >> nth=0")
    page.wait_for_selector(".flash")
    page.wait_for_selector(".flash", state="detached")
    page.keyboard.press("e")
    page.click(".item >> text=Link")
    page.wait_for_selector(".note >> text=Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


SMALL = """() => [...document.querySelectorAll('button, a, select, input, [role=slider], [role=button]')].filter(element => {
  const {width, height} = element.getBoundingClientRect();
  const box = element.closest('label') && element.type === 'checkbox' ? element.closest('label').getBoundingClientRect() : {width, height};
  return element.checkVisibility({visibilityProperty: true}) && width && (box.width < 43.5 || box.height < 43.5);
}).map(element => `${element.id || element.className || element.textContent}: ${JSON.stringify(element.getBoundingClientRect())}`)"""


@pytest.mark.parametrize(
    "context",
    [
        {"viewport": PHONE, "has_touch": True, "is_mobile": True},
        {"viewport": {"width": 844, "height": 390}, "has_touch": True, "is_mobile": True},
        {"viewport": {"width": 932, "height": 430}, "has_touch": True, "is_mobile": True},
    ],
    indirect=True,
    ids=["upright", "on its side", "a large one on its side"],
)
def test_a_finger_finds_everything(open_page: Open, demo_url: str) -> None:
    """Nothing to press is smaller than 44 px, in menus and the sheet too; measuring and a price alert by touch."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#export-button[aria-expanded]")
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in ("#alerts-button", "#export-button", "#display-button", "#sheet-handle", "#help-button"):
        page.tap(button)
        opened.settle()
        assert page.evaluate(SMALL) == [], button
        assert page.evaluate(CUT) == [], button
        if button == "#help-button":
            page.tap("dialog.help .close")
        else:
            page.tap(button)
    box = page.locator("#maps .chart").first.bounding_box()
    assert box is not None
    page.tap(".touch-tools button >> nth=0")
    session = page.context.new_cdp_session(page)
    times = opened.view("view.viewport.times()")
    for kind, *points in (
        ("touchStart", (box["x"] + 80, box["y"] + 60)),
        ("touchMove", (box["x"] + 140, box["y"] + 90)),
        ("touchMove", (box["x"] + 200, box["y"] + 110)),
        ("touchEnd",),
    ):
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
        )
    page.wait_for_selector(".measure-label:not([hidden])")
    assert opened.view("view.viewport.times()") == pytest.approx(times, abs=1)
    assert page.get_attribute(".touch-tools button >> nth=0", "aria-pressed") == "false"
    page.tap(".touch-tools button >> nth=1")
    page.touchscreen.tap(box["x"] + 150, box["y"] + 80)
    page.wait_for_selector(".mark-handle")
    assert page.evaluate(SMALL) == []


@pytest.mark.parametrize(
    "context",
    [
        {"viewport": {"width": width, "height": height}, "has_touch": True, "is_mobile": True}
        for width, height in ((667, 375), (844, 390), (932, 430))
    ],
    indirect=True,
    ids=["small", "usual", "large"],
)
def test_a_phone_on_its_side_has_the_whole_chart(open_page: Open, demo_url: str) -> None:
    """Its buttons are in the line of the closed sheet, each under the finger, and gone while the sheet is open."""
    opened = open_page(demo_url)
    page = opened.page
    tools = page.locator(".touch-tools button")
    tools.first.wait_for()
    misplaced = """() => {
      const {bottom} = document.querySelector('.map .chart').getBoundingClientRect();
      return [...document.querySelectorAll('.touch-tools button')].flatMap(each => {
        const {x, y, width, height} = each.getBoundingClientRect();
        const hit = document.elementFromPoint(x + width / 2, y + height / 2);
        return width >= 44 && height >= 44 && y >= bottom - 1 && hit === each ? [] : [each.ariaLabel]; }); }"""
    assert page.evaluate(misplaced) == []
    summary = page.locator("#sheet-summary").bounding_box()
    last = tools.last.bounding_box()
    assert summary is not None
    assert last is not None
    assert last["x"] + last["width"] <= summary["x"]
    page.tap("#sheet-handle")
    expect(tools.first).to_be_hidden()
    page.tap("#sheet-handle")
    expect(tools.first).to_be_visible()


@pytest.mark.parametrize("width", [1440, 1180, 900])
@pytest.mark.parametrize("price", ["104,234.5", "0.00000000123456"])
def test_the_panel_is_as_wide_as_what_is_in_it(
    open_page: Open, demo_url: str, width: int, price: str
) -> None:
    """Nothing of the ladder is beyond the panel's edge, whatever the price takes."""
    opened = open_page(demo_url)
    page = opened.page
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_selector(".ladder button:visible")
    opened.view("liqstream.client.close()")
    # The usual prices are in one line.
    assert page.evaluate("() => document.querySelector('.ladder .here th').offsetHeight") < 40
    room = """([where, text]) => { for (const each of document.querySelectorAll(where)) each.textContent = text;
      const side = document.querySelector('.side'); return side.clientWidth - side.scrollWidth; }"""
    prices = ".ladder tbody th span, .ladder .here th"
    assert page.evaluate(room, [prices, price]) == 0
    cell = page.locator(".ladder .here th")
    assert cell.evaluate("each => each.scrollWidth <= each.clientWidth")
    assert page.evaluate(room, [".ladder .amount b", 3 * price]) < 0  # or the measure would be worth nothing


@pytest.mark.parametrize(
    "context",
    [
        {"viewport": {"width": width, "height": height}, "has_touch": True, "is_mobile": True}
        for width, height in ((320, 568), (390, 844))
    ],
    indirect=True,
    ids=["small", "usual"],
)
def test_the_buttons_of_an_upright_phone_leave_the_axis_free(open_page: Open, demo_url: str) -> None:
    """Prices are read there; the way back to now is beside them."""
    opened = open_page(demo_url)
    page = opened.page
    page.locator(".touch-tools button").last.wait_for()
    opened.view("(view.viewport.zoomTime(.5), view.viewport.pan(-1, 0))")
    page.wait_for_selector(".pill:not([hidden])")
    beyond = opened.view(
        """[...document.querySelectorAll('.touch-tools button, .pill')].flatMap(each => {
          const {left, top, right, width, height} = each.getBoundingClientRect();
          const hit = document.elementFromPoint(left + width / 2, top + height / 2);
          return right <= view.element.getBoundingClientRect().left + view.pane.width && hit === each ? [] : [each.ariaLabel]; })"""
    )
    assert beyond == []
