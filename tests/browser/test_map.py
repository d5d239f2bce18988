"""The map: what is drawn is what the server said, and every control does what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]
BRIGHT_BANDS = (Path(__file__).parents[2] / "bench/bright_bands.js").read_text()


def test_it_draws_live_and_says_what_it_is(open_page: Open, demo_url: str) -> None:
    """A cold page shows the map, the price, the source and a green light, and goes on by itself."""
    opened = open_page(demo_url)
    opened.until_indicator("live")
    assert opened.page.inner_text("#labels") == "SIMULATED"
    assert "BTCUSDT" in opened.page.inner_text("#ohlc")
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg + 1", seq)
    assert len(np.unique(opened.picture())) > 20


def test_each_cell_is_drawn_in_the_colour_of_its_figure(open_page: Open, demo_url: str) -> None:
    """Pixels at cell centres read back as the colour table says for the rung of that cell."""
    opened = open_page(demo_url, candles="0", dots="0", view="density", window="12h")
    opened.settle()
    checked = opened.view(
        """(() => {
          const {matrix} = market, canvas = view.chart.takeScreenshot(), context = canvas.getContext('2d');
          const ratio = canvas.width / view.element.clientWidth, wrong = [];
          const image = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
          let right = 0;
          for (let c = matrix.first + 3; c < matrix.end - 1; c += 11) {
            for (let r = 5; r < matrix.rows; r += 9) {
              const x = view.xOf(c), y = view.yOf(matrix.priceOf(r));
              if (x < 4 || x > view.pane.width - 4 || y < 4 || y > view.pane.height - 4) continue;
              const height = view.yOf(matrix.priceOf(r)) - view.yOf(matrix.priceOf(r + 1));
              if (height < 2) continue;
              const cells = matrix.column(c), word = view.colours.table[Math.max(cells.long[r], cells.short[r])];
              if (word >>> 24 !== 255) continue;
              if (image[Math.round(y * ratio) * canvas.width + Math.round(x * ratio)] === word) right++;
              else wrong.push([c, r]);
            }
          }
          return {right, wrong: wrong.length};
        })()"""
    )
    assert checked["right"] > 100
    # The dashed price line crosses a few of them.
    assert checked["wrong"] <= 0.03 * checked["right"]


def test_longs_stand_below_the_price_and_shorts_above(open_page: Open, demo_url: str) -> None:
    """No level of the newest column is on the wrong side."""
    opened = open_page(demo_url)
    wrong = opened.view(
        """(() => { const {matrix, now} = market, cells = matrix.column(matrix.end - 1);
          return Array.from({length: matrix.rows}, (_, r) => matrix.priceOf(r)).filter((price, r) =>
            (cells.long[r] && price > now.price + matrix.step) || (cells.short[r] && price < now.price - matrix.step)
          ).length; })()"""
    )
    assert wrong == 0


KEYS: tuple[tuple[str, str, str | bool], ...] = (
    ("v", "view", "density"),
    ("b", "side", "long"),
    ("p", "palette", "magma"),
    ("s", "scale", "linear"),
    ("c", "candles", False),
    ("o", "dots", False),
    ("f", "fit", "candles"),
    ("t", "theme", "light"),
    ("7", "window", "30d"),
    ("l", "lock", True),
    ("u", "utc", True),
    ("n", "panel", False),
)


def test_keys_change_state_address_and_picture(open_page: Open, demo_url: str) -> None:
    """One key, one change: in the state, in the address and, where it is something to see, in pixels; and back."""
    opened = open_page(demo_url, symbol="ETHUSDT")
    opened.until("view.dots && market.liquidations.length")
    initial = opened.page.evaluate("liqstream.store.state")
    for key, field, value in KEYS:
        opened.keep_picture()
        opened.page.keyboard.press(key)
        assert opened.state(field) == value
        said = str(int(value)) if isinstance(value, bool) else value
        opened.page.wait_for_function("part => location.search.includes(part)", arg=f"{field}={said}")
        opened.settle()
        if field not in ("lock", "utc"):
            opened.until_it_looks_different()
        opened.page.evaluate("state => liqstream.store.set(state)", initial)
        opened.page.wait_for_function("part => !location.search.includes(part)", arg=f"{field}=")
        opened.page.wait_for_function("() => !liqstream.loader.isLoading")
        opened.settle()


def test_buttons_and_menu_do_the_same(open_page: Open, demo_url: str) -> None:
    """Markets, windows, views and the display menu, by mouse."""
    opened = open_page(demo_url)
    page = opened.page
    page.click("#markets >> text=ETH")
    opened.until("market.symbol === 'ETHUSDT' && market.now && market.matrix")
    assert "ETHUSDT" in page.inner_text("#ohlc")
    page.click("#windows >> text=12h")
    opened.until("market.matrix && market.matrix.intervalMs === 300000")
    page.click("#view >> text=All levels")
    assert opened.state("view") == "density"
    page.click("#display-button")
    page.click(".popover >> text=Shorts")
    assert opened.state("side") == "short"
    page.click(".popover >> text=Whole map")
    opened.settle()
    low, high = opened.view("view.viewport.prices()")
    assert low <= opened.view("market.matrix.bottom") * 1.001
    assert high >= opened.view("market.matrix.top") * 0.999
    page.keyboard.press("Escape")
    assert not page.is_visible(".popover")


def test_the_address_restores_the_view(open_page: Open, demo_url: str) -> None:
    """Window, view, thresholds, dragged range and time: a reload shows the same."""
    opened = open_page(demo_url, window="24h", view="density", palette="magma", low="50000")
    box = opened.page.locator("#maps .chart").first.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + 500, box["y"] + 300)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 800, box["y"] + 300, steps=4)
    opened.page.mouse.up()
    opened.page.wait_for_function("() => liqstream.store.state.times.length === 2")
    times = opened.state("times")
    opened.page.wait_for_function("() => location.search.includes('times=')")
    opened.page.reload()
    opened.until("view.heat.frames > 1 && market.now")
    assert opened.state("view") == "density"
    assert opened.state("low") == 50000
    assert opened.state("times") == times
    opened.settle()
    shown = opened.view("view.viewport.times()")
    assert abs(shown[0] - times[0]) < 2 * 300_000


def test_a_window_longer_than_the_records_shows_what_there_is(open_page: Open, demo_url: str) -> None:
    """A year of which a week was recorded is a week, a hatched edge, and words that say so."""
    opened = open_page(demo_url, window="30d")
    opened.settle()
    first, last = opened.view("view.viewport.times()")
    known = opened.view("market.matrix.timeOf(market.matrix.firstKnown)")
    end = opened.view("market.matrix.timeOf(market.matrix.end)")
    assert known - 0.2 * (end - known) < first < known < end < last < end + 0.2 * (end - known)
    assert re.fullmatch(r"Only .+ of history so far", opened.page.inner_text(".empty.corner"))
    assert opened.view("view.viewport.isWhole")
    assert opened.state("times") == []
    opened.page.click("#windows >> text=24h")
    opened.until("market.matrix && market.matrix.intervalMs === 300000")
    opened.page.wait_for_selector(".empty", state="hidden")


def test_a_short_window_still_knows_the_last_day_s_liquidations(
    open_page: Open, page: Page, demo_url: str
) -> None:
    """The panel tells 24 hours whatever the window is."""
    with page.expect_request(lambda request: "/api/liquidations/" in request.url) as asked:
        open_page(demo_url, window="12h")
    query = parse_qs(urlsplit(asked.value.url).query)
    assert int(query["end_time"][0]) - int(query["start_time"][0]) > 86_400_000


def test_scrolled_back_a_history_that_came_anew_leaves_the_view_where_it_is(
    open_page: Open, demo_url: str
) -> None:
    """Also one whose first column is another, as after a server's pause; and a second one before it was drawn."""
    opened = open_page(demo_url, window="24h")
    opened.page.wait_for_function("() => liqstream.client")
    opened.page.evaluate("() => liqstream.client.close()")
    opened.view("view.viewport.pan(-0.5, 0)")
    opened.page.wait_for_function("() => liqstream.store.state.times.length === 2")
    before = opened.view("view.viewport.times()")
    at_once = opened.view(
        """(() => { for (const later of [4, 3]) {
            const {matrix, header} = market, {rows, intervalMs} = matrix, columns = matrix.end - matrix.first;
            const none = () => new Uint16Array(rows * columns), flat = () => new Float64Array(columns).fill(market.now.price);
            market.takeHistory({header: {...header, columns, rows, t0: matrix.timeOf(matrix.first + later), gaps: []},
              long: none(), short: none(), candles: {open: flat(), high: flat(), low: flat(), close: flat()}});
          }
          return view.viewport.times(); })()"""
    )
    assert at_once == pytest.approx(before, abs=1)
    opened.settle()
    assert opened.view("view.viewport.times()") == pytest.approx(before, abs=1)
    width = before[1] - before[0]
    opened.view("(view.viewport.pan(-0.1, 0), view.viewport.pan(-0.1, 0))")
    opened.settle()
    assert before[0] - opened.view("view.viewport.times()")[0] == pytest.approx(0.2 * width, rel=0.01)


