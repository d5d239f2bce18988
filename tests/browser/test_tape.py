"""The tape beside the map, fed by a server's own liquidation bus: what it shows, holds, leaves out and plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Route

from liqstream.feeds.registry import VENUES
from tests.browser.conftest import PHONE, Opened
from tests.browser.test_accessible import faults
from tests.browser.test_words import TEXTS, other_words
from tests.support.tape_server import TapeServer, tape_server

pytestmark = pytest.mark.browser
ROWS = """() => [...document.querySelectorAll('.tape-rows li:not([hidden])')]
  .map(row => [...row.children].slice(1).map(cell => cell.textContent).join(' '))"""


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TapeServer]:
    """A server that replays nothing more, with its page."""
    with tape_server(tmp_path_factory.mktemp("tape")) as server:
        yield server


@pytest.fixture
def open_tape(open_page: Callable[..., Opened], tape: TapeServer) -> Callable[..., Page]:
    """Opens the page, and waits until its tape is connected."""

    def open_(least: str) -> Page:
        page = open_page(tape.url, tape=least).page
        page.wait_for_function("() => globalThis.liqstream?.tape?.state === 'open'")
        return page

    return open_


def shows(page: Page, *rows: str) -> None:
    """Wait until these are the newest rows."""
    page.wait_for_function(f"rows => rows.every((row, i) => ({ROWS})()[i] === row)", arg=list(rows))


def test_what_comes_is_shown_newest_first_from_the_least_size_on(
    open_tape: Callable[..., Page], tape: TapeServer
) -> None:
    """The link's least size; another choice shows what was left out, without a new request; Levels closes it."""
    page = open_tape("100000")
    assert page.locator(".side-body > .block.totals").is_hidden()
    tape.count = 0
    tape.put(tape.liquidation(150_000), tape.liquidation(99_000), tape.liquidation(2_000_000, "short"))
    shows(page, "binance short 100,003.0 $2.00M", "binance long 100,001.0 $150K")
    page.select_option(".tape-head select", "0")
    shows(page, "binance short 100,003.0 $2.00M", "binance long 100,002.0 $99.0K")
    page.wait_for_function("() => new URL(location).search.includes('tab=tape')")
    assert faults(page) == []
    assert other_words(page.evaluate(TEXTS)) == []
    # Under the pointer it holds still and counts; away from it the new one comes.
    page.hover(".tape-rows li:nth-child(2)")
    tape.put(tape.liquidation(5000))
    page.wait_for_function("() => document.querySelector('.tape .quiet').textContent === 'Held: 1 new'")
    shows(page, "binance short 100,003.0 $2.00M")
    page.mouse.move(300, 300)
    shows(page, "binance long 100,004.0 $5.00K")
    # What is not of today has its day above it, once.
    days = page.evaluate(
        "() => [...document.querySelectorAll('.tape-rows li:not([hidden])')].map(({dataset}) => dataset.day ?? '')"
    )
    assert days[:3] == ["21 Sept", "", ""]
    page.select_option(".tape-head select", "10000")
    page.keyboard.press("x")
    page.wait_for_selector(".side-body > .block.totals:visible")
    page.wait_for_function("() => !new URL(location).searchParams.has('tape')")
    page.keyboard.press("x")
    assert page.input_value(".tape-head select") == "10000"


