"""From the exchange's socket to changed pixels: how late the price line of the page is, in headless Chromium.

The exchange, the server and the clients beside the page are those of bench_ticks. The price moves fast enough
that the line has to move by pixels from tick to tick, and each price names the messages it came with.

Method: at the beginning of every animation frame `pixel_probe.js` reads the map's canvas, as the frame before
left it, for the row in which the price line is. What is found there was drawn and handed to the compositor
before; the moment noted is late by up to one frame (17 ms), never early. The page's clock is laid on ours by
the quickest of many questions; its error, half of that one's way, is printed. There is no screen whose own
delay would be in it. A page that does not draw has no ticks with changed pixels and fails.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console

from bench.bench_live import OTHER_CPU, Figure, table
from bench.bench_ticks import MARKETS, RATE, SETTLE_S, busy_server
from bench.live_clients import connected
from bench.live_exchange import ROUND_MESSAGES, BusyExchange
from bench.tick_clients import TickClient
from tests.browser.conftest import DESKTOP, DRAWN, FLAGS, chromium_path

PROBE = Path(__file__).with_name("pixel_probe.js").read_text()
MOVE = 4e-4
"""By this share of itself the price rises from tick to tick: some pixels of the map."""
CLOCK_QUESTIONS = 100
LIVE = "() => document.querySelector('#connection')?.dataset.state === 'live'"
HELD_PRICES = """() => new Promise(done => { const {viewport, market} = liqstream.mapGrid.focus.view;
  viewport.showPrices([.95 * market.now.price, 1.1 * market.now.price]);
  requestAnimationFrame(() => requestAnimationFrame(done)); })"""
"""The axis is held: one that follows the price keeps the line where it is, and moves all else."""
PARTS = 3
"""The spread is that of so many parts of the span."""

Milliseconds = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page was sent and showed; the latencies are of the ticks it showed, in order."""

    received: int
    unmoved: int
    to_page_ms: Milliseconds
    to_pixels_ms: Milliseconds
    clock_error_ms: float
    span_s: float
    read_ms: float


async def clock_of(page: Page) -> tuple[float, float]:
    """What to add to the page's ms for ours, and by how much that may be wrong."""
    found = []
    for _ in range(CLOCK_QUESTIONS):
        asked_ms = 1000 * time.monotonic()
        theirs_ms: float = await page.evaluate("() => performance.now()")
        way_ms = 1000 * time.monotonic() - asked_ms
        found.append((way_ms, asked_ms + way_ms / 2 - theirs_ms))
    way_ms, ahead_ms = min(found)
    return ahead_ms, way_ms / 2


async def watched(browser: Browser, url: str, exchange: BusyExchange, seconds: float, spoil: str) -> Seen:
    """What one page shows of its market in that time. `spoil` is run within it once it has drawn its map."""
    context = await browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{url}/?symbol={MARKETS[0]}")
    await page.wait_for_function(DRAWN)
    await page.wait_for_function(LIVE)
    if spoil:
        await page.evaluate(spoil)
    await asyncio.sleep(SETTLE_S)  # what the page loads after its first heat is not what is measured
    await page.evaluate(HELD_PRICES)
    await page.evaluate(PROBE)
    began_s = time.monotonic()
    await asyncio.sleep(seconds)  # the span that is measured
    notes = await page.evaluate("() => priceLine")
    span_s = time.monotonic() - began_s
    ahead_ms, error_ms = await clock_of(page)
    await context.close()
    shown = np.array(notes["ticks"], dtype=np.float64).reshape(-1, 3)
    said_ms = np.array(
        [1000 * exchange.said_s[exchange.round_of(MARKETS[0], price)] for price, *_ in shown],
        dtype=np.float64,
    )
    return Seen(
        received=notes["received"],
        unmoved=notes["unmoved"],
        to_page_ms=shown[:, 1] + ahead_ms - said_ms,
        to_pixels_ms=shown[:, 2] + ahead_ms - said_ms,
        clock_error_ms=error_ms,
        span_s=span_s,
        read_ms=notes["readMs"] / max(1, notes["frames"]),
    )


def figures(seen: Seen, rate: float) -> list[Figure]:
    """What was seen beside what it may be; what was never seen is infinitely late."""
    pixels, page = (_percentiles(values) for values in (seen.to_pixels_ms, seen.to_page_ms))
    parts = [_percentiles(part)[1] for part in np.array_split(seen.to_pixels_ms, PARTS)]
    share = len(seen.to_pixels_ms) / max(1, seen.received - seen.unmoved)
    return [
        Figure("exchange messages", rate, "1/s"),
        Figure("ticks the page was sent", seen.received / seen.span_s, "1/s", at_least=0.9 * RATE),
        Figure("of them with changed pixels of their own", 100 * share, "%", at_least=90),
        Figure("exchange's socket to the page, p50", page[0], "ms"),
        Figure("exchange's socket to the page, p95", page[1], "ms"),
        Figure("exchange's socket to changed pixels, p50", pixels[0], "ms"),
        Figure("exchange's socket to changed pixels, p95", pixels[1], "ms", at_most=200),
        Figure("  p95 of the best third of the span", min(parts), "ms"),
        Figure("  p95 of the worst third of the span", max(parts), "ms"),
        Figure("exchange's socket to changed pixels, longest", pixels[2], "ms"),
        Figure("the page's clock against ours, wrong by at most", seen.clock_error_ms, "ms"),
        Figure("looking at the canvas, a frame", seen.read_ms, "ms"),
    ]


def _percentiles(values: Milliseconds) -> tuple[float, float, float]:
    if not len(values):
        return math.inf, math.inf, math.inf
    p50, p95 = np.percentile(values, (50, 95))
    return float(p50), float(p95), float(values.max())


async def measure(*, clients: int, rate: float, seconds: float, spoil: str = "") -> list[Figure]:
    """A page and so many clients on a busy server."""
    cpus = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright:
            # Started before this process takes a core of its own, so that the browser may have either.
            browser = await playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
            os.sched_setaffinity(0, {OTHER_CPU})
            try:
                step = MOVE * RATE * ROUND_MESSAGES / rate
                async with busy_server(Path(folder), rate, price_step=step) as (exchange, address, _):
                    crowd = await connected(address, clients, MARKETS, TickClient)
                    began_s, sent = time.monotonic(), exchange.sent
                    seen = await watched(browser, f"http://{address}", exchange, seconds, spoil)
                    sent_per_s = (exchange.sent - sent) / (time.monotonic() - began_s)
                    for client in crowd:
                        client.leave()
                await browser.close()
            finally:
                os.sched_setaffinity(0, cpus)
    return figures(seen, sent_per_s)


def main() -> None:
    """Measure and print; fails where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000, help="clients beside the page")
    parser.add_argument("--rate", type=float, default=5000.0, help="exchange messages a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = asyncio.run(measure(clients=options.clients, rate=options.rate, seconds=options.seconds))
    Console().print(table(found, title="To changed pixels, headless Chromium without a GPU"))
    if not all(it.met for it in found):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
