"""Beside the map: several markets, alerts, export, help, frames, phones, and text that is only text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, WebSocketRoute, expect

from tests.browser.conftest import PHONE, Opened
from tests.browser.pixels import cropped, freeze, rest, share_off

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]
HOSTILE = "<img src=x onerror=alert(1)><b>bold</b>"


def test_markets_of_the_grid_update_each_and_are_unsubscribed_when_not_shown(
    open_page: Open, demo_url: str
) -> None:
    """Two maps move independently; the one no longer shown costs no message."""
    sent: list[dict[str, Any]] = []
    received: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(json.loads(frame)))
        socket.on("framereceived", lambda frame: received.append(str(frame)))

    opened = open_page(demo_url, grid="4")
    opened.page.on("websocket", listen)
    opened.page.reload()
    opened.page.wait_for_function(
        """() => ['BTCUSDT', 'ETHUSDT'].every(symbol => liqstream?.mapGrid.slots.get(symbol)?.view.market.now?.seq)"""
    )
    opened.page.wait_for_function(
        """() => ['BTCUSDT', 'ETHUSDT'].every(symbol => liqstream.client.account(symbol).received > 2)"""
    )
    assert {symbol for message in sent for symbol in message.get("symbols", [])} == {"BTCUSDT", "ETHUSDT"}
    opened.page.keyboard.press("g")
    assert opened.state("grid") == 1
    opened.page.wait_for_function("() => liqstream.client.symbols.length === 1")
    changes = [message for message in sent if message["action"] != "ping"]
    assert changes[-1] == {"action": "unsubscribe", "symbols": ["ETHUSDT"]}
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg", seq)
    received.clear()
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg + 1", seq)
    assert received
    assert not any("ETHUSDT" in text for text in received if '"type":"heartbeat"' not in text)


def test_linked_maps_show_the_same_time(open_page: Open, demo_url: str) -> None:
    """What one map of the grid is moved to, the others follow, crosshair included."""
    opened = open_page(demo_url, grid="4")
    opened.page.wait_for_function(
        "() => [...liqstream.mapGrid.slots.values()].every(slot => slot.view.heat.frames > 1)"
    )
    box = opened.page.locator(".map .chart").first.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + 200, box["y"] + 150)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 300, box["y"] + 150, steps=4)
    opened.page.mouse.up()
    opened.settle()
    ranges = opened.page.evaluate(
        "() => [...liqstream.mapGrid.slots.values()].map(s => s.view.viewport.times())"
    )
    assert ranges[0] == pytest.approx(ranges[1], abs=900_000)


def test_an_alert_is_set_on_the_axis_dragged_and_raised_when_crossed(open_page: Open, demo_url: str) -> None:
    """The + on the axis sets a level, dragging moves it, crossing it shows a toast; all kept here only."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector(".plus", state="attached")
    box = page.locator("#maps .chart").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 70, box["y"] + 200)
    page.wait_for_selector(".plus:not([hidden])")
    page.click(".plus")
    page.wait_for_selector(".mark-handle")
    price = float((page.text_content(".mark-handle") or "0").replace(",", ""))
    handle = page.locator(".mark-handle").bounding_box()
    assert handle is not None
    page.mouse.move(handle["x"] + 20, handle["y"] + 10)
    page.mouse.down()
    page.mouse.move(handle["x"] + 20, handle["y"] + 60, steps=3)
    page.mouse.up()
    moved = float((page.text_content(".mark-handle") or "0").replace(",", ""))
    assert moved < price
    assert (
        json.loads(page.evaluate("() => localStorage.getItem('liqstream.alerts')"))["levels"][0]["price"]
        == moved
    )
    page.locator(".mark-handle").press("Delete")
    assert page.locator(".mark-handle").count() == 0
    page.wait_for_selector(".chart:focus")
    page.click("#alerts-button")
    page.locator(".rule input[type=number]").nth(0).fill("30")
    page.locator(".rule input[type=number]").nth(0).press("Tab")
    page.locator(".rule input[type=number]").nth(1).fill("0.1")
    page.locator(".rule input[type=checkbox]").nth(0).check()  # the press that ends the typing counts
    expect(page.locator(".rule input[type=checkbox]").nth(0)).to_be_focused()
    page.locator(".popover .plain").first.press("Enter")
    page.locator(".chip button").press("Enter")
    expect(page.locator(".popover:not([hidden])")).to_be_focused()  # nothing stands in its place
    page.wait_for_selector(".toast")
    assert any("BTCUSDT" in text for text in page.locator(".toast").all_inner_texts())
    assert ": $" in page.inner_text(".popover .raised-last")