def test_scrolled_back_the_view_never_moves(open_page: Open, replay_url: str) -> None:
    """New columns leave the view where it is and are counted on the pill, which leads back."""
    opened = open_page(replay_url, window="24h")
    opened.view("view.viewport.pan(-0.5, 0)")
    opened.page.wait_for_selector(".pill:not([hidden])")
    opened.page.wait_for_function("() => liqstream.store.state.times.length === 2")
    before, end = opened.view("view.viewport.times()"), opened.view("market.matrix.end")
    opened.until("market.matrix.end >= arg + 3", end)
    assert opened.view("view.viewport.times()") == pytest.approx(before, abs=1)
    assert "new" in opened.page.inner_text(".pill")
    opened.page.click(".pill")
    opened.until("view.viewport.following")


def test_the_replay_appends_columns_and_repairs_candles(open_page: Open, replay_url: str) -> None:
    """REPLAY is shown; columns come as time passes, with candles as the server keeps them."""
    opened = open_page(replay_url, window="12h")
    assert opened.page.inner_text("#labels") == "REPLAY"
    end = opened.view("market.matrix.end")
    chart = opened.page.locator("#maps .chart").bounding_box()
    assert chart
    opened.page.mouse.move(chart["x"] + 300, chart["y"] + 200)
    opened.until("market.matrix.end >= arg + 8", end)
    # Under a pointer that rests the map has moved on: its figures are of the column that is there now.
    there = "`At ${view.clock.format(view.pointAt(300, 200).timeMs, 'full')}`"
    opened.until(f"document.querySelector('.tooltip .group b').textContent === {there}")
    opened.until("market.matrix.candle(arg).high > market.matrix.candle(arg).low", end)
    wanted = opened.page.evaluate(
        """async ([column]) => { const {matrix, symbol} = liqstream.mapGrid.focus.view.market;
          const answer = await fetch(`/prices/klines?symbol=${symbol}&interval=5m&limit=40`);
          const {data} = await answer.json();
          return data.find(k => Date.parse(k.timestamp) === matrix.timeOf(column)); }""",
        [end + 1],
    )
    opened.until("Math.abs(market.matrix.candle(arg[0]).high - arg[1]) < 1e-6", [end + 1, wanted["high"]])


