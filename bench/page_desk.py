"""What stands beside the maps: the page of all markets with 500 of them, and the tape at 1,000 a second."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from bench.page_visits import DESKTOP, LONG_TASK_MS, TRACED, LongTasks, Row
from tests.support.market_page import MarketPage, market_page
from tests.support.tape_server import TapeServer, tape_server

MARKETS = 500
TABLES = 8
TABLE_EVERY_S = 2
MOST_BYTES_PER_S = 10_000
FIRST_TABLE = "() => performance.getEntriesByName('liqstream:markets').length > 0"
OPEN = "() => globalThis.liqstream?.tape?.state === 'open'"


def desk_rows(browser: Browser, *, runs: int = 3) -> list[Row]:
    """Markets: first table, tasks, bytes. Tape: tasks while 1,000 liquidations a second come."""
    with market_page(MARKETS) as server:
        server.offer()
        visits = [_visit(browser, server) for _ in range(runs)]
    with tempfile.TemporaryDirectory() as folder, tape_server(Path(folder)) as tape:
        longest = [_longest_on_tape(browser, tape) for _ in range(runs)]
    times, tasks, sizes = zip(*visits, strict=True)
    return [
        _row(f"{MARKETS} markets, first table", 1000.0, times, "{:.0f} ms"),
        _row(f"{MARKETS} markets, longest task", LONG_TASK_MS, tasks, "{:.0f} ms"),
        _row(f"{MARKETS} markets, all prices moving, a second", MOST_BYTES_PER_S, sizes, "{:.0f} B"),
        _row("tape, 1,000 a second, longest task", LONG_TASK_MS, longest, "{:.0f} ms"),
    ]


def _visit(browser: Browser, server: MarketPage) -> tuple[float, float, float]:
    """ms to the first table, ms of thread time of the longest task, bytes a second of the stream."""
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        with _Traced(browser, page) as traced:
            page.goto(f"{server.url}/markets", wait_until="commit")
            page.wait_for_function(FIRST_TABLE)
            page.wait_for_selector("#connection[data-state=live]")
            before = server.bytes_sent()
            for turn in range(1, TABLES + 1):
                moved = [
                    price and float(f"{price * (1 + 1e-4 * turn):.7g}") for price in server.figures["price"]
                ]
                server.offer(price=moved)
                page.wait_for_timeout(200)
            size = (server.bytes_sent() - before) / TABLES / TABLE_EVERY_S
        at: float = page.evaluate("() => performance.getEntriesByName('liqstream:markets')[0].startTime")
    finally:
        context.close()
    return at, traced.longest_ms, size


def _longest_on_tape(browser: Browser, tape: TapeServer) -> float:
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        page.goto(f"{tape.url}/?tape=0")
        page.wait_for_function(OPEN)
        page.wait_for_timeout(2000)  # the page's own beginning is measured elsewhere
        with _Traced(browser, page) as traced:
            tape.put_at_1000_a_second(5)
    finally:
        context.close()
    return traced.longest_ms


class _Traced:
    """The longest task of the page's main thread while the block runs, in ms of its own time."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self.longest_ms = 0.0
        self._browser = browser
        self._page = page
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> _Traced:
        path = Path(self._folder.name) / "trace.json"
        self._browser.start_tracing(page=self._page, path=path, categories=TRACED)
        return self

    def __exit__(self, *_: Any) -> None:
        self._browser.stop_tracing()
        found = LongTasks()
        found.add(json.loads((Path(self._folder.name) / "trace.json").read_text())["traceEvents"], least_ms=0)
        self.longest_ms = max([0.0, *found.ours, *found.library])
        self._folder.cleanup()


def _row(what: str, goal: float, values: tuple[float, ...] | list[float], form: str) -> Row:
    median = statistics.median(values)
    reached = f"{form.format(median)} (worst of {len(values)}: {form.format(max(values))})"
    return what, form.format(goal), reached, median <= goal