# As on phones. A headless browser gives pages no permission, so what a worker is asked to show is kept.
ONLY_WORKERS_NOTIFY = """globalThis.shown = [];
ServiceWorkerRegistration.prototype.showNotification = async function (title, { body }) { shown.push([this.active?.scriptURL, title, body]); };
Notification = class { static permission = 'granted';
  static requestPermission = async () => 'granted';
  constructor() { throw new TypeError('Illegal constructor. Use ServiceWorkerRegistration.showNotification() instead.'); } }"""


def test_an_alert_notifies_and_sounds_also_where_a_browser_lacks_what_it_takes(
    page: Page, open_page: Open, demo_url: str
) -> None:
    """On phones only a service worker shows notifications; without Web Audio there is no sound: neither is an error."""
    page.add_init_script(f"{ONLY_WORKERS_NOTIFY}; delete window.AudioContext;")
    open_page(demo_url)
    page.click("#alerts-button")
    for name in ("Browser notification", "Sound"):
        page.check(f".popover .rule >> text={name}")
    for at, text in enumerate(("30", "0.1")):
        page.locator(".rule input[type=number]").nth(at).fill(text)
        page.locator(".rule input[type=number]").nth(at).press("Tab")
    page.locator(".rule input[type=checkbox]").nth(0).check()
    page.wait_for_selector(".toast")
    page.wait_for_function("() => shown.length")
    worker, title, body = page.evaluate("() => shown[0]")
    assert (worker, title) == (f"{demo_url}/push-worker.js", "liqstream BTCUSDT")
    assert body


PRESS = """keys => { for (const key of keys) document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  const button = document.querySelector('.popover:not([hidden]) > .plain'); return [button.disabled, button.textContent]; }"""


