"""The page against its goals, beside a candles-only chart in the same run.

    .venv/bin/python -m bench.bench_page [--json] [--quick] [--live-seconds 600] [--only cold --only phone]

A real server (`liqstream serve --demo`) and the system's Chromium, headless, without a GPU. A factor of two
between repeats is noise on such a machine: frame times are to be read beside those of the
candles-only chart, and the run fails by what the median misses.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.page_desk import desk_rows
from bench.page_maps import nine_maps_rows, phone_rows
from bench.page_visits import Row, long_task_rows, visit_rows
from tests.browser.conftest import DRAWN, FLAGS, chromium_path
from tests.support.demo_server import demo_server

COLD_LOADS = 7
GRID_MARKETS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
PARTS = ("cold", "visits", "tasks", "nine", "phone", "desk", "frames")
HEAP_TOLERANCE = 0.05
PROBES = Path(__file__).with_name("bench_page.js").read_text()
BRIGHT_BANDS = Path(__file__).with_name("bright_bands.js").read_text()
"""Also the test's: one definition of what is visible."""


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A page in a profile of its own, its map drawn and its tools loaded."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.goto(url)
        page.wait_for_function(DRAWN)
        page.wait_for_selector("#display-button[aria-expanded]")
        page.evaluate(PROBES)
        page.evaluate(BRIGHT_BANDS)
        yield page
    finally:
        context.close()


def cold_paint_ms(browser: Browser, url: str) -> float:
    """From the navigation to the end of the frame that first drew heat, empty cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        page.wait_for_function("() => performance.getEntriesByName('liqstream:heat').length > 0")
        at: float = page.evaluate("() => performance.getEntriesByName('liqstream:heat')[0].startTime")
        return at
    finally:
        context.close()


def bytes_to_first_paint(browser: Browser, url: str) -> dict[str, int]:
    """Compressed body bytes of what had arrived when the heat was drawn."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.goto(url)
        page.wait_for_function(DRAWN)
        entries: list[list[Any]] = page.evaluate(
            """() => { const at = performance.getEntriesByName('liqstream:heat')[0].startTime;
                 const of = kind => performance.getEntriesByType(kind);
                 const all = [...of('navigation'), ...of('resource')];
                 return all.filter(e => e.responseEnd <= at).map(e => [e.name, e.encodedBodySize]); }"""
        )
    finally:
        context.close()
    library = sum(size for name, size in entries if "/vendor/" in name)
    history = sum(size for name, size in entries if "/history" in name)
    total = sum(size for _, size in entries)
    return {"total": total, "library": library, "history": history, "ours": total - library - history}


def cold_rows(browser: Browser, url: str, *, quick: bool) -> list[Row]:
    """The first painted heat of a first visit, and what it took to come."""
    loads = [cold_paint_ms(browser, url) for _ in range(3 if quick else COLD_LOADS)]
    cold = statistics.median(loads)
    sizes = bytes_to_first_paint(browser, url)
    kb = sizes["total"] / 1000
    detail = ", ".join(f"{name} {size / 1000:.0f}" for name, size in sizes.items() if name != "total")
    return [
        ("cold, to the first painted heat", "350 ms", f"{cold:.0f} ms (best {min(loads):.0f})", cold <= 350),
        ("bytes to first paint, compressed", "95 kB", f"{kb:.0f} kB ({detail})", kb <= 95),
    ]


def measure(browser: Browser, url: str, parts: tuple[str, ...], *, quick: bool, live_s: int) -> list[Row]:
    """Every goal of these parts and what was reached."""
    runs = 1 if quick else 3
    rows: list[Row] = []
    if "cold" in parts:
        rows += cold_rows(browser, url, quick=quick)
    if "visits" in parts:
        rows += visit_rows(browser, url, runs=runs)
    if "tasks" in parts:
        rows += long_task_rows(browser, url, opened, seconds=live_s)
    if "nine" in parts:
        rows += nine_maps_rows(browser, runs=runs)
    if "phone" in parts:
        rows += phone_rows(browser, url, runs=runs)
    if "desk" in parts:
        rows += desk_rows(browser, runs=runs)
    if "frames" in parts:
        with opened(browser, url) as page:
            rows += page_rows(page, quick=quick)
    return rows


