"""The axes: prices of any size, local midnights, the price now, and the gestures that belong to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Opened
from tests.browser.pixels import freeze, rest

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

# The same market 10^k times dearer, from an axis of fixed width: the share of its pixels that are not the first's, and its labels.
SCALED = """async ([base, k]) => {
  const {view} = liqstream.mapGrid.focus, {market} = view, factor = 10 ** k, rows = 120, {columns} = market.header;
  view.chart.priceScale('right').applyOptions({minimumWidth: 160});
  const long = new Uint16Array(rows * columns), short = new Uint16Array(rows * columns);
  const candles = {open: [], high: [], low: [], close: []}, step = base * 0.001;
  for (let c = 0; c < columns; c++) {
    const price = base * (1 + 0.01 * Math.sin(c / 15));
    for (const [name, value] of [['open', price], ['high', price * 1.001], ['low', price * .999], ['close', price * 1.0005]])
      candles[name].push(value * factor);
    for (let r = 0; r < rows; r++) (r < rows / 2 ? long : short)[c * rows + r] = 300 + (r * 7 + (c >> 4) * 3) % 200;
  }
  for (const name in candles) candles[name] = Float64Array.from(candles[name]);
  market.now = null;
  market.takeHistory({header: {...market.header, rows, columns, p0: base * 0.94 * factor, step: step * factor, gaps: []}, long, short, candles});
  const frame = () => new Promise(done => requestAnimationFrame(done));
  for (let i = 0; i < 4; i++) await frame();
  await new Promise(done => setTimeout(done, 250));
  for (let i = 0; i < 2; i++) await frame();
  const canvas = view.chart.takeScreenshot(), ratio = canvas.width / view.element.clientWidth;
  const {width, height} = view.pane;
  const {data} = canvas.getContext('2d').getImageData(0, 0, Math.round(width * ratio), Math.round(height * ratio));
  const pixels = new Uint32Array(data.buffer), first = globalThis.firstPixels ??= pixels;
  const off = pixels.length === first.length ? pixels.reduce((n, word, i) => n + (word !== first[i]), 0) / pixels.length : 1;
  return {off, colours: new Set(pixels).size, width,
          close: view.candles.priceFormatter().format(market.matrix.candle(columns - 1).close), wanted: market.matrix.candle(columns - 1).close};
}"""

TICKS = """() => {
  const {view} = liqstream.mapGrid.focus, marks = [];
  view.chart.applyOptions({timeScale: {tickMarkFormatter: (time, type) => { marks.push([1000 * time, type]); return 'x'; }}});
  return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(marks))));
}"""


@pytest.mark.long
@pytest.mark.parametrize("base", [pytest.param(1.0003, marks=pytest.mark.attack), 10_003])
def test_a_market_ten_times_dearer_is_the_same_picture(open_page: Open, demo_url: str, base: float) -> None:
    """From 10^-9 to 10^7, on an axis of fixed width: the same pixels, and labels right to 1e-5."""
    opened = open_page(demo_url, dots="0", theme="dark")
    freeze(opened.page)
    rest(opened.page)
    first: dict[str, Any] = opened.page.evaluate(SCALED, [base, 0])
    assert first["colours"] > 10
    for k in (-9, -6, -4, -1, 1, 3):
        scaled = opened.page.evaluate(SCALED, [base, k])
        assert scaled["width"] == first["width"]
        assert scaled["off"] <= 0.002, k
        assert float(scaled["close"].replace(",", "")) == pytest.approx(
            scaled["wanted"], rel=1e-4 if base * 10**k >= 10_000 else 1e-5
        )


# Rows of the profile, near its left edge, that are neither bar nor ground.
SEAMS = """(() => { const canvas = document.querySelector('.profile canvas');
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
  copy.drawImage(canvas, 0, 0);
  const {data} = copy.getImageData(6, 0, 1, Math.round(view.pane.height * devicePixelRatio));
  let [bars, seams] = [0, 0];
  for (let i = 3; i < data.length; i += 4) { bars += data[i] === 255; seams += data[i] > 0 && data[i] < 255; }
  return [bars, seams]; })()"""


@pytest.mark.parametrize("context", [{"device_scale_factor": 1.25}], indirect=True)
def test_the_bars_beside_a_zoomed_map_have_no_seams(open_page: Open, demo_url: str) -> None:
    """At 125 % the device's pixels are no part of the page's: each bar begins and ends with one of the device's."""
    opened = open_page(demo_url, dots="0")
    opened.until(f"{SEAMS}[0] > 200")
    bars, seams = opened.view(SEAMS)
    assert seams < bars / 5


