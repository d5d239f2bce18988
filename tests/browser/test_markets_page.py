"""The page of all markets, at 500 of them: its order, its search, its keys, and that it stays live cheaply."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, Opened, Watch
from tests.browser.test_accessible import faults
from tests.browser.test_words import TEXTS, other_words
from tests.support.market_page import MarketPage, market_page

pytestmark = pytest.mark.browser
COUNT = 500
ROW = "tbody:not(.spacer) tr"
SHOWN = """() => [...document.querySelectorAll('tbody:not(.spacer) tr')]
  .filter(row => row.getBoundingClientRect().top >= document.querySelector('thead').getBoundingClientRect().bottom - 1)
  .map(row => row.querySelector('a').textContent)"""
CUT = """() => [...document.querySelectorAll('tbody:not(.spacer) :is(td, th)')]
  .filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.innerText)"""
WRITES = """() => { globalThis.writes = []; new MutationObserver(all => writes.push(...all)).observe(
  document.querySelector('#table'), {subtree: true, childList: true, characterData: true}); }"""


@pytest.fixture(scope="module")
def server() -> Iterator[MarketPage]:
    """500 markets, one table of them published."""
    with market_page(COUNT) as made:
        made.offer()
        yield made


@pytest.fixture
def open_markets(page: Page, watch: Watch, server: MarketPage) -> Iterator[Callable[..., Page]]:
    """Opens the page and waits for its rows; it must not have complained at the end."""

    def open_(query: str = "") -> Page:
        watch.on(page, server.url)
        page.goto(f"{server.url}/markets{query}")
        page.wait_for_selector(ROW)
        page.wait_for_selector("#connection[data-state=live]")
        return page

    yield open_
    assert watch.seen == [], watch.refused


def first(page: Page) -> str:
    """The market on top."""
    name: str = page.evaluate(SHOWN)[0]
    return name


def test_500_markets_are_few_elements_and_a_change_touches_its_cells_alone(
    open_markets: Callable[..., Page], server: MarketPage
) -> None:
    """Rows out of sight are none; of the next table one cell is written; scrolling shows the last ones."""
    page = open_markets()
    assert page.inner_text("#count") == "500 markets"
    assert page.locator(ROW).count() < 60
    assert page.get_attribute("#table table", "aria-rowcount") == "501"
    page.evaluate(WRITES)
    prices = [*server.figures["price"]]
    prices[3], prices[400] = 12345.5, 54321.5
    server.offer(price=prices)
    page.wait_for_function("() => writes.length")
    assert page.inner_text(f"{ROW}:nth-child(4) .c-price") == "12,345.5"
    # The changed price moves three more figures of its row at most: the day's change and the distances.
    assert page.evaluate(
        "() => writes.every(({target}) => target.parentElement.closest('tr').rowIndex === 5)"
    )
    page.evaluate("() => document.querySelector('#table').scrollTo(0, 1e9)")
    page.wait_for_function(f"() => ({SHOWN})().at(-1) === 'C499USDT'")
    assert page.locator(ROW).count() < 60
    assert page.inner_text(f"{ROW}:last-child .c-price") == "–"
    assert page.get_attribute(f"{ROW}:last-child", "aria-rowindex") == "501"


def test_the_stream_of_500_moving_markets_is_small(
    open_markets: Callable[..., Page], server: MarketPage
) -> None:
    """Every price, and a third of all else, moves with each table, one every two seconds: 10 kB/s at most."""
    open_markets()
    before, figures = server.bytes_sent(), server.figures
    for turn in range(1, 6):
        moved = {
            name: [
                value * (1 + 1e-4 * turn)
                if isinstance(value, float) and (name == "price" or i % 3 == 0)
                else value
                for i, value in enumerate(values)
            ]
            for name, values in server.figures.items()
        }
        server.offer(**{**moved, "price": [v and float(f"{v:.7g}") for v in moved["price"]]})
    assert 0 < (server.bytes_sent() - before) / 5 / 2 <= 10_000
    server.offer(**figures)


def test_sort_and_search_are_the_address(open_markets: Callable[..., Page]) -> None:
    """Headings sort, again the other way; a search narrows; the link restores both; none says so."""
    page = open_markets()
    head = page.locator("th.c-change")
    head.locator("button").click()
    assert (head.get_attribute("aria-sort"), page.locator("th[aria-sort]").count()) == ("descending", 1)
    largest = first(page)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert first(page) != largest
    assert page.url.endswith("/markets?sort=change")
    page.keyboard.press("/")
    page.keyboard.type("c49")
    assert page.inner_text("#count") == "10 of 500 markets"
    wanted = page.evaluate(SHOWN)
    page.goto(page.url)
    page.wait_for_selector(ROW)
    assert (page.evaluate(SHOWN), page.input_value("#search")) == (wanted, "c49")
    page.fill("#search", "nosuch")
    assert "No market matches “nosuch”" in page.inner_text("#empty")
    page.click("#empty button")
    assert page.inner_text("#count") == "500 markets"
    page.goto(page.url.split("?")[0] + "?sort=size")
    page.wait_for_selector("#notice:visible")
    assert page.inner_text("#notice").startswith("sort=size: not market, price")


def test_keys_choose_and_open_a_market(open_markets: Callable[..., Page], server: MarketPage) -> None:
    """Arrows, Home and End move the focus, through rows that were none; Enter opens the map of that market."""
    page = open_markets("?sort=market")
    focused = "() => document.activeElement.textContent"
    for key, name in [("ArrowDown", "C000USDT"), ("ArrowDown", "C001USDT"), ("PageDown", "C011USDT")]:
        page.keyboard.press(key)
        assert page.evaluate(focused) == name
    page.keyboard.press("End")
    assert page.evaluate(focused) == "C499USDT"
    page.keyboard.press("ArrowUp")
    # Another table comes and the row scrolls out of sight: the keys go on from where they were.
    server.offer()
    page.evaluate("() => document.querySelector('#table').scrollTo(0, 0)")
    page.wait_for_function(f"() => ({SHOWN})()[0] === 'C000USDT'")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == "C497USDT"
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open] .keys kbd")
    assert other_words(page.evaluate(TEXTS)) == []
    page.keyboard.press("Escape")
    href = page.evaluate("() => document.activeElement.href")
    assert href == f"{server.url}/?symbol=C497USDT"


def test_the_order_holds_still_under_the_pointer(
    open_markets: Callable[..., Page], server: MarketPage
) -> None:
    """A market that overtakes keeps its place while the mouse is among the rows, and takes it afterwards."""
    page = open_markets()
    assert first(page) == "C000USDT"
    page.hover(f"{ROW}:nth-child(5) .c-oi")
    held = [*server.figures["open_interest"]]
    server.offer(open_interest=[*held[:9], 7e9, *held[10:]])
    page.wait_for_function(
        f"() => document.querySelector('{ROW}:nth-child(10) .c-oi').textContent === '$7.00B'"
    )
    assert first(page) == "C000USDT"
    page.mouse.move(400, 20)
    page.wait_for_function(f"() => ({SHOWN})()[0] === 'C009USDT'")
    server.offer(open_interest=held)
    page.wait_for_function(f"() => ({SHOWN})()[0] === 'C000USDT'")


def test_it_says_loading_failed_stale_and_lost(page: Page, watch: Watch) -> None:
    """Four things that are not figures, each in its own words; a market that is stale is marked."""
    watch.allowed += ["503", "WebSocket connection", "ERR_CONNECTION_REFUSED"]
    with market_page(3) as server:
        page.add_init_script(
            """const fetch_ = fetch, held = new Promise(done => (globalThis.release = done));
               globalThis.fetch = (...asked) => held.then(() => fetch_(...asked));"""
        )
        page.goto(f"{server.url}/markets")
        page.wait_for_function("() => globalThis.liqstream")
        assert page.inner_text("#empty") == "Loading markets"
        page.evaluate("() => release()")
        page.wait_for_function(
            "() => document.querySelector('#empty').textContent.includes('no table of markets yet')"
        )
        server.offer(stale=[False, True, False])
        page.wait_for_selector(ROW)
        assert page.locator("tr.old").all_inner_texts()[0].split()[:2] == ["C001USDT", "stale"]
        assert page.locator("tr.old .tag:visible").count() == 1
        server.offer(stale=[False, False, False])
        page.wait_for_selector("tr.old", state="detached")
    page.wait_for_selector("#connection[data-state=disconnected]")
    assert re.match(r"Connection lost\. Figures frozen at \d\d:\d\d:\d\d, re", page.inner_text("#notice"))
    assert page.locator(ROW).count() == 3
    page.wait_for_selector("body.lost")


@pytest.mark.parametrize("context", [{"viewport": PHONE, "has_touch": True}, {}], indirect=True)
def test_axe_finds_nothing_and_a_phone_has_three_columns(open_markets: Callable[..., Page]) -> None:
    """Names, roles, contrast in both themes; at 390 px nothing to press is smaller than 44 px."""
    page = open_markets("?sort=-funding")
    for theme in ("light", "dark"):
        page.keyboard.press("t")
        page.wait_for_selector(f"html[data-theme={theme}]")
        assert faults(page) == []
    headings = [text.strip() for text in page.locator("thead th:visible").all_inner_texts()]
    if page.viewport_size != PHONE:
        assert len(headings) == 11
        for width in (1440, 1290, 1200, 1024, 900, 720):
            page.set_viewport_size({"width": width, "height": 800})
            assert (width, page.evaluate(CUT)) == (width, [])
        return
    assert headings == ["Market", "Price", "Funding"]
    assert (
        page.get_attribute("#search", "placeholder") == "Search"
    )  # a finger has no key for it, 320 px no room
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        """() => [...document.querySelectorAll('a, button, input, select')].filter(element => {
             const {width, height} = element.getBoundingClientRect();
             return element.checkVisibility() && width > 0 && (width < 44 || height < 44); }).map(e => e.outerHTML)"""
    )
    assert small == []
    page.select_option("#order", "liquidated")
    page.tap("#turn")
    assert page.get_attribute("th.c-liquidated", "aria-sort") == "ascending"
    assert page.url.endswith("?sort=liquidated")


@pytest.mark.parametrize("context", [{"viewport": PHONE, "has_touch": True}, {}], indirect=True)
@pytest.mark.parametrize("price", [1.23456e-9, 9_876_543.2])
def test_a_price_of_any_length_has_room(
    open_markets: Callable[..., Page], server: MarketPage, price: float
) -> None:
    """Its column is as wide as the longest of them; in a phone's three too."""
    page, before = open_markets(), dict(server.figures)
    shares = {"price": 1.0, "price_24h": 1.1, "above_price": 1.1, "below_price": 0.9}
    server.offer(**{name: [share * price] * COUNT for name, share in shares.items()})
    page.wait_for_function(f"() => document.querySelector('td.c-price').innerText.length > {len(str(price))}")
    widths = (390,) if page.viewport_size == PHONE else (1440, 1290, 1024, 720)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        assert (width, page.evaluate(CUT)) == (width, [])
    server.figures = before
    server.offer()


def test_map_and_markets_lead_to_each_other(open_page: Callable[..., Opened], demo_url: str) -> None:
    """The header's first link and `m` open the table, a row the map of its market, live."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#display-button[aria-expanded]")
    # A browser that translates pages makes a sun of SOL, and a link of LINK.
    kept = "selectors => selectors.map(each => document.querySelector(each).translate)"
    names = ["#markets button", "#windows button", "#market-select option", "#ohlc b"]
    assert page.evaluate(kept, [*names, "h1"]) == [False] * 4 + [True]
    assert page.inner_text("header a:not(.brand) >> nth=0") == "Markets"
    page.keyboard.press("m")
    page.wait_for_selector(ROW)
    assert page.title() == "Markets · liqstream"
    assert page.evaluate(kept, [ROW, "thead th"]) == [False, True]
    assert other_words(page.evaluate(TEXTS)) == []
    page.locator(f"{ROW} .c-price").last.click()
    page.wait_for_url("**/?symbol=*")
    opened.until("market.now && view.heat.frames > 1")
    assert opened.state("symbol") in ("BTCUSDT", "ETHUSDT")
