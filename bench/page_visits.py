"""Cold visits of the page, on a slow line and on a slow processor, and how long its tasks take once live.

Throttled by CDP. Its latency does not reach sockets, its throughput does.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page

DESKTOP = {"width": 1440, "height": 900}
LONG_TASK_MS = 50.0
SLICE_S = 30
"""A trace is read this often: one of ten minutes would be too large to hold."""
TRACED = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"]
MARK_LIVE = """addEventListener('DOMContentLoaded', () => {
  const shown = document.querySelector('#connection');
  const look = () => {
    if (shown.dataset.state !== 'live' || performance.getEntriesByName('live').length) return;
    performance.mark('live');
  };
  if (shown) new MutationObserver(look).observe(shown, {attributes: true});
})"""
MARKS = "() => ['liqstream:heat', 'live'].map(name => performance.getEntriesByName(name)[0].startTime)"
DRAW = """() => {
  const {market} = liqstream.mapGrid.focus.view, {matrix} = market, kinds = ['line', 'box', 'text'];
  const {close} = matrix.candle(matrix.end - 1), at = share => matrix.timeOf(Math.floor(matrix.end * share));
  const drawings = Array.from({length: 50}, (_, i) => [kinds[i % 3], at(i / 60), close * (.96 + i / 600),
    at((i + 10) / 60), close * (1.04 - i / 600), `note ${i}`]);
  localStorage.setItem(`liqstream.drawings.${market.symbol}`, JSON.stringify(drawings));
}"""
ALL_DRAWN = ".draw-bar summary[aria-label^='50 of 50']"
CANDLES_ONLY = Path(__file__).with_name("candles_only.html").read_text()
Row = tuple[str, str, str, bool | None]
"""(what, goal, reached, whether the goal is met; None: no goal)."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """What a visitor's line and processor are like."""

    name: str
    bytes_per_s: int = -1
    latency_ms: int = 0
    cpu_rate: int = 1

    def apply(self, session: CDPSession) -> None:
        """Make the page behind the session this slow."""
        session.send("Network.enable")
        if self.bytes_per_s > 0:
            line = {"downloadThroughput": self.bytes_per_s, "uploadThroughput": self.bytes_per_s}
            session.send(
                "Network.emulateNetworkConditions", {"offline": False, "latency": self.latency_ms, **line}
            )
        session.send("Emulation.setCPUThrottlingRate", {"rate": self.cpu_rate})


FAST = Throttle("loopback")
SLOW_LINE = Throttle("50 kB/s, 400 ms", bytes_per_s=50_000, latency_ms=400)
SLOW_CPU = Throttle("CPU /6", cpu_rate=6)


@dataclass(slots=True)
class Traffic:
    """What a page asked for and got, counted from its first request."""

    requests: list[str] = field(default_factory=list)
    size: float = 0.0

    def watch(self, session: CDPSession) -> None:
        """Count every request, the socket included, and the bytes of every response as they were sent."""
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", lambda event: self.requests.append(event["request"]["url"]))
        session.on("Network.webSocketCreated", lambda event: self.requests.append(event["url"]))
        session.on("Network.loadingFinished", lambda event: self._add(event["encodedDataLength"]))

    def _add(self, size: float) -> None:
        self.size += size


@dataclass(frozen=True, slots=True)
class Visit:
    """A cold visit: times from the navigation, traffic until it was live."""

    heat_ms: float
    live_ms: float
    requests: int
    size: float


@contextmanager
def fresh_page(browser: Browser, throttle: Throttle) -> Iterator[tuple[Page, Traffic]]:
    """An empty tab of a new profile, throttled, its traffic counted."""
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        session = context.new_cdp_session(page)
        throttle.apply(session)
        traffic = Traffic()
        traffic.watch(session)
        yield page, traffic
    finally:
        context.close()


def visit(browser: Browser, url: str, throttle: Throttle) -> Visit:
    """Open the page with an empty cache and wait until it is live."""
    with fresh_page(browser, throttle) as (page, traffic):
        page.add_init_script(MARK_LIVE)
        page.goto(url, wait_until="commit", timeout=60_000)
        page.wait_for_function("() => performance.getEntriesByName('live').length > 0", timeout=60_000)
        requests, size = len(traffic.requests), traffic.size
        page.wait_for_function(
            "() => performance.getEntriesByName('liqstream:heat').length > 0", timeout=60_000
        )
        heat_ms, live_ms = page.evaluate(MARKS)
        return Visit(heat_ms, live_ms, requests, size)