def test_an_alert_is_added_in_the_market_on_screen_as_soon_as_it_has_a_price(
    open_page: Open, demo_url: str
) -> None:
    """Opened before the first price the button waits for it; open, it follows to the next market."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#alerts-button[aria-expanded]")
    waiting = [True, "Add price alert at the price (drag it on the axis)"]
    for keys, symbol in (("]a", "ETHUSDT"), ("[", "BTCUSDT")):
        assert page.evaluate(PRESS, keys) == waiting
        page.click(".popover >> text=drag it on the axis")
        page.wait_for_selector(".mark-handle >> visible=true")
        price = page.text_content(".mark-handle")
        assert page.locator(".chip").last.inner_text().startswith(f"{symbol} {price}")


HEAD_PX = 46
"""Height of the line above the map in an exported picture."""
OVERLAYS_HIDDEN = """() => {
  const beside = [...document.querySelectorAll('.map .chart > *, .profile-head')].filter(part => !part.querySelector('canvas'));
  for (const part of beside) part.style.visibility = 'hidden';
}"""
FILL_TEXT_KEPT = """() => { globalThis.drawnTexts = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...at) { drawnTexts.push(text); return write.call(this, text, ...at); }; }"""


def test_exports_carry_what_is_shown(open_page: Open, demo_url: str, tmp_path: Path) -> None:
    """A PNG with its labels, a CSV with every level."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#export-button[aria-expanded]")
    page.click("#export-button")
    with page.expect_download() as png:
        page.click(".item >> text=Picture")
    assert png.value.suggested_filename.startswith("liqstream-BTCUSDT-3d-")
    path = tmp_path / "map.png"
    png.value.save_as(path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert path.stat().st_size > 20_000
    page.click("#export-button")
    with page.expect_download() as csv:
        page.click(".item >> text=Levels")
    csv.value.save_as(tmp_path / "levels.csv")
    lines = (tmp_path / "levels.csv").read_text().splitlines()
    assert lines[0].startswith("price,long_usd,short_usd")
    assert len(lines) > 50


def test_the_exported_picture_is_the_screen(open_page: Open, demo_url: str, tmp_path: Path) -> None:
    """Map with candles, marks and axes, and the profile: pixel for pixel, less the crosshair; with the address."""
    opened = open_page(demo_url, window="24h")
    page = opened.page
    opened.until("view.dots && market.mix && market.liquidations.length")
    freeze(page)
    opened.until_indicator("disconnected")
    page.evaluate(OVERLAYS_HIDDEN)
    rest(page)
    page.evaluate(FILL_TEXT_KEPT)
    page.click("#export-button")
    with page.expect_download() as download:
        page.click(".item >> text=Picture")
    page.mouse.move(0, 0)
    page.wait_for_selector(".popover", state="hidden")
    rest(page)
    download.value.save_as(tmp_path / "map.png")
    png = (tmp_path / "map.png").read_bytes()
    left = 0
    for part in (".chart", ".profile canvas"):
        box = page.locator(f".map {part}").bounding_box()
        assert box
        size = round(box["width"]), round(box["height"])
        screen = page.screenshot(clip={"x": box["x"], "y": box["y"], "width": size[0], "height": size[1]})
        assert share_off(page, cropped(page, png, left, HEAD_PX, *size), screen) <= 0.001
        # What it would be worth nothing without: a picture that is a pixel off is another one.
        assert share_off(page, cropped(page, png, left, HEAD_PX + 1, *size), screen) > 0.01
        left += size[0]
    written = "".join(page.evaluate("globalThis.drawnTexts"))
    assert page.url.removeprefix("http://") in written


def test_on_paper_the_map_is_whole(open_page: Open, demo_url: str) -> None:
    """Charts keep the size they are drawn in while the page is laid out for paper, and follow again afterwards."""
    opened = open_page(demo_url)
    size = "[view.chart.timeScale().width(), view.element.clientWidth, view.element.clientHeight]"
    before = opened.view(size)
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size({"width": 800, "height": 560})
    opened.settle()
    opened.settle()
    assert opened.view(size) == before
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    opened.page.emulate_media(media="screen")
    opened.until("view.element.clientWidth < 800 && view.chart.timeScale().width() < 740")


def test_help_lists_the_keys_and_names_the_library(open_page: Open, demo_url: str) -> None:
    """The overlay opens by key and names TradingView, whose licence asks for it; so does the page itself."""
    opened = open_page(demo_url)
    opened.page.wait_for_selector("#export-button[aria-expanded]")
    opened.page.keyboard.press("?")
    text = opened.page.inner_text("dialog.help")
    assert "Clusters or all levels" in text
    assert "TradingView Lightweight Charts" in text
    opened.page.keyboard.press("Escape")
    assert not opened.page.is_visible("dialog.help")
    assert opened.page.get_attribute(".foot a", "href") == "https://www.tradingview.com/"


def test_hostile_text_stays_text(open_page: Open, demo_url: str) -> None:
    """A symbol in the address and an error of the server are shown as they are, never as markup."""
    opened = open_page(demo_url, drawn=False, symbol=HOSTILE, window=HOSTILE)
    opened.page.wait_for_function("() => liqstream?.mapGrid.focus?.view.market.now")

    def hostile(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(route.send)
        route.on_message(server.send)
        route.send(json.dumps({"type": "error", "code": HOSTILE, "message": HOSTILE}))

    opened.page.route_web_socket("**/ws/heatmap", hostile)
    opened.page.reload()
    opened.page.wait_for_selector("#notice:not([hidden])")
    assert HOSTILE in opened.page.inner_text("#notice")
    assert opened.page.locator("#notice img, #notice b").count() == 0


def test_an_unknown_market_is_named_and_another_shown(open_page: Open, demo_url: str) -> None:
    """A link to a market this server does not follow says so instead of an empty page."""
    opened = open_page(demo_url, symbol="DOGEUSDT")
    assert "DOGEUSDT is not followed" in opened.page.inner_text("#notice")
    assert opened.state("symbol") == "BTCUSDT"


def test_a_frame_shows_only_the_map(open_page: Open, demo_url: str) -> None:
    """?embed=1: no controls, but the source, the connection and the attribution stay."""
    opened = open_page(demo_url, embed="1")
    page = opened.page
    assert not page.is_visible(".bar")
    assert not page.is_visible("#side")
    assert page.inner_text("#labels") == "SIMULATED"
    assert page.is_visible("#connection")
    assert page.is_visible(".foot a")


@pytest.mark.parametrize(
    "context", [{"viewport": PHONE, "has_touch": True, "device_scale_factor": 2}], indirect=True
)
def test_a_phone_has_everything_in_reach(open_page: Open, demo_url: str) -> None:
    """390 px: nothing beyond the edge, a sheet instead of the side panel, two fingers zoom."""
    opened = open_page(demo_url)
    page = opened.page
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    outside = page.evaluate(
        """() => [...document.querySelectorAll('.bar *, .readout *')].filter(element => {
             const box = element.getBoundingClientRect();
             return box.width && (box.left < -1 || box.right > innerWidth + 1); }).length"""
    )
    assert outside == 0
    page.wait_for_function("() => document.querySelector('#sheet-summary').textContent.includes('▲')")
    page.tap("#sheet-handle")
    page.wait_for_selector(".side.open .ladder")
    page.tap("#sheet-handle")
    before = opened.view("view.viewport.times()")
    chart = page.locator("#maps .chart").bounding_box()
    assert chart is not None
    y = chart["y"] + chart["height"] / 3
    # The sheet takes a moment to leave the map.
    page.wait_for_function(f"() => document.elementFromPoint(150, {y}).closest('#maps .chart')")
    session = page.context.new_cdp_session(page)
    for kind, gap in (("touchStart", 40), ("touchMove", 80), ("touchMove", 120), ("touchEnd", 0)):
        points = [{"x": 150 - gap / 2, "y": y, "id": 0}, {"x": 150 + gap / 2, "y": y, "id": 1}]
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [] if kind == "touchEnd" else points}
        )
    opened.until("view.viewport.times()[1] - view.viewport.times()[0] < arg", 0.8 * (before[1] - before[0]))


