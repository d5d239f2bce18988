"""Between two snapshots the page shows the price of now, and no level that it has passed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

# What the page shows two frames after a tick, if no newer message has come by then.
FOLLOW = """() => {
  const {client, mapGrid} = liqstream;
  globalThis.followed = {ticks: 0, title: 0, candle: 0, wrongCells: 0};
  const near = (shown, price) => Math.abs(shown / price - 1) < 1e-3;
  client.on('tick', (now) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const {market} = mapGrid.focus.view, held = client.snapshot(market.symbol);
    if (market.symbol !== now.symbol || market.now?.price !== now.currentPrice || held.seq !== now.seq) return;
    const {grid} = market.now, {low, high} = now.tick, {p0, step} = held.levels;
    followed.ticks += 1;
    followed.title += near(parseFloat(document.title.replaceAll(',', '')), now.currentPrice);
    followed.candle += near(market.matrix.candle(market.matrix.end - 1).close, now.currentPrice);
    for (let i = 0; i < grid.long.length; i++) {
      const long = low <= p0 + (i - 0.5) * step ? 0 : held.levels.long[i];
      const short = high >= p0 + (i + 0.5) * step ? 0 : held.levels.short[i];
      followed.wrongCells += grid.long[i] !== long || grid.short[i] !== short;
    }
  })));
}"""


def test_title_candle_and_levels_follow_ticks(open_page: Open, demo_url: str) -> None:
    """Those of the state that the client holds, as the protocol has it."""
    opened = open_page(demo_url)
    opened.page.evaluate(FOLLOW)
    opened.until("followed.ticks >= 5")
    followed = opened.page.evaluate("followed")
    assert (followed["title"], followed["candle"], followed["wrongCells"]) == (
        followed["ticks"],
        followed["ticks"],
        0,
    )


def test_a_hidden_page_asks_for_no_ticks(open_page: Open, demo_url: str) -> None:
    """Nobody sees them; shown again it asks again. Alerts keep such a page awake at a longer interval."""
    opened = open_page(demo_url)
    sent = """() => {
      const {loader, client} = liqstream, asked = [];
      const subscribe = client.subscribe.bind(client);
      client.subscribe = (symbols, pace) => (asked.push(pace.ticks), subscribe(symbols, pace));
      loader.keepAwakeWhile(() => true);
      const {now} = performance;
      loader.setHidden(true);
      performance.now = () => now.call(performance) + 60_000;
      globalThis.asked = asked;
      globalThis.showAgain = () => { performance.now = now; loader.setHidden(false); };
    }"""
    opened.page.evaluate(sent)
    opened.until("asked.length >= 1")
    opened.page.evaluate("showAgain()")
    assert opened.page.evaluate("asked") == [False, True]
