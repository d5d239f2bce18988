"""The plots of map, grid and embed in a fixed state are, pixel for pixel, those that were looked at.

`make gold` writes them anew; look at what changed before it is committed. Text is not in them: axes are left out.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.conftest import Opened, Watch
from tests.browser.pixels import freeze, rest, share_off

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

FOLDER = Path(__file__).parent / "gold"
MAJOR = FOLDER / "chromium.txt"
MOST_BYTES = 60_000
MOST_OFF = 0.001
SIZES: dict[str, dict[str, Any]] = {
    "1440x900": {"viewport": {"width": 1440, "height": 900}},
    "390x844": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3},
}
QUERIES = {"map": {}, "grid": {"grid": "4"}, "embed": {"embed": "1"}}

# A made-up history of round figures in every map: bands that begin, brighten and are swept, a gap, candles.
FIXED = """async () => {
  const rows = 60, columns = 144, t0 = Date.UTC(2026, 4, 1), step = 50, p0 = 98500;
  const slots = [...liqstream.mapGrid.slots.values()];
  slots.forEach(({view}, n) => {
    const {market} = view, long = new Uint16Array(rows * columns), short = new Uint16Array(rows * columns);
    const candles = {open: [], high: [], low: [], close: []};
    for (let c = 0; c < columns; c++) {
      const gap = c >= 60 && c < 68, price = 100000 + 600 * Math.sin((c + 20 * n) / 14), next = 100000 + 600 * Math.sin((c + 1 + 20 * n) / 14);
      candles.open.push(gap ? NaN : price); candles.close.push(gap ? NaN : next);
      candles.high.push(gap ? NaN : Math.max(price, next) + 40); candles.low.push(gap ? NaN : Math.min(price, next) - 40);
      for (let r = 0; r < rows && !gap; r++) {
        const level = p0 + r * step, band = (r * 7 + n) % 11;
        if (band > 3 || c < 8 * band) continue;
        (level < price ? long : short)[c * rows + r] = 340 + 40 * band + (c >> 2);
      }
    }
    for (const name in candles) candles[name] = Float64Array.from(candles[name]);
    market.now = null;
    market.takeHistory({header: {...market.header, rows, columns, t0, interval_ms: 900000, p0, step, gaps: [[60, 8]]}, long, short, candles});
  });
}"""
PLOTS = """async () => {
  const slots = [...liqstream.mapGrid.slots.values()];
  const parts = slots.map(({view}) => {
    const canvas = view.chart.takeScreenshot(), ratio = canvas.width / view.element.clientWidth;
    return [canvas, Math.round(view.pane.width * ratio), Math.round(view.pane.height * ratio)];
  });
  const whole = new OffscreenCanvas(Math.max(...parts.map(([, width]) => width)), parts.reduce((sum, [,, height]) => sum + height, 0));
  const context = whole.getContext('2d');
  let top = 0;
  for (const [canvas, width, height] of parts) {
    context.drawImage(canvas, 0, 0, width, height, 0, top, width, height);
    top += height;
  }
  const bytes = new Uint8Array(await (await whole.convertToBlob({type: 'image/png'})).arrayBuffer());
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}"""


def plots(opened: Opened) -> bytes:
    """The plots in sight, below each other, as a PNG."""
    opened.until_indicator("live")
    freeze(opened.page)
    opened.until_indicator("disconnected")  # and grey, as a map that is no longer followed is
    opened.page.evaluate(
        "() => { for (const {view} of liqstream.mapGrid.slots.values()) view.setGreyed(false); }"
    )
    opened.page.evaluate(FIXED)
    rest(opened.page)
    text: str = opened.page.evaluate(PLOTS)
    return base64.b64decode(text)


@pytest.fixture
def gold_context(browser: Browser, size: str) -> BrowserContext:
    """A profile in which nothing is animated."""
    return browser.new_context(locale="en-GB", timezone_id="UTC", reduced_motion="reduce", **SIZES[size])


# Grid and embed are each looked at in one theme of either size; `make attack` and `make gold` take all.
CASES = [
    pytest.param(
        name,
        theme,
        size,
        marks=[] if name == "map" or (theme == "dark") == (size == "1440x900") else [pytest.mark.attack],
    )
    for name in QUERIES
    for theme in ("dark", "light")
    for size in SIZES
]


@pytest.mark.parametrize(("name", "theme", "size"), CASES)
def test_the_plot_is_the_one_that_was_looked_at(
    gold_context: BrowserContext, demo_url: str, name: str, theme: str, size: str
) -> None:
    """At most one pixel in a thousand differs from the picture in the tree."""
    browser = gold_context.browser
    assert browser is not None
    major = browser.version.partition(".")[0]
    writing = os.environ.get("WRITE_GOLD") == "1"
    if not writing and major != MAJOR.read_text().strip():
        pytest.skip(
            f"drawn by Chromium {MAJOR.read_text().strip()}, this is {major}: `make gold` writes them anew"
        )
    page = gold_context.new_page()
    query = {
        "theme": theme,
        "dots": "0",
        "fit": "map",
        "low": "0",
        "high": "3000000",
        "view": "density",
        **QUERIES[name],
    }
    page.goto(f"{demo_url}/?{'&'.join(f'{key}={value}' for key, value in query.items())}")
    page.wait_for_function(
        "() => globalThis.liqstream?.client && [...liqstream.mapGrid.slots.values()].every(({view}) => view.heat.frames > 1)"
    )
    opened = Opened(page, Watch())
    drawn = plots(opened)
    path = FOLDER / f"{name}-{theme}-{size}.png"
    if writing:
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(drawn)
        MAJOR.write_text(f"{major}\n")
    assert len(drawn) <= MOST_BYTES
    assert share_off(page, drawn, path.read_bytes()) <= MOST_OFF
    if name == "map" and size == "1440x900":
        # What it would be worth nothing without: another colour, or candles gone, is seen.
        for change in ("palette: 'magma'", "candles: false", "logPrice: true"):
            page.evaluate(f"liqstream.store.set({{{change}}})")
            rest(page)
            other = base64.b64decode(page.evaluate(PLOTS))
            assert share_off(page, other, path.read_bytes()) > MOST_OFF, change
    gold_context.close()
