"""Windows of one and four hours: bars of a minute, and rows as fine as the model's where few are in sight."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Opened
from tests.browser.pixels import freeze, proof, rest

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

MINUTE_MS = 60_000
# Rows in sight, and the step as a share of the price.
ROWS = """(() => { const [low, high] = view.viewport.prices(), {step} = market.matrix;
  return [(high - low) / step, step / low]; })()"""
# USD of the newest column within the rows of all prices that lie in the part shown, in both, side by side.
SUMS = """(() => { const {matrix, now: {grid}} = market, column = matrix.column(matrix.end - 1);
  const usd = rung => rung ? 500 * 1.02 ** (rung - 1) : 0;
  return ['long', 'short'].map(side => {
    let [coarse, fine] = [0, 0];
    grid[side].forEach((each, i) => {
      const price = grid.p0 + i * grid.step;
      if (price - grid.step > matrix.bottom && price + grid.step < matrix.top) coarse += each;
    });
    column[side].forEach((rung, row) => {
      const level = grid.p0 + Math.round((matrix.priceOf(row) - grid.p0) / grid.step) * grid.step;
      if (level - grid.step > matrix.bottom && level + grid.step < matrix.top) fine += usd(rung);
    });
    return [coarse, fine];
  }); })()"""


def test_hours_are_drawn_of_minutes(open_page: Open, demo_url: str) -> None:
    """By link and by key; zoomed in, at least forty rows are in sight or the model's own, also of what is live."""
    opened = open_page(demo_url, window="1h", dots="0")
    page = opened.page
    assert opened.view("market.matrix.intervalMs") == MINUTE_MS
    assert opened.view("market.matrix.end - market.matrix.firstKnown") == 60
    page.keyboard.press("0")
    opened.until(f"market.matrix.end === 240 && market.matrix.intervalMs === {MINUTE_MS}")
    page.wait_for_function("() => location.search.includes('window=4h')")
    page.evaluate("() => liqstream.mapGrid.focus.view.viewport.zoomPrice(0.06)")
    opened.until(f"market.matrix.isPart && ({ROWS}[0] >= 40 || {ROWS}[1] < 2.1e-4)")
    seq = opened.view("market.now.seq")
    opened.until(f"market.now.seq > {seq}")
    for coarse, fine in opened.view(SUMS):
        assert fine == pytest.approx(coarse, rel=0.05, abs=20_000)
    page.evaluate("() => liqstream.store.set({fit: 'near', prices: []})")
    opened.until(f"!market.matrix.isPart && {ROWS}[0] >= 40")
    freeze(page)
    rest(page)
    assert proof(page).faults == ()


def test_a_market_without_minutes_says_so(open_page: Open, replay_url: str) -> None:
    """Bars of five minutes were recorded: the short window has nothing to draw, the others have."""
    opened = open_page(replay_url, window="24h")
    opened.page.click("#windows >> text='1h'")
    opened.page.wait_for_selector("text=No bars of a minute are recorded here")
    opened.page.click("#windows >> text='24h'")
    opened.page.wait_for_selector(".empty", state="hidden")
