"""Nine maps on one page, and a finger that drags the map of a slow phone."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from bench.page_visits import DESKTOP, SLOW_CPU, TRACED, LongTasks, Row
from tests.support.demo_server import demo_server

NINE = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT", "LINKUSDT", "LTCUSDT")
LONGEST_TASK_MS = 100.0
NINE_DRAWN = """() => { const slots = [...globalThis.liqstream?.mapGrid.slots.values() ?? []];
  return slots.length === 9 && slots.every(({view}) => view.heat.frames > 0); }"""
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}
DRAG = """async ([frames, dragged]) => {
  const {chart, element, pane} = liqstream.mapGrid.focus.view, box = element.getBoundingClientRect();
  const range = () => JSON.stringify(chart.timeScale().getVisibleLogicalRange());
  const y = box.top + pane.height / 2, middle = box.left + pane.width / 2, before = range(), times = [];
  const target = document.elementFromPoint(middle, y);
  const touch = (type, x) => {
    const point = new Touch({identifier: 1, target, clientX: x, clientY: y, pageX: x, pageY: y});
    const touches = type === 'touchend' ? [] : [point];
    const flags = {bubbles: true, cancelable: true};
    target.dispatchEvent(new TouchEvent(type, {touches, changedTouches: [point], ...flags}));
  };
  touch('touchstart', middle);
  for (let i = 0; i < frames; i++) {
    times.push(await new Promise(requestAnimationFrame));
    touch('touchmove', middle + dragged * Math.sin(i / 12));
  }
  const moved = range() !== before;
  touch('touchend', middle);
  return {moved, intervals: times.slice(1).map((time, i) => time - times[i])};
}"""
TOOLS = "#display-button[aria-expanded]"
LIVE = "() => document.querySelector('#connection')?.dataset.state === 'live'"


def nine_maps_rows(browser: Browser, *, runs: int = 3) -> list[Row]:
    """A warm visit of a 3x3 grid until all are drawn, and the longest task until two seconds later."""
    with tempfile.TemporaryDirectory() as folder, demo_server(Path(folder), NINE) as url:
        context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
        try:
            page = context.new_page()
            visits = [_nine_maps(browser, page, f"{url}/?grid=9") for _ in range(runs + 1)][1:]
        finally:
            context.close()
    seconds = [drawn_s for drawn_s, _ in visits]
    longest = [task_ms for _, task_ms in visits]
    drawn, task = statistics.median(seconds), statistics.median(longest)
    return [
        (
            "nine maps, warm, all drawn",
            "2.5 s",
            f"{drawn:.1f} s (worst of {runs}: {max(seconds):.1f} s)",
            drawn <= 2.5,
        ),
        (
            "nine maps, longest task while they come",
            f"{LONGEST_TASK_MS:.0f} ms",
            f"{task:.0f} ms (worst of {runs}: {max(longest):.0f} ms)",
            task <= LONGEST_TASK_MS,
        ),
    ]


def _nine_maps(browser: Browser, page: Page, url: str) -> tuple[float, float]:
    """Seconds until nine maps are drawn, and ms of thread time of the longest task until a bit later."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        browser.start_tracing(page=page, path=path, categories=TRACED)
        page.goto(url, wait_until="commit")
        page.wait_for_function(NINE_DRAWN, timeout=60_000)
        drawn_ms: float = page.evaluate("() => performance.now()")
        page.wait_for_timeout(2000)
        browser.stop_tracing()
        found = LongTasks()
        found.add(json.loads(path.read_text())["traceEvents"], least_ms=0)
    return drawn_ms / 1000, max([0.0, *found.ours, *found.library])


def phone_rows(browser: Browser, url: str, *, runs: int = 3) -> list[Row]:
    """Frames a second while a finger drags the map of a phone with a sixth of this processor."""
    rates, worst = [], []
    for _ in range(runs):
        context = browser.new_context(**PHONE)
        try:
            page = context.new_page()
            page.goto(url)
            page.wait_for_function(LIVE, timeout=60_000)
            page.wait_for_selector(TOOLS, state="attached")
            intervals = _dragged(page)
        finally:
            context.close()
        rates.append(1000 / statistics.fmean(intervals))
        worst.append(max(intervals))
    rate = statistics.median(rates)
    reached = f"{rate:.0f} fps (worst of {runs}: {min(rates):.0f}, longest frame {max(worst):.0f} ms)"
    # A frame more or less within the second is how the counting begins and ends.
    return [(f"phone pan, {SLOW_CPU.name}", "60 fps", reached, rate >= 59)]


def _dragged(page: Page) -> list[float]:
    """Milliseconds between the frames of a finger that goes to and fro; a first drag compiles the code."""
    SLOW_CPU.apply(page.context.new_cdp_session(page))
    drags: list[dict[str, Any]] = [page.evaluate(DRAG, [frames, 120]) for frames in (30, 240)]
    assert all(drag["moved"] for drag in drags), "the finger moved nothing"
    intervals: list[float] = drags[-1]["intervals"]
    return intervals
