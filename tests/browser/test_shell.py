"""What stands around the map: many markets, the colour bar, a frame in another page, scripts that do not come."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import DRAWN, MARKETS, Opened, Watch
from tests.browser.pixels import freeze

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]


@pytest.mark.parametrize("failing", ["**/js/app.js", "**/js/live-socket.js", "**/js/live-ui.js"])
def test_a_script_that_does_not_come_is_named_and_tried_again(
    page: Page, watch: Watch, open_page: Open, demo_url: str, failing: str
) -> None:
    """Refused once: a sentence, another try, and the page is there."""
    refused: list[str] = []

    def refuse(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=429, body="too many")

    page.route(failing, refuse)
    watch.allowed.append("429|dynamically imported module")
    opened = open_page(demo_url, drawn=False)
    page.wait_for_selector("#notice >> text=Part of the page did not load. Trying again in 3 s.")
    page.wait_for_function(DRAWN)
    opened.until_indicator("live")
    assert refused


def test_a_frame_leaves_the_wheel_to_its_page(page: Page, open_page: Open, demo_url: str) -> None:
    """Until it was clicked, or with Ctrl; and a link leads out of it, to the same view."""
    opened = open_page(demo_url, embed="1", window="24h")
    freeze(page)  # a bar that closes meanwhile moves the times too
    before = opened.view("view.viewport.times()")
    page.mouse.move(500, 300)
    page.mouse.wheel(0, -400)
    opened.settle()
    opened.settle()
    assert opened.view("view.viewport.times()") == before
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    opened.until("view.viewport.times()[0] > arg", before[0] + 600_000)
    link = page.get_attribute(".full-page", "href") or ""
    assert "embed" not in link
    assert "window=24h" in link
    page.mouse.click(500, 300)
    narrow = opened.view("view.viewport.times()[0]")
    page.mouse.wheel(0, -400)
    opened.until("view.viewport.times()[0] > arg", narrow)


@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": width, "height": height}} for width, height in ((480, 320), (340, 280))],
    indirect=True,
    ids=["in an article", "in an article on a phone"],
)
def test_a_small_frame_has_price_bar_and_link(page: Page, open_page: Open, demo_url: str) -> None:
    """Nothing overlaps, nothing is cut off."""
    size = page.viewport_size
    assert size
    open_page(demo_url, embed="1")
    boxes = page.evaluate(
        """() => ['.ohlc .price', '.track', '.full-page', '#labels .label', '.connection i'].map(name => {
          const {left, right, top, bottom} = document.querySelector(name).getBoundingClientRect(); return [left, right, top, bottom]; })"""
    )
    assert all(
        0 <= left < right <= size["width"] and 0 <= top < bottom <= 72 for left, right, top, bottom in boxes
    ), boxes
    for one, other in combinations(boxes, 2):
        beside = one[1] <= other[0] + 1 or other[1] <= one[0] + 1
        assert beside or one[3] <= other[2] + 1 or other[3] <= one[2] + 1, (one, other)
    assert page.evaluate("document.querySelector('.track').clientWidth") >= 60
    chart = page.locator("#maps .chart").first.bounding_box()
    assert chart is not None
    assert chart["y"] + chart["height"] > size["height"] - 30


@pytest.mark.parametrize(
    "context", [{"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2}], indirect=True
)
def test_zoomed_to_twice_the_size_the_controls_take_one_line(
    page: Page, open_page: Open, demo_url: str
) -> None:
    """1440x900 at 200 %: what is left below belongs to the map."""
    open_page(demo_url)
    page.wait_for_selector("#display-button[aria-expanded]")
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.bar > *, .bar .icon')].map(part => part.getBoundingClientRect())
             .filter(({width}) => width).map(({top, bottom, right}) => [top, bottom, right])"""
    )
    assert max(bottom for _, bottom, _ in boxes) < 52
    assert max(right for _, _, right in boxes) <= 720
    chart = page.locator("#maps .chart").first.bounding_box()
    assert chart
    assert chart["height"] > 300


@pytest.mark.long
@pytest.mark.parametrize("context", [{"viewport": {"width": 1380, "height": 800}}], indirect=True)
def test_markets_that_do_not_fit_are_in_a_menu(page: Page, open_page: Open, markets_url: str) -> None:
    """None is cut off; "+5" holds the others, and the one chosen from it is in sight."""
    opened = open_page(markets_url)
    opened.until_indicator("live")
    opened.settle()

    def shown() -> list[str]:
        names: list[str] = page.evaluate(
            """() => [...document.querySelectorAll('#markets button:not([hidden])')].map(button => button.textContent)"""
        )
        return names

    hidden = len(MARKETS) - len(shown())
    assert shown()[0] == "BTC"
    assert hidden > 0
    assert page.inner_text(".more-markets option >> nth=0") == f"+{hidden}"
    right, *edges = page.evaluate(
        """() => [document.querySelector('#markets'), ...document.querySelectorAll('#markets > :not([hidden])')]
             .map(each => each.getBoundingClientRect().right)"""
    )
    assert max(edges) <= right + 1
    page.select_option(".more-markets", "LTCUSDT")
    assert opened.state("symbol") == "LTCUSDT"
    assert "LTC" in shown()
    page.set_viewport_size({"width": 2000, "height": 900})
    page.wait_for_selector(".more-markets", state="hidden")
    assert len(shown()) == len(MARKETS)


def test_the_colour_bar_says_what_is_where(page: Page, open_page: Open, demo_url: str, watch: Watch) -> None:
    """Figures at the handles and at the end; rank fills it; in a grid it names its market; nothing drawn is told."""
    watch.allowed.append("willReadFrequently")  # it is this test that reads the bar until it is full
    opened = open_page(demo_url)
    page.wait_for_selector(".grip.high output")
    high = page.locator(".grip.high output").bounding_box()
    grip = page.locator(".grip.high").bounding_box()
    assert high is not None
    assert grip is not None
    assert abs(high["x"] + high["width"] / 2 - grip["x"] - grip["width"] / 2) < 2
    assert page.inner_text(".legend .end >> nth=1") != page.inner_text(".grip.high output")
    filled = """() => { const canvas = document.querySelector('.track canvas'), {data} = canvas.getContext('2d').getImageData(0, 5, canvas.width, 1);
      let drawn = 0; for (let i = 3; i < data.length; i += 4) if (data[i]) drawn++; return drawn / canvas.width; }"""
    page.evaluate("liqstream.store.set({scale: 'rank', low: 0})")
    page.wait_for_function(f"() => ({filled})() > .8")
    page.evaluate("liqstream.store.set({scale: 'sqrt', low: 999999999})")
    page.wait_for_selector(".empty:not([hidden]) >> text=Nothing above $1.00B")
    page.evaluate("liqstream.store.set({low: null, grid: 4})")
    page.wait_for_selector(".legend-title >> text=BTCUSDT: ")
    assert opened.state("grid") == 4