def drawn_pixels(opened: Opened) -> int:
    """How many pixels differ from the background."""
    _, counts = np.unique(opened.picture(), return_counts=True)
    return int(counts.sum() - counts.max())


def test_the_colour_bar_is_the_threshold(open_page: Open, demo_url: str) -> None:
    """Dragging the low grip hides what is less, the high one clips; Delete lets go; the lock holds."""
    opened = open_page(demo_url, candles="0", dots="0")
    page = opened.page
    opened.settle()
    drawn = drawn_pixels(opened)
    grip, track = page.locator(".grip.low").bounding_box(), page.locator(".track").bounding_box()
    assert grip is not None
    assert track is not None
    page.mouse.move(grip["x"] + 10, grip["y"] + 10)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] * 0.5, grip["y"] + 10, steps=6)
    page.mouse.up()
    assert opened.state("low") > 1000
    opened.settle()
    assert drawn_pixels(opened) < drawn
    page.locator(".grip.low").press("Delete")
    assert opened.state("low") is None
    page.locator(".grip.high").press("ArrowLeft")
    high = opened.state("high")
    assert high is not None
    page.click(".lock")
    assert opened.state("lock") is True


def test_hover_tells_the_figures_of_the_cell(open_page: Open, demo_url: str) -> None:
    """The tooltip says the level's USD, its distance and what lies between, as the matrix has them."""
    opened = open_page(demo_url, dots="0")
    opened.until("market.mix")
    spot = opened.view(
        """(() => { const {matrix} = market, c = matrix.end - 1, cells = matrix.column(c);
          let best = -1;
          for (let r = 0; r < matrix.rows; r++) {
            const y = view.yOf(matrix.priceOf(r));
            if (y > 40 && y < view.pane.height - 40 && cells.short[r] > (best < 0 ? 0 : cells.short[best])) best = r;
          }
          const box = view.element.getBoundingClientRect();
          return {x: box.left + view.xOf(c), y: box.top + view.yOf(matrix.priceOf(best)), rung: cells.short[best], price: matrix.priceOf(best)}; })()"""
    )
    opened.page.mouse.move(spot["x"], spot["y"] - 30)
    opened.page.mouse.move(spot["x"], spot["y"])
    tooltip = opened.page.locator(".tooltip:not([hidden])")
    tooltip.wait_for()
    text = tooltip.inner_text()
    assert f"{spot['price']:,.0f}" in text
    for phrase in (
        "Now",
        "Short",
        "Above local average",
        "Age",
        "Cumulative short liquidations to this price",
        "Main leverage now",
    ):
        assert phrase in text
    assert "At " not in text
    assert re.search(r"\$\d{3},\d{3}", text) is None, "three figures"
    # Of the past, what was then and what is now stand in two groups, each with its own distance.
    opened.page.mouse.move(spot["x"] - 300, spot["y"])
    opened.page.wait_for_function("() => document.querySelector('.tooltip').innerText.includes('At ')")
    then, now = tooltip.inner_text().split("\nNow\n")
    assert "Above local average" in then
    assert "Cumulative short liquidations to this price" in now
    distances = [re.search(r"[+−]\d+\.\d\d %", part) for part in (then, now)]
    assert all(distances)


