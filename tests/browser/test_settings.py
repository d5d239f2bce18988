"""What the viewer chose is remembered, the system's theme followed, and a browser that keeps nothing is no error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from liqstream.admission.tokens import new_token, token_line
from tests.attack.harness import attacked
from tests.browser.conftest import DRAWN, Opened, Watch

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

NO_STORAGE = """Object.defineProperty(window, 'localStorage', {get() {
  throw new DOMException('The operation is insecure.', 'SecurityError'); }})"""


def theme(page: Page) -> str | None:
    return page.get_attribute("html", "data-theme")


def test_settings_outlive_the_logo_and_the_page(open_page: Open, demo_url: str) -> None:
    """Theme, time zone, palette, candle colours and panel; the address wins, the system only where nothing is chosen."""
    opened = open_page(demo_url)
    page = opened.page
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("html[data-theme=light]")
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")
    for key in ("t", "u", "p", "n"):
        page.keyboard.press(key)
    page.click(".brand")
    page.wait_for_function(DRAWN)
    chosen = {"theme": "light", "utc": True, "palette": "magma", "panel": False}
    assert {key: opened.state(key) for key in chosen} == chosen
    assert theme(page) == "light"
    page.goto(f"{demo_url}/?theme=dark&panel=1")
    page.wait_for_function(DRAWN)
    assert theme(page) == "dark"
    page.keyboard.press("v")
    page.wait_for_function("() => location.search.includes('panel=1')")
    page.reload()
    page.wait_for_function(DRAWN)
    assert opened.state("panel") is True


def test_two_tabs_undo_nothing_of_each_other(open_page: Open, page: Page, demo_url: str) -> None:
    """An alert set in one is watched by the other too, and what each of them chose is remembered."""
    open_page(demo_url)
    other = page.context.new_page()
    other.goto(f"{demo_url}/?symbol=ETHUSDT")
    other.wait_for_function(DRAWN)
    for tab in (page, other):
        tab.keyboard.press("a")
        tab.click(".popover >> text=drag it on the axis")
        tab.keyboard.press("Escape")
        other.keyboard.press("a")
        other.wait_for_selector(".chip >> text=BTCUSDT")
        other.keyboard.press("Escape")
    page.keyboard.press("t")
    other.keyboard.press("u")
    page.keyboard.press("a")
    page.wait_for_selector(".chip >> text=ETHUSDT")
    fresh = page.context.new_page()
    fresh.goto(demo_url)
    fresh.wait_for_function(DRAWN)
    assert (theme(fresh), fresh.evaluate("liqstream.store.state.utc")) == ("light", True)
    fresh.keyboard.press("a")
    assert fresh.locator(".chip").count() == 2


def test_without_storage_everything_works_and_the_page_says_so(
    open_page: Open, page: Page, demo_url: str
) -> None:
    """Price ranges, alerts and settings last as long as the page."""
    page.add_init_script(NO_STORAGE)
    opened = open_page(demo_url)
    page.keyboard.press("f")
    page.keyboard.press("]")
    page.wait_for_selector("#notice:not([hidden]) >> text=Not saved")
    page.keyboard.press("[")
    assert opened.state("fit") == "candles"
    page.keyboard.press("a")
    page.click(".popover >> text=drag it on the axis")
    page.wait_for_selector(".mark-handle >> visible=true")


def test_without_storage_a_token_given_is_used(
    page: Page, watch: Watch, open_page: Open, tmp_path: Path
) -> None:
    """A page loaded anew would have forgotten it: it goes on without that."""
    token = new_token()
    (tmp_path / "tokens").write_text(token_line("page", token))
    watch.allowed.append("401|WebSocket connection")
    page.add_init_script(NO_STORAGE)
    with attacked(tmp_path, TOKENS_FILE="tokens") as server:
        opened = open_page(server.url, drawn=False)
        for attempt in (new_token(), token):
            page.wait_for_selector("#token-dialog[open]")
            page.fill("#token-dialog input", attempt)
            page.click("#token-dialog button")
        page.wait_for_function(DRAWN)
        opened.until_indicator("live")


def test_an_address_is_forgiven_its_case_and_shown_its_faults(open_page: Open, demo_url: str) -> None:
    """Small letters are understood; what is not is named, with what is shown instead."""
    # Not drawn first: the notice is there for eight seconds only.
    opened = open_page(demo_url, drawn=False, symbol="ethusdt", window="5y")
    opened.page.wait_for_selector("#notice >> text=window=5y: not 1h, 4h, 12h")
    assert opened.state("symbol") == "ETHUSDT"


@pytest.mark.parametrize("times", ["0~1", "1000000000000~1000000000001", "9e13~9.1e13"])
def test_a_link_to_times_that_the_window_does_not_have(open_page: Open, demo_url: str, times: str) -> None:
    """All of the window is shown, as without them; less than a column of it ends in no error."""
    opened = open_page(demo_url, window="24h", times=times)
    opened.settle()
    first, last = opened.view("view.viewport.times()")
    assert 20 * 3_600_000 < last - first < 30 * 3_600_000
    assert opened.view("view.viewport.isWhole")


def test_a_link_to_a_moment_shows_two_columns(open_page: Open, demo_url: str) -> None:
    """The chart's library throws where there is less than one to show."""
    opened = open_page(demo_url, window="24h")
    opened.settle()
    at_ms = round(opened.view("view.viewport.times()")[0]) + 6 * 3_600_000
    opened = open_page(demo_url, window="24h", times=f"{at_ms}~{at_ms + 1}")
    opened.settle()
    first, last = opened.view("view.viewport.times()")
    assert first <= at_ms <= last
    assert last - first < 3_600_000


def test_a_threshold_is_its_market_s_own(open_page: Open, demo_url: str) -> None:
    """What hides all of one market does not follow to the next, and is there again on the way back."""
    opened = open_page(demo_url, low="999000000")
    opened.page.keyboard.press("]")
    assert (opened.state("symbol"), opened.state("low")) == ("ETHUSDT", None)
    opened.page.keyboard.press("[")
    assert opened.state("low") == 999_000_000
