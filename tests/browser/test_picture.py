"""Whatever was changed, the map fills its place: proofs on pixels over the matrix of changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, Opened
from tests.browser.pixels import freeze, proof, rest

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

WINDOWS = ("12h", "24h", "48h", "3d", "7d", "14d", "30d", "90d", "1y")
# In an order in which longer follow shorter and shorter longer ones.
MIXED = ("12h", "7d", "24h", "90d", "3d", "30d", "48h", "1y", "14d")
BEFORE = ("following", "scrolled back", "price dragged")
# Liquidations are off: a blank chart must not pass by its marks.
PLAIN = {"dots": "0"}


def prepare(page: Page, before: str) -> None:
    """Leave the map as a viewer may have left it."""
    view = "const {viewport} = liqstream.mapGrid.focus.view; "
    if before == "scrolled back":
        page.evaluate(f"() => {{ {view} viewport.zoomTime(.5); viewport.pan(-.8, 0); }}")
        page.wait_for_function("() => liqstream.store.state.times.length === 2")
    elif before == "price dragged":
        page.evaluate(f"() => {{ {view} viewport.zoomPrice(.7); }}")
        page.wait_for_function("() => liqstream.mapGrid.focus.view.viewport.isFree")


def choose_window(page: Page, window: str, way: str) -> None:
    """By the button, its key, or the phone's menu."""
    if way == "button":
        page.click(f"#windows >> text='{window}'")
    elif way == "key":
        page.keyboard.press(str(WINDOWS.index(window) + 1))
    else:
        page.select_option("#window-select", window)


def faults_of_windows(
    page: Page, ways: tuple[str, ...], befores: tuple[str, ...], windows: tuple[str, ...] = MIXED
) -> list[str]:
    """One window after the other, each from another state of the map; what is wrong afterwards."""
    found = []
    for i, window in enumerate(windows):
        before, way = befores[i % len(befores)], ways[i % len(ways)]
        prepare(page, before)
        choose_window(page, window, way)
        rest(page)
        result = proof(page)
        found += [f"{window} by {way}, {before}: {fault}" for fault in result.faults]
    return found


@pytest.mark.parametrize(
    "befores",
    [BEFORE, *(pytest.param((before,), marks=pytest.mark.attack) for before in BEFORE)],
    ids=["in turns", *BEFORE],
)
def test_every_window_fills_the_map(open_page: Open, demo_url: str, befores: tuple[str, ...]) -> None:
    """By button and by key, from a map that follows, was scrolled back or has its price dragged."""
    opened = open_page(demo_url, **PLAIN)
    freeze(opened.page)
    assert faults_of_windows(opened.page, ("button", "key"), befores) == []


@pytest.mark.parametrize(
    ("grid", "windows", "means"),
    [
        pytest.param("4", ("30d",), ("key",), marks=pytest.mark.long),
        pytest.param("9", ("12h", "7d"), ("button", "key"), marks=pytest.mark.attack),
        *(
            pytest.param(grid, MIXED, ("button", "key"), marks=pytest.mark.attack, id=f"{grid}, all")
            for grid in ("4", "9")
        ),
    ],
)
def test_every_window_fills_every_map_of_a_grid(
    open_page: Open, markets_url: str, grid: str, windows: tuple[str, ...], means: tuple[str, ...]
) -> None:
    """Also where the maps' times are linked."""
    opened = open_page(markets_url, grid=grid, **PLAIN)
    freeze(opened.page)
    assert faults_of_windows(opened.page, means, BEFORE[1:], windows) == []


@pytest.mark.parametrize(
    "context", [{"viewport": PHONE, "has_touch": True, "is_mobile": True}], indirect=True
)
def test_every_window_fills_the_map_of_a_phone(open_page: Open, demo_url: str) -> None:
    """By the menu, upright and on its side."""
    opened = open_page(demo_url, **PLAIN)
    freeze(opened.page)
    assert faults_of_windows(opened.page, ("menu",), BEFORE, MIXED[:5]) == []
    opened.page.set_viewport_size({"width": PHONE["height"], "height": PHONE["width"]})
    rest(opened.page)
    assert proof(opened.page).faults == ()


def resize(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})


SIZES = (
    (1920, 1080),
    (1024, 768),
    (844, 390),
    (390, 844),
    (2560, 1440),
    (900, 700),
    (1280, 720),
    (1440, 900),
)


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ({}, SIZES),
        pytest.param({"grid": "4"}, SIZES[1:3], marks=pytest.mark.long),
        pytest.param({"embed": "1"}, SIZES[2:4], marks=pytest.mark.long),
        pytest.param({"grid": "4"}, SIZES, marks=pytest.mark.attack),
        pytest.param({"embed": "1"}, SIZES, marks=pytest.mark.attack),
    ],
    ids=["map", "grid", "embed", "grid, all sizes", "embed, all sizes"],
)
def test_no_change_of_size_leaves_a_blank(
    open_page: Open,
    request: pytest.FixtureRequest,
    query: dict[str, str],
    sizes: tuple[tuple[int, int], ...],
) -> None:
    """Wider, narrower, on its side, panel off and on, other theme, zoomed from 80 to 200 %."""
    url = request.getfixturevalue("markets_url" if "grid" in query else "demo_url")
    opened = open_page(url, **query, **PLAIN)
    page = opened.page
    freeze(page)
    found: list[str] = []

    def check(change: str) -> None:
        rest(page)
        found.extend(f"{change}: {fault}" for fault in proof(page).faults)

    check("as opened")
    for width, height in sizes:
        resize(page, width, height)
        check(f"{width}x{height}")
    for key, name in (("n", "panel off"), ("n", "panel on"), ("t", "other theme")):
        page.keyboard.press(key)
        check(name)
    session = page.context.new_cdp_session(page)
    for zoom in (0.8, 1.25, 2) if sizes == SIZES else (2,):
        resize(page, round(1440 / zoom), round(900 / zoom))
        session.send(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": round(1440 / zoom),
                "height": round(900 / zoom),
                "deviceScaleFactor": zoom,
                "mobile": False,
            },
        )
        check(f"zoom {zoom}")
    assert found == []


def test_a_chart_without_its_series_does_not_pass(open_page: Open, demo_url: str) -> None:
    """The proof is one: emptied series, heat alone gone from the left half, bars moved, a part out of sight."""
    opened = open_page(demo_url, **PLAIN)
    page = opened.page
    freeze(page)
    rest(page)
    assert proof(page)
    opened.view("(view.heat.setMatrix(null), view.candles.setData([]))")
    assert any(fault.startswith("PAINT") for fault in proof(page).faults)
    page.reload()
    page.wait_for_function("() => globalThis.liqstream?.client && liqstream.mapGrid.focus.view.market.now")
    freeze(page)
    rest(page)
    opened.view("view.chart.timeScale().setVisibleLogicalRange({from: -150, to: 308})")
    rest(page)
    kinds = {fault.split(" ")[0] for fault in proof(page).faults}
    assert {"PAINT", "RANGE"} <= kinds
    opened.view("view.viewport.fitTime()")
    page.evaluate("document.querySelector('.bar').style.marginTop = '-30px'")
    rest(page)
    assert any(fault.startswith("INSIDE") for fault in proof(page).faults)