def test_where_the_range_of_prices_ends_is_drawn(open_page: Open, demo_url: str) -> None:
    """Beyond the map's prices it is hatched, beyond those of the profile too; hovering says what that means."""
    opened = open_page(demo_url, dots="0")
    opened.until("market.mix")
    profile = "liqstream.mapGrid.focus.profile.beyond"
    assert opened.view(profile) == {"above": 0, "below": 0}
    colours_at_the_top = """((...canvases) => canvases.map(canvas => {
      const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width >> 1, 30);
      return new Set(new Uint32Array(data.buffer)).size;
    }))(view.chart.takeScreenshot(), liqstream.mapGrid.focus.profileElement.querySelector('canvas'))"""
    opened.view("view.viewport.zoomPrice(6)")
    opened.until(f"{profile}.above > 60 && {profile}.below > 60")
    opened.settle()
    assert all(colours > 1 for colours in opened.view(colours_at_the_top))
    box = opened.page.locator("#maps .chart").first.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + 600, box["y"] + 20)
    opened.page.wait_for_selector(".tooltip:not([hidden]) >> text=Beyond the model's range")


def test_shift_drag_measures(open_page: Open, demo_url: str) -> None:
    """The box says percent, time and USD, and the chart does not move under it."""
    opened = open_page(demo_url)
    box = opened.page.locator("#maps .chart").first.bounding_box()
    assert box is not None
    before = opened.view("view.viewport.times()")
    opened.page.keyboard.down("Shift")
    opened.page.mouse.move(box["x"] + 300, box["y"] + 500)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 500, box["y"] + 250, steps=4)
    opened.page.mouse.up()
    opened.page.keyboard.up("Shift")
    text = opened.page.inner_text(".measure-label")
    assert "+" in text
    assert " bars" in text
    assert "of levels inside, at the right edge" in text
    assert opened.view("view.viewport.times()") == pytest.approx(before, abs=1)