@pytest.mark.parametrize("zone", ["Europe/London", "Australia/Lord_Howe", "UTC"])
def test_days_begin_at_local_midnight_also_where_the_clock_changes(
    browser: Any, demo_url: str, zone: str
) -> None:
    """Day marks over both changes of the clock stand at 00:00 of the viewer's zone, and no bar is lost."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id=zone, locale="en-GB")
    page = context.new_page()
    page.goto(demo_url)
    page.wait_for_function(
        "() => globalThis.liqstream?.client && liqstream.mapGrid.focus.view.heat.frames > 1"
    )
    freeze(page)
    for start in ("2026-03-27T00:00Z", "2026-10-23T00:00Z", "2026-04-03T00:00Z", "2026-10-02T00:00Z"):
        bars = page.evaluate(
            """start => { const {view} = liqstream.mapGrid.focus, {market} = view, columns = 288, rows = 10;
              const series = () => new Float64Array(columns).fill(market.matrix.p0);
              const cells = () => new Uint16Array(rows * columns).fill(400);
              market.now = null;
              market.takeHistory({header: {...market.header, rows, columns, t0: Date.parse(start), interval_ms: 900000, gaps: []},
                long: cells(), short: cells(), candles: {open: series(), high: series(), low: series(), close: series()}});
              return view.candles.data().length; }""",
            start,
        )
        assert bars == 288
        marks = page.evaluate(TICKS)
        local = page.evaluate(
            """marks => marks.filter(([, type]) => type <= 2).map(([ms]) =>
              new Date(ms).toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'}))""",
            marks,
        )
        assert len(local) >= 2, start
        assert set(local) == {"00:00"}, start
    context.close()


def test_in_another_time_zone_times_and_their_offset_change_together(browser: Browser, demo_url: str) -> None:
    """A machine that travels: the page begins anew with its view; it wrote old times beside the new offset."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        zone = context.new_cdp_session(page)
        for name, offset in (("Europe/Berlin", "UTC+1"), ("Asia/Kathmandu", "UTC+5:45")):
            zone.send("Emulation.setTimezoneOverride", {"timezoneId": name})
            if page.url.startswith("http"):
                with page.expect_navigation():
                    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
            else:
                page.goto(f"{demo_url}/?symbol=ETHUSDT&window=24h")
            page.wait_for_function("() => document.querySelector('#alerts-button[aria-expanded]')")
            times = page.evaluate(
                """() => { const {clock, market} = liqstream.mapGrid.focus.view, noon = Date.UTC(2026, 0, 5, 12);
                  return [market.symbol, clock.offsetText(noon), clock.format(noon, 'minute')]; }"""
            )
            hour, minute = (int(each) for each in times[2].split(":"))
            assert times[:2] == ["ETHUSDT", offset]
            assert 60 * (hour - 12) + minute == {"UTC+1": 60, "UTC+5:45": 345}[offset]


def test_the_price_label_is_the_price_now(open_page: Open, demo_url: str) -> None:
    """Also scrolled back, where the chart library's own would be the last bar in sight."""
    opened = open_page(demo_url)
    opened.view("(view.viewport.zoomTime(.3), view.viewport.pan(-1, 0))")
    opened.until("!view.viewport.following")
    opened.until("view.candles.priceLines()[0].options().price === market.now.price")
    assert opened.view("view.candles.priceLines()[0].options().axisLabelVisible")
    assert not opened.view("view.candles.options().lastValueVisible")