def test_every_control_has_a_name_and_text_has_contrast(open_page: Open, demo_url: str) -> None:
    """Screen readers get names and a table of the clusters; text reaches AA in both themes."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector(".ladder tbody tr:not([hidden])")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, select, input, [role=slider]')].filter(element =>
             !(element.getAttribute('aria-label') || element.textContent.trim() || element.closest('label'))).length"""
    )
    assert nameless == 0
    assert page.locator(".ladder caption").count() == 1
    contrast = """() => {
      const parse = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const light = rgb => rgb.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
      const ground = element => { for (let e = element; e; e = e.parentElement) {
        const colour = getComputedStyle(e).backgroundColor;
        if (!/rgba\\(.*, 0\\)|color/.test(colour)) return parse(colour); } return [0, 0, 0]; };
      const low = [];
      for (const element of document.querySelectorAll('.bar *, .readout *, .side *, .foot *')) {
        if (![...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
        if (!element.checkVisibility()) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
        if ((a + .05) / (b + .05) < 4.5) low.push(element.textContent.trim().slice(0, 30) + ' ' + ((a + .05) / (b + .05)).toFixed(2));
      }
      return [...new Set(low)]; }"""
    assert page.evaluate(contrast) == []
    page.keyboard.press("t")
    opened.settle()
    assert page.evaluate(contrast) == []


def test_a_map_that_moves_into_the_grid_shows_its_whole_window(open_page: Open, demo_url: str) -> None:
    """Its history is there before its new place has a size."""
    opened = open_page(demo_url)
    whole = opened.view("view.viewport.times()")
    opened.page.keyboard.press("g")
    opened.page.wait_for_function(
        "() => [...liqstream.mapGrid.slots.values()].every(slot => slot.view.compact && slot.view.heat.frames > 1)"
    )
    opened.settle()
    for times in opened.page.evaluate(
        "() => [...liqstream.mapGrid.slots.values()].map(s => s.view.viewport.times())"
    ):
        assert times == pytest.approx(whole, abs=3 * 900_000)