def candles_only_ms(browser: Browser, url: str, throttle: Throttle) -> float:
    """The same visit of a page that draws candles with the same library and nothing else."""
    with fresh_page(browser, throttle) as (page, _):
        page.route(
            f"{url}/candles-only",
            lambda route: route.fulfill(content_type="text/html", body=CANDLES_ONLY),
        )
        page.goto(f"{url}/candles-only", wait_until="commit", timeout=60_000)
        page.wait_for_function("() => performance.getEntriesByName('candles').length > 0", timeout=60_000)
        at: float = page.evaluate("() => performance.getEntriesByName('candles')[0].startTime")
        return at


def visit_rows(browser: Browser, url: str, *, runs: int = 3) -> list[Row]:
    """Requests and bytes until live, then heat and live on a slow line and on a slow processor."""
    visits = [visit(browser, url, FAST) for _ in range(runs)]
    requests, sizes = [visit.requests for visit in visits], [visit.size / 1000 for visit in visits]
    rows = [
        _row("requests until live, socket counted", 12, requests, "{:.0f}"),
        _row("bytes until live", 185, sizes, "{:.0f} kB"),
    ]
    for throttle, heat_s, live_s in ((SLOW_LINE, 3.2, 5.0), (SLOW_CPU, 3.0, 5.0)):
        visits = [visit(browser, url, throttle) for _ in range(runs)]
        heats = [each.heat_ms / 1000 for each in visits]
        lives = [each.live_ms / 1000 for each in visits]
        rows.append(_row(f"{throttle.name}: heat", heat_s, heats, "{:.1f} s"))
        rows.append(_row(f"{throttle.name}: live", live_s, lives, "{:.1f} s"))
        alone = statistics.median(candles_only_ms(browser, url, throttle) for _ in range(runs)) / 1000
        rows.append((f"  candles only, {throttle.name}", "", f"{alone:.1f} s", None))
    return rows


def _row(what: str, goal: float, values: list[float] | list[int], form: str) -> Row:
    """The median decides; the worst is printed beside it."""
    median = statistics.median(values)
    text = f"{form.format(median)} (worst of {len(values)}: {form.format(max(values))})"
    return what, form.format(goal), text, median <= goal


@dataclass(slots=True)
class LongTasks:
    """Tasks of the page's main thread that took it longer than they may, in ms of its own time."""

    ours: list[float] = field(default_factory=list)
    library: list[float] = field(default_factory=list)

    def add(self, events: list[dict[str, Any]], least_ms: float = LONG_TASK_MS) -> None:
        """Take in a trace. A task is the chart library's if most of the functions called in it are."""
        mains = {
            (event["pid"], event["tid"])
            for event in events
            if event.get("name") == "thread_name" and event["args"].get("name") == "CrRendererMain"
        }
        on_main = [event for event in events if (event["pid"], event.get("tid")) in mains]
        calls = [event for event in on_main if event["name"] == "FunctionCall" and "dur" in event]
        for task in on_main:
            if task["name"] != "RunTask" or task.get("tdur", 0) <= least_ms * 1000:
                continue
            inside = [call for call in calls if task["ts"] <= call["ts"] <= task["ts"] + task["dur"]]
            library = sum(call["dur"] for call in inside if "/vendor/" in call["args"]["data"].get("url", ""))
            of = self.library if 2 * library > sum(call["dur"] for call in inside) else self.ours
            of.append(task["tdur"] / 1000)


def long_tasks(browser: Browser, page: Page, seconds: int) -> LongTasks:
    """Those of that many seconds."""
    found = LongTasks()
    while seconds > 0:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            browser.start_tracing(page=page, path=path, categories=TRACED)
            page.wait_for_timeout(1000 * min(SLICE_S, seconds))
            browser.stop_tracing()
            found.add(json.loads(path.read_text())["traceEvents"])
        seconds -= SLICE_S
    return found


def long_task_rows(
    browser: Browser, url: str, open_page: Callable[[Browser, str], Any], *, seconds: int
) -> list[Row]:
    """Tasks of more than 50 ms of thread time: one map, a grid of four, and one map with all that is drawn on
    and around it, 50 drawings, open interest and funding above it, their pane below it."""
    rows: list[Row] = []
    for name, query in (("one map", ""), ("2x2", "/?grid=4"), ("50 drawings, context", "/?pane=oi")):
        with open_page(browser, f"{url}{query}") as page:
            if "pane" in query:
                page.evaluate(DRAW)
                page.reload()
                page.wait_for_selector(ALL_DRAWN, state="attached", timeout=60_000)
                page.wait_for_selector("#context b")
            found = long_tasks(browser, page, seconds)
        count = len(found.ours) + len(found.library)
        worst = max([0.0, *found.ours, *found.library])
        reached = f"{count} ({len(found.ours)} ours, worst {worst:.0f} ms)" if count else "0"
        rows.append((f"tasks over 50 ms in {seconds} live seconds, {name}", "0", reached, count == 0))
    return rows