def test_the_axes_have_their_own_gestures(open_page: Open, demo_url: str) -> None:
    """The wheel over the price axis zooms the price alone; a double-click on the time axis shows the whole window."""
    opened = open_page(demo_url)
    page = opened.page
    box = page.locator("#maps .chart").first.bounding_box()
    assert box is not None
    width = opened.view("view.pane.width")
    times, prices = opened.view("[view.viewport.times(), view.viewport.prices()]")
    page.mouse.move(box["x"] + width + 20, box["y"] + 300)
    page.mouse.wheel(0, -300)
    opened.until("view.viewport.isFree")
    assert opened.view("view.viewport.times()") == pytest.approx(times, abs=1)
    low, high = opened.view("view.viewport.prices()")
    assert high - low < 0.8 * (prices[1] - prices[0])
    page.mouse.move(box["x"] + 500, box["y"] + 300)
    page.mouse.wheel(0, -600)
    page.wait_for_function("() => liqstream.store.state.times.length === 2")
    page.mouse.dblclick(box["x"] + 500, box["y"] + box["height"] - 8)
    page.wait_for_function("() => liqstream.store.state.times.length === 0")
    assert opened.view("view.viewport.isWhole")


@pytest.mark.parametrize(
    "context", [{"viewport": {"width": 390, "height": 844}, "has_touch": True}], indirect=True
)
def test_two_fingers_up_and_down_stretch_the_price(open_page: Open, demo_url: str) -> None:
    """Time stays; across, two fingers zoom the time as ever."""
    opened = open_page(demo_url)
    before = opened.view("[view.viewport.times(), view.viewport.prices()]")
    session = opened.page.context.new_cdp_session(opened.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]},
        )

    touch("touchStart", (150, 300), (150, 420))
    for spread in (10, 30, 60, 90):
        touch("touchMove", (150, 300 - spread), (150, 420 + spread))
    touch("touchEnd")
    opened.until("view.viewport.isFree")
    low, high = opened.view("view.viewport.prices()")
    assert high - low < 0.7 * (before[1][1] - before[1][0])
    assert opened.view("view.viewport.times()") == pytest.approx(before[0], rel=1e-9, abs=2000)


@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}],
    indirect=True,
)
def test_one_finger_pans_the_map(open_page: Open, demo_url: str) -> None:
    """A real touch: the moment under the finger stays under it, the price range and the page stay where they are."""
    opened = open_page(demo_url)
    opened.view("view.viewport.zoomTime(.5)")
    opened.until("liqstream.store.state.times.length === 2")
    box = opened.page.locator("#maps .chart").first.bounding_box()
    assert box
    y = box["y"] + 120
    session = opened.page.context.new_cdp_session(opened.page)
    under = "view.pointAt(arg, 120).timeMs"

    def touch(kind: str, *xs: float) -> None:
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": box["x"] + x, "y": y} for x in xs]},
        )

    before = opened.view(under, 60)
    touch("touchStart", 60)
    for x in range(70, 130, 10):
        touch("touchMove", x)
    opened.settle()
    held = opened.view(under, 120)
    for x in range(130, 190, 10):
        touch("touchMove", x)
    opened.settle()
    assert opened.view(under, 180) == pytest.approx(held, abs=2 * 900_000)
    assert opened.view(under, 60) < before
    touch("touchEnd")
    opened.page.wait_for_selector(".pill:not([hidden])")
    assert opened.view("view.viewport.times()[1]") < opened.view("market.now.timeMs")
    assert opened.view("view.viewport.isFree") is False
    assert opened.page.evaluate("scrollX + scrollY") == 0


def test_a_move_in_time_alone_leaves_the_profile_as_it_is(open_page: Open, demo_url: str) -> None:
    """A slow phone would draw it with every frame of a drag; other prices in sight draw it anew."""
    opened = open_page(demo_url, fit="map")
    opened.page.wait_for_function("() => liqstream.mapGrid.focus.profile?.figures.length > 0")
    drawn = opened.page.evaluate(
        """async () => {
          const {view, profile, profileElement} = liqstream.mapGrid.focus, time = view.chart.timeScale();
          const frames = async () => { for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame); };
          liqstream.client.close();
          profile.request = () => {}; // whatever else may have changed meanwhile: only moves are looked at
          time.scrollToPosition(time.scrollPosition() - 1, false);
          await frames();
          const context = profileElement.querySelector('canvas').getContext('2d'), fill = context.fillRect;
          let count = 0;
          context.fillRect = (...given) => { count++; fill.apply(context, given); };
          const {from, to} = time.getVisibleLogicalRange(), found = [];
          for (let i = 1; i < 6; i++) {
            time.setVisibleLogicalRange({from: from - i, to: to - i});
            await new Promise(requestAnimationFrame); // before it comes to rest, when colours may change
          }
          found.push(count > 0, time.getVisibleLogicalRange().from < from);
          view.viewport.zoomPrice(0.8);
          await frames();
          return [...found, count > 0];
        }"""
    )
    assert drawn == [False, True, True]


