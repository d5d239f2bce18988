"""Layouts: maps with their own market and window, one subscription a market, saved, popped out, found by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import WebSocket, expect

from tests.browser.conftest import PHONE, Opened
from tests.browser.test_accessible import faults

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

CELLS = "() => liqstream.mapGrid.cells.map(({key}) => key)"
SPANS = """() => Object.fromEntries([...liqstream.mapGrid.slots].map(([key, {view}]) =>
  [key, Math.round((view.market.header?.columns ?? 0) * (view.market.matrix?.intervalMs ?? 0) / 3600e3)]))"""
TWO = "BTCUSDT:12h,BTCUSDT:3d"


# Of the place for maps, by so many of them.
SHARE_FILLED = """n => { const windows = ['1h', '4h', '12h', '24h', '48h', '3d', '7d', '14d', '30d'].slice(0, n);
  liqstream.store.set({cells: windows.map(window => `BTCUSDT:${window}`)});
  const place = document.querySelector('.maps'), area = each => each.clientWidth * each.clientHeight;
  return [...place.children].reduce((sum, each) => sum + area(each), 0) / area(place); }"""


def test_two_windows_of_a_market_live_side_by_side_on_one_subscription(
    open_page: Open, demo_url: str
) -> None:
    """Each has its history and both move; a press and the row above change one; saved, reloaded, taken away."""
    sent: list[dict[str, Any]] = []
    opened = open_page(demo_url, drawn=False)
    page = opened.page
    page.on("websocket", lambda socket: listen(socket, sent))
    page.goto(f"{demo_url}/?cells={TWO}")
    page.wait_for_function(
        f"() => {{ const spans = ({SPANS})(); return spans['BTCUSDT:12h'] && spans['BTCUSDT:3d']; }}"
    )
    assert page.evaluate(SPANS) == {"BTCUSDT:12h": 12, "BTCUSDT:3d": 72}
    page.wait_for_function(
        """() => { const [a, b] = [...liqstream.mapGrid.slots.values()].map(slot => slot.view.market.now?.seq);
          globalThis.first ??= a; return a === b && a > globalThis.first + 1; }"""
    )
    subscribed = [message for message in sent if message.get("action") == "subscribe"]
    assert {symbol for message in subscribed for symbol in message["symbols"]} == {"BTCUSDT"}
    assert all(len(message["symbols"]) == 1 for message in subscribed)
    assert page.locator(".own-window").all_inner_texts() == ["12h", "3d"]
    assert faults(page) == []

    # The first is in focus; the window chosen above is its own, and the other keeps its range.
    page.keyboard.press("2")
    page.wait_for_function(f"() => ({SPANS})()['BTCUSDT:24h'] === 24")
    assert page.evaluate(CELLS) == ["BTCUSDT:24h", "BTCUSDT:3d"]
    page.click(".map:nth-child(2) .chart", position={"x": 200, "y": 200})
    assert opened.state("window") == "3d"
    page.keyboard.press("/")
    page.keyboard.type("eth")
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => ({SPANS})()['ETHUSDT:3d'] === 72")
    page.wait_for_function("() => location.search.includes('cells=BTCUSDT:24h,ETHUSDT:3d')")

    # Saved under a name, it is there again after a reload of another view.
    page.keyboard.press("y")
    page.fill("[aria-label='Name of the layout']", "Two")
    save = page.get_by_role("button", name="Save these maps")
    save.press("Enter")
    expect(save).to_be_focused()  # though the panel was drawn anew
    assert faults(page) == []
    page.goto(f"{demo_url}/?symbol=ETHUSDT&grid=4")
    page.wait_for_selector("#grid-button[aria-expanded]")
    assert page.evaluate(CELLS) == ["BTCUSDT", "ETHUSDT"]  # an old link is what it was
    page.keyboard.press("y")
    page.click(".saved-layout >> text=Two")
    page.wait_for_function(f"() => ({CELLS})().join() === 'BTCUSDT:24h,ETHUSDT:3d'")
    page.keyboard.press("Escape")
    with page.context.expect_page() as popup:
        page.hover(".map:nth-child(1)")
        page.click(".map:nth-child(1) [aria-label='This map in a window of its own']")
    query = parse_qs(urlsplit(popup.value.url).query)
    assert (query["symbol"], query["window"], "cells" in query) == (["BTCUSDT"], ["24h"], False)
    popup.value.close()
    page.hover(".map:nth-child(2)")
    page.click(".map:nth-child(2) [aria-label='Take this map away']")
    page.wait_for_function(f"() => ({CELLS})().join() === 'BTCUSDT'")
    assert opened.state("window") == "24h"
    assert min(page.evaluate(SHARE_FILLED, n) for n in range(2, 10)) > 0.98


def listen(socket: WebSocket, sent: list[dict[str, Any]]) -> None:
    """Keep what the page sends."""
    socket.on("framesent", lambda frame: sent.append(json.loads(frame)))


def test_all_maps_look_back_to_the_same_time(open_page: Open, demo_url: str) -> None:
    """Then and now are told apart in the row above, on the price line and on the tape; too short a window says so."""
    opened = open_page(demo_url, cells="BTCUSDT:24h,ETHUSDT:24h,BTCUSDT:1h")
    page = opened.page
    page.wait_for_function(f"() => Object.values(({SPANS})()).every(Boolean)")
    page.wait_for_selector("#grid-button[aria-expanded]")
    page.keyboard.press("z")
    page.wait_for_selector(".ohlc .then >> text=as of")
    state = page.evaluate(
        "() => [...liqstream.mapGrid.slots.values()].map(({view}) => view.market.at === liqstream.store.state.at)"
    )
    assert state == [True, True, False]
    assert page.locator(".too-late:visible").count() == 1
    assert page.locator(".replay-bar:visible").count() == 1
    assert page.locator(".caption .then").count() == 2
    shown = float(page.inner_text("#ohlc .price").replace(",", ""))
    assert shown == pytest.approx(opened.view("market.shown.price"), rel=1e-4)
    page.click(".map:nth-child(2) .chart", position={"x": 200, "y": 200})
    assert opened.state("at") is not None
    page.wait_for_function("() => document.querySelector('.map:nth-child(2) .replay-bar')?.checkVisibility()")
    page.click("#tab-tape")
    page.wait_for_selector(".tape >> text=Of now, not of the time looked back to")
    page.keyboard.press("Escape")
    page.wait_for_function("() => liqstream.store.state.at === null")
    opened.settle()  # both are drawn once in a frame
    assert page.locator(".later:visible, .ohlc .then").count() == 0


@pytest.mark.parametrize(
    "context", [{"viewport": PHONE, "has_touch": True, "is_mobile": True}], indirect=True
)
def test_by_touch(open_page: Open, demo_url: str) -> None:
    """A map added, and all buttons of the maps and of the panel large enough."""
    opened = open_page(demo_url, window="24h")
    page = opened.page
    page.tap("[aria-label='Look back in time']")
    page.wait_for_selector(".replay-bar:visible")
    page.tap(".replay-bar >> text=Live")
    page.tap("#grid-button")
    page.tap(".popover >> text=Add map")
    page.wait_for_function(f"() => ({CELLS})().length === 2")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.popover *:is(button, select, input), .cell-tools button')]
             .filter(each => each.checkVisibility()).map(each => each.getBoundingClientRect())
             .map(({width, height}) => Math.min(width, height))"""
    )
    assert len(sizes) >= 10
    assert min(sizes) >= 44
