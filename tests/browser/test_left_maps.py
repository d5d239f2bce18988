"""Maps that are left: whatever is still asked of them, or was on its way, nothing comes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

# Leaves a map that has come to rest for another market's and asks something of the one that is gone; a few frames
# later all has been drawn that ever will be.
LEAVE = """async () => {
  const late = [
    ({ view }) => view.heat.touch(view.market.matrix.end - 1),
    ({ view }) => view.heat.setVisible(true),
    ({ line }) => line.applyOptions({ price: 1, lineVisible: true }),
    ({ view }) => view.candles.applyOptions({ visible: true }),
    ({ view }) => view.chart.applyOptions({ layout: { fontSize: 20 } }),
    ({ view }) => view.viewport.pan(.5, 0),
    ({ view }) => view.viewport.freePrices(),
    ({ view }) => view.pointAtTime(Date.now()),
    ({ view }) => { view.colours.reset(); view.colours.observe(view.heat.countNewest()); },
    ({ view }) => view.applyTheme(),
    ({ slot }) => slot.update(),
    ({ slot }) => slot.goLive(),
  ];
  const { mapGrid, store } = liqstream;
  const frames = async n => { for (; n > 0; n--) await new Promise(requestAnimationFrame); };
  for (const ask of late) {
    while (!mapGrid.focus.view.market?.matrix || !mapGrid.focus.view.heat.frames) await frames(1);
    const slot = mapGrid.focus, { view } = slot;
    const line = view.candles.createPriceLine({ price: 0 });
    await frames(3);
    const before = view.heat.frames;
    store.set({ symbol: store.state.symbol === "BTCUSDT" ? "ETHUSDT" : "BTCUSDT" });
    if (mapGrid.focus === slot) throw new Error("the map was not left");
    ask({ slot, view, line });
    await frames(3);
    if (view.heat.frames !== before) throw new Error(`drawn after it was left: ${ask}`);
  }
}"""
RESIZED = """async () => {
  const { mapGrid, store } = liqstream;
  const slot = mapGrid.focus;
  const frames = async n => { for (; n > 0; n--) await new Promise(requestAnimationFrame); };
  slot.chartElement.style.width = "80%";
  await frames(2);  // its size is known, and it lays itself out in the next two
  let drawn = 0;
  slot.addOverlay({ draw: () => drawn++, destroy() { drawn = 0; } });
  store.set({ symbol: "ETHUSDT" });
  await frames(4);
  return drawn;
}"""


def test_nothing_is_drawn_of_a_map_that_was_left(open_page: Open, page: Page, demo_url: str) -> None:
    """An answer, a timer or a frame that comes too late draws nothing, and the page does not complain."""
    open_page(demo_url)
    page.wait_for_selector("#export-button[aria-expanded]")
    page.evaluate("liqstream.store.set({symbol: 'BTCUSDT'})")
    assert page.evaluate(RESIZED) == 0
    page.evaluate(LEAVE)