def page_rows(page: Page, *, quick: bool) -> list[Row]:
    """What is measured within one page, on matrices made for it."""
    rows: list[Row] = []
    message: dict[str, float] = page.evaluate("n => bench.liveMessages(n)", 6 if quick else 20)
    size = message["median"]
    rows.append(
        ("live message, median", "400 B", f"{size:.0f} B (largest {message['most']:.0f})", size <= 400)
    )
    page.evaluate("() => liqstream.client.close()")
    for columns, levels, median_goal, p95_goal in ((672, 300, 6.0, 8.3), (8640, 400, 10.0, 16.6)):
        name = f"{columns}x{levels}"
        page.evaluate("size => bench.load(size)", [columns, levels])
        if columns == 672:
            update: dict[str, float] = page.evaluate("n => bench.updates(n)", 100 if quick else 400)
            reached = f"{update['p95']:.2f} ms (median {update['median']:.2f})"
            rows.append(
                (f"our code per live update, {name}, p95", "0.3 ms", reached, round(update["p95"], 2) <= 0.3)
            )
        pans: dict[str, dict[str, float]] = page.evaluate("n => bench.pans(n)", 40 if quick else 120)
        heat, alone, script = pans["heat"], pans["alone"], pans["script"]
        rows.append(
            (
                f"pan frame {name}, median / p95",
                f"{median_goal:g} / {p95_goal:g} ms",
                f"{heat['median']:.1f} / {heat['p95']:.1f} ms",
                heat["median"] <= median_goal and heat["p95"] <= p95_goal,
            )
        )
        rows.append(
            (f"  candles only, same run {name}", "", f"{alone['median']:.1f} / {alone['p95']:.1f} ms", None)
        )
        rows.append(
            (
                f"heat JavaScript per pan frame {name}, median",
                "0.3 ms",
                f"{script['median']:.2f} ms (p95 {script['p95']:.2f})",
                script["median"] <= 0.3,
            )
        )
        drag: dict[str, float] = page.evaluate("n => bench.thresholds(n)", 20 if quick else 60)
        rows.append(
            (
                f"threshold drag {name}, median",
                "4 ms",
                f"{drag['median']:.1f} ms (p95 {drag['p95']:.1f})",
                drag["median"] <= 4,
            )
        )
    bands: list[int] = page.evaluate("() => brightBands()")
    seen = ", ".join(str(count) for count in sorted(set(bands)))
    rows.append(("bright bands visible at any zoom", "9 of 9", f"{seen} of 9", set(bands) == {9}))
    memory: dict[str, float] = page.evaluate("n => bench.hours(n)", 1 if quick else 8)
    rows.append(
        (
            f"heap after {memory['hours']:.0f} simulated hours at 1 s",
            "within 5 %",
            f"{memory['before']:.1f} -> {memory['after']:.1f} MB",
            abs(memory["after"] / memory["before"] - 1) <= HEAP_TOLERANCE,
        )
    )
    return rows


def show(rows: list[Row]) -> None:
    """Print the table of goals."""
    table = Table("", "goal", "reached", "", title="The page, headless Chromium without a GPU")
    for what, goal, reached, met in rows:
        table.add_row(what, goal, reached, "" if met is None else "yes" if met else "[bold]no[/]")
    Console(width=118).print(table)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone on stdout.")
@click.option("--quick", is_flag=True, help="Fewer repeats.")
@click.option(
    "--only", "parts", type=click.Choice(PARTS), multiple=True, help="This part alone; may be repeated."
)
@click.option(
    "--live-seconds", "live_s", default=30, show_default=True, help="How long to wait for long tasks."
)
def main(*, as_json: bool, quick: bool, parts: tuple[str, ...], live_s: int) -> None:
    """Measure the page and print the goals with what was reached; fails where one is missed."""
    flags = [*FLAGS, "--enable-precise-memory-info", "--js-flags=--expose-gc"]
    with (
        tempfile.TemporaryDirectory() as folder,
        demo_server(Path(folder), GRID_MARKETS) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        rows = measure(browser, url, parts or PARTS, quick=quick, live_s=5 if quick else live_s)
        browser.close()
    if as_json:
        keys = ("what", "goal", "reached", "met")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
    else:
        show(rows)
    if any(met is False for *_, met in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