@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}],
    indirect=True,
)
def test_a_drag_writes_nothing_that_stays_as_it_is(open_page: Open, demo_url: str) -> None:
    """No text of the page, no option of the chart, and below the closed sheet nothing at all: a slow phone draws the
    map alone. What stands on the sheet goes on, and once it is open all of it is there."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_function("() => document.querySelector('#sheet-summary').textContent.includes('▲')")
    written: dict[str, int] = page.evaluate(
        """async () => {
          const {client, mapGrid} = liqstream, {view} = mapGrid.focus, time = view.chart.timeScale();
          const found = {texts: 0, covered: 0}, side = document.querySelector('#side-body');
          client.close();
          const {from, to} = time.getVisibleLogicalRange();
          time.setVisibleLogicalRange({from: from - 9, to: to - 9}); // back, so that there is a way to now
          for (let i = 0; i < 60; i++) await new Promise(requestAnimationFrame);
          new MutationObserver(found_ => { for (const {type, target} of found_) {
            if (side.contains(target)) found.covered++;
            else if (type !== 'attributes' && view.element.contains(target)) found.texts++;
          } }).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
          for (let i = 10; i < 20; i++) {
            time.setVisibleLogicalRange({from: from - i, to: to - i});
            await new Promise(requestAnimationFrame);
          }
          const {texts} = found;
          document.querySelector('#sheet-summary').textContent = '';
          for (let i = 0; i < 40; i++) {
            mapGrid.market.takeTick({...client.snapshot(mapGrid.market.symbol), currentPrice: mapGrid.market.now.price});
            await new Promise(done => setTimeout(done, 20));
          }
          return {...found, texts, summary: document.querySelector('#sheet-summary').textContent.length};
        }"""
    )
    assert written["texts"] == 0
    assert written["covered"] == 0
    assert written["summary"] > 0
    page.tap("#sheet-handle")
    page.wait_for_function("() => document.querySelector('#side-body .ladder tbody').innerText.includes('%')")


# Of each axis's own canvas the pixels at its ends that are not of its ground: left and right of the time axis, top and
# bottom of the price axis.
AT_THE_ENDS = """() => {
  const {view, chartElement} = liqstream.mapGrid.focus, rows = [...chartElement.querySelectorAll('tr')];
  const time = rows.at(-1).querySelectorAll('td')[1].querySelector('canvas');
  const price = rows[0].querySelectorAll('td')[2].querySelector('canvas');
  const ink = (canvas, x, y, width, height) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
    copy.drawImage(canvas, 0, 0);
    const words = new Uint32Array(copy.getImageData(x, y, width, height).data.buffer);
    const ground = new Uint32Array(copy.getImageData(canvas.width >> 1, canvas.height - 1, 1, 1).data.buffer)[0];
    return words.filter(word => word !== ground).length;
  };
  const {width, height} = time, all = ink(time, 0, 0, width, height);
  return {all, ends: [ink(time, 0, 0, 1, height), ink(time, width - 1, 0, 1, height),
    ink(price, 0, 0, price.width - 8, 1), ink(price, 0, price.height - 1, price.width - 8, 1)]};
}"""


def test_no_label_is_cut_by_the_end_of_its_axis(open_page: Open, demo_url: str) -> None:
    """Wherever the map is moved to, in time and in price: a label is whole, or not there."""
    opened = open_page(demo_url)
    freeze(opened.page)
    cut: list[object] = []
    for width, height in ((1440, 900), (1024, 768), (390, 844), (844, 390)):
        opened.page.set_viewport_size({"width": width, "height": height})
        rest(opened.page)
        for step in range(12):
            opened.view("view.viewport.pan(-0.013, arg)", 0.011 if step < 6 else -0.011)
            opened.settle()
            found = opened.page.evaluate(AT_THE_ENDS)
            assert found["all"] > 50
            if any(found["ends"]):
                cut.append((width, height, step, found["ends"]))
    assert cut == []