def test_a_thousand_a_second_are_drawn_a_few_times_and_sound_is_off_until_asked_for(
    open_tape: Callable[..., Page], tape: TapeServer
) -> None:
    """Two hundred rows, however many come; no drawing for each; ten tones a second at most, none by itself."""
    page = open_tape("0")
    begun = page.evaluate("() => [performance.now(), liqstream.tape.drawn]")
    tape.put_at_1000_a_second(2)
    shows(page, f"binance long {100_000 + tape.count:,}.0 $500")
    ended = page.evaluate("() => [performance.now(), liqstream.tape.drawn]")
    assert 0 < ended[1] - begun[1] <= (ended[0] - begun[0]) / 300 + 1
    assert page.locator(".tape-rows li").count() == 200
    assert page.evaluate("() => [liqstream.tape.sound.isOn, liqstream.tape.sound.played]") == [False, 0]
    page.click(".sound")
    assert page.get_attribute(".sound", "aria-pressed") == "true"
    tape.put(*(tape.liquidation(50_000, "short") for _ in range(5)))
    page.wait_for_function("() => liqstream.tape.sound.played >= 1")
    page.click(".sound")
    assert page.evaluate("() => liqstream.tape.sound.isOn") is False


def test_what_came_while_it_was_closed_is_on_it_too(
    page: Page, open_tape: Callable[..., Page], tape: TapeServer
) -> None:
    """It says that what was before is on its way; the past that the map fetches closes every later gap."""
    past: list[dict[str, object]] = []
    body = {"data": past, "totals": []}
    held: list[Route] = []
    answered = False

    def answer(route: Route) -> None:
        if answered:
            route.fulfill(json=body)
        else:
            held.append(route)

    page.route("**/api/liquidations/**", answer)
    open_tape("0")
    page.wait_for_selector(".tape >> text=Loading those before now")
    answered = True
    for route in held:
        route.fulfill(json=body)
    page.wait_for_selector(".tape >> text=None yet")
    tape.put(tape.liquidation(150_000))
    shows(page, f"binance long {100_000 + tape.count:,}.0 $150K")
    with page.expect_event("requestfailed", lambda request: "/api/events" in request.url):
        page.keyboard.press("x")
    missed = tape.liquidation(70_000, "short")
    past.append({"timestamp": missed.time_ms, "exchange": "binance", "side": "short", "price": missed.price_usd,
                 "quantity": missed.quantity_base, "notional_usd": missed.notional_usd})  # fmt: skip
    page.keyboard.press("x")
    shows(
        page,
        f"binance short {missed.price_usd:,.1f} $70.0K",
        f"binance long {missed.price_usd - 1:,.1f} $150K",
    )
    assert page.locator(".tape-rows li:visible").count() == 2


@pytest.mark.parametrize("context", [{"viewport": PHONE, "has_touch": True}], indirect=True)
def test_on_a_phone_it_is_in_the_sheet(open_tape: Callable[..., Page], tape: TapeServer) -> None:
    """The tabs and what is on the tape can be pressed with a finger."""
    page = open_tape("0")
    assert page.locator(".side-tabs button").first.is_hidden()
    page.tap("#sheet-handle")
    page.wait_for_selector(".side-tabs button:visible")
    tape.put(tape.liquidation(7000))
    page.wait_for_selector(".tape-rows li:visible")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.side-tabs button, .tape-head *:is(select, button)')]
             .map(each => each.getBoundingClientRect()).map(({width, height}) => Math.min(width, height))"""
    )
    assert len(sizes) == 6
    assert min(sizes) >= 44
    page.tap(".side-tabs [data-tab=levels]")
    page.wait_for_selector(".ladder:visible")


def test_the_name_of_no_exchange_is_cut(open_tape: Callable[..., Page], tape: TapeServer) -> None:
    """Beside a price of six digits and an amount of tens of millions, which stay whole too."""
    page = open_tape("0")
    tape.put(tape.liquidation(22_200_000))
    page.wait_for_selector(".tape-rows li:visible")
    cut = page.evaluate(
        """names => names.flatMap(name => { const at = document.querySelector('.tape-rows .at'), row = at.parentElement;
          at.textContent = name;
          const isCut = each => each.scrollWidth > each.clientWidth; // a part of a pixel is an ellipsis
          return [...row.children].filter(isCut).map(({textContent}) => `${name}: ${textContent}`); })""",
        [*VENUES, "simulated"],
    )
    assert cut == []