def test_all_bright_bands_are_visible_at_every_height(open_page: Open, demo_url: str) -> None:
    """With more levels than pixels none of nine one-level bands is lost, whatever the zoom."""
    opened = open_page(demo_url, candles="0", dots="0", view="density", fit="map", lock="1")
    opened.page.evaluate("() => liqstream.client.close()")
    opened.page.evaluate(BRIGHT_BANDS)
    counts = opened.page.evaluate("() => brightBands()")
    assert counts == [9] * 5


def test_a_gap_is_hatched_and_shifts_nothing(open_page: Open, demo_url: str) -> None:
    """Missing columns keep their place on the time axis and are hatched, not filled in."""
    opened = open_page(demo_url, candles="0", dots="0")
    result = opened.page.evaluate(
        """async () => {
          const {view} = liqstream.mapGrid.focus, {market} = view, {matrix, header} = market;
          const rows = 50, columns = 200, price = matrix.p0 + 100, long = new Uint16Array(rows * columns).fill(500);
          const candle = () => new Float64Array(columns).fill(price).fill(NaN, 90, 101);
          long.fill(0, 90 * rows, 101 * rows);
          liqstream.client.close();
          market.now = null;
          market.takeHistory({header: {...header, rows, columns, gaps: [[90, 11]]}, long, short: new Uint16Array(rows * columns), candles: {open: candle(), high: candle(), low: candle(), close: candle()}});
          await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
          const time = view.chart.timeScale();
          const off = [0, 89, 95, 101, 199].filter(c => time.timeToIndex(market.matrix.timeOf(c) / 1000, false) !== c);
          return {gaps: view.heat.gaps, off};
        }"""
    )
    assert result == {"gaps": [[90, 101]], "off": []}


def test_levels_of_the_page_are_those_of_the_server(open_page: Open, demo_url: str) -> None:
    """The state rebuilt from deltas carries the checksum the server gives for the same snapshot."""
    opened = open_page(demo_url)
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg + 2", seq)
    same = opened.page.evaluate(
        """async () => {
          for (let attempt = 0; attempt < 20; attempt++) {
            const answer = await (await fetch('/api/heatmap/BTCUSDT?columns=1')).json();
            const held = liqstream.client.snapshot('BTCUSDT');
            if (held.seq === answer.seq) return held.levels.checksum() === answer.checksum;
            await new Promise(done => setTimeout(done, 150));
          }
          return null;
        }"""
    )
    assert same is True


def test_state_reads_back_as_json(open_page: Open, demo_url: str) -> None:
    """What scripts on the page may lean on is there and plain."""
    opened = open_page(demo_url)
    state = opened.page.evaluate("JSON.stringify(liqstream.store.state)")
    assert json.loads(state)["symbol"] == "BTCUSDT"
