"""Some of a server's venues, and several markets at once: what is shown is what was asked for, no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import WebSocket

from tests.browser.conftest import MARKETS, PHONE, Opened
from tests.support.demo_server import demo_server

pytestmark = [pytest.mark.browser, pytest.mark.simulated]
Open = Callable[..., Opened]
VENUES = ("simulated", "simulated-2", "simulated-3")
SUMS = """(() => { const {grid} = market.now; let long = 0, short = 0;
  for (let i = 0; i < grid.long.length; i++) { long += grid.long[i]; short += grid.short[i]; }
  return {long, short}; })()"""


@pytest.fixture(scope="module")
def venues_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulated market of two symbols on three venues."""
    env = {"LIQSTREAM_DEMO_VENUES": str(len(VENUES)), "LIQSTREAM_HISTORY_DAYS": "3"}
    with demo_server(tmp_path_factory.mktemp("venues"), ("BTCUSDT", "SOLUSDT"), **env) as url:
        yield url


def choose(opened: Opened, *venues: str) -> Any:
    """Check these venues' boxes in the display menu, and no others; the page's first answer about them."""
    query = f"&exchange={','.join(venues)}" if len(venues) < len(VENUES) else ""
    with opened.page.expect_response(lambda answer: answer.url.endswith(f"?columns=1{query}")) as answer:
        check(opened, *venues)
    until_of(opened, *venues)
    return answer.value.json()


def check(opened: Opened, *venues: str) -> None:
    page = opened.page
    page.wait_for_selector("#display-button[aria-expanded]")
    if not page.is_visible(".popover"):
        page.click("#display-button")
    for name in VENUES:
        box = page.locator(f'.popover input[name="{name}"]')
        if name in venues:
            box.check()
    for name in VENUES:
        if name not in venues:
            page.locator(f'.popover input[name="{name}"]').uncheck()


def until_of(opened: Opened, *venues: str) -> None:
    wanted = [] if len(venues) == len(VENUES) else list(venues)
    opened.until("market.chosen.join() === arg.join() && market.now && market.mix", wanted)
    opened.settle()


@pytest.mark.attack
def test_each_venue_has_its_own_levels_and_picture(open_page: Open, venues_url: str) -> None:
    """Every venue alone, every pair, and back to all: state, address, levels, price, mix and pixels follow."""
    opened = open_page(venues_url, symbol="SOLUSDT", window="24h", lock="1", dots="0")
    opened.until("market.now && market.mix && market.exchanges.length === 3")
    whole = opened.view(SUMS)
    alone: dict[str, Any] = {}
    compared = 0
    pictures = [opened.picture()]
    for venues in (*combinations(VENUES, 1), *combinations(VENUES, 2), VENUES):
        said = choose(opened, *venues)
        some = list(venues) if len(venues) < len(VENUES) else []
        assert opened.state("venues") == some
        opened.page.wait_for_function(
            "wanted => (new URLSearchParams(location.search).get('venues') ?? '') === wanted",
            arg=",".join(some),
        )
        assert said["exchanges"] == list(venues)
        if some:
            shown = opened.view(
                "[market.now.timeMs, market.now.price, market.now.grid.long, market.now.grid.short]"
            )
            if shown[0] == opened.page.evaluate("Date.parse", said["timestamp"]):  # not yet polled again
                assert shown[1:] == [said["data"][name] for name in ("current_price", "long", "short")]
                compared += 1
        sums = opened.view(SUMS)
        if len(venues) == 1:
            alone[venues[0]] = sums
        for side in ("long", "short"):
            expected = sum(alone[name][side] for name in venues) if len(alone) == len(VENUES) else sums[side]
            assert sums[side] == pytest.approx(expected, rel=0.1)
            assert opened.view("market.mix[arg].flat().reduce((a, b) => a + b, 0)", side) == pytest.approx(
                sums[side], rel=0.05
            )
        pictures.append(opened.picture())
    assert compared > 2
    assert alone["simulated"]["long"] > alone["simulated-3"]["long"]
    assert len({tuple(sums.items()) for sums in alone.values()}) == len(VENUES)
    for one, other in combinations(pictures[:-1], 2):
        assert np.count_nonzero(one != other) > 500
    assert sum(opened.view(SUMS).values()) == pytest.approx(sum(whole.values()), rel=0.1)


def test_everything_beside_the_map_is_of_the_venues_chosen(open_page: Open, venues_url: str) -> None:
    """Price line, totals, liquidations, feeds, accuracy and the exported levels."""
    opened = open_page(venues_url, window="24h", venues="simulated-3")
    page = opened.page
    until_of(opened, "simulated-3")
    page.wait_for_function("() => document.querySelector('#ohlc').innerText.includes('simulated-3')")
    opened.until("market.liquidations.length")
    assert opened.view("[...new Set(market.liquidations.map(each => each.exchange))]") == ["simulated-3"]
    page.wait_for_selector(".totals tbody tr")
    said = page.evaluate(
        """async () => (await (await fetch('/api/heatmap/BTCUSDT?columns=1&exchange=simulated-3')).json()).data"""
    )
    shown = page.inner_text(".totals tbody tr:last-child td:nth-of-type(1)")
    assert amount(shown) == pytest.approx(sum(said["long"]), rel=0.1)
    page.wait_for_selector(".realised tbody tr")
    page.click("#tab-data")
    page.wait_for_selector(".quality .row .lamp")
    assert page.locator(".quality .row .lamp").count() == 1
    assert "simulated-3" in page.inner_text(".quality")
    page.click("#tab-accuracy")
    page.wait_for_function("() => document.querySelector('.accuracy').textContent.includes('simulated-3')")
    price = float(page.inner_text("#ohlc .price").replace(",", ""))
    assert price == pytest.approx(opened.view("market.now.price"))
    page.click("#export-button")
    with page.expect_download() as download:
        page.click(".item >> text=Levels")
    assert "simulated-3" in download.value.suggested_filename
    lines = download.value.path().read_text().splitlines()[1:]
    assert sum(float(line.split(",")[1]) for line in lines) == pytest.approx(sum(said["long"]), rel=0.1)


def test_alerts_are_of_the_venues_chosen(open_page: Open, venues_url: str) -> None:
    """A rule is held against the chosen venue's clusters, and what it raises names that venue."""
    rules = {"near": {"on": True, "percent": 30, "usd": 1e5}, "cascade": {"on": False}, "levels": []}
    script = f"localStorage.setItem('liqstream.alerts', {json.dumps(json.dumps(rules))})"
    page = open_page(venues_url, drawn=False).page
    page.add_init_script(script)
    page.goto(f"{venues_url}/?window=24h&venues=simulated-3")
    page.wait_for_selector(".toast")
    assert any("BTCUSDT · simulated-3" in text for text in page.locator(".toast").all_inner_texts())


def amount(text: str) -> float:
    """USD of a figure as the page writes it, e.g. 12.3M."""
    units = {"K": 1e3, "M": 1e6, "B": 1e9}
    figure = text.strip().replace("$", "").replace(",", "").upper()
    return float(figure.rstrip("KMB")) * units.get(figure[-1], 1.0)


def test_the_map_of_some_venues_lives(open_page: Open, venues_url: str) -> None:
    """It is asked for again and again, and every map of a grid is, not the one in focus alone."""
    opened = open_page(venues_url, grid="4", window="24h", venues="simulated-2")
    opened.page.wait_for_function(
        "() => [...liqstream.mapGrid.slots.values()].every(slot => slot.view.market?.now)"
    )
    times = "[...liqstream.mapGrid.slots.values()].map(slot => slot.view.market.now.timeMs)"
    before = opened.page.evaluate(times)
    opened.page.wait_for_function(f"before => {times}.every((time, i) => time > before[i])", arg=before)
    opened.page.wait_for_function(  # the words are drawn in the frame after
        "() => [...document.querySelectorAll('.map .caption')].every(each => each.innerText.endsWith('simulated-2'))"
    )


def test_a_reload_keeps_the_venues(open_page: Open, venues_url: str) -> None:
    """The address is the view."""
    opened = open_page(venues_url, window="24h")
    opened.until("market.exchanges.length === 3")
    choose(opened, "simulated", "simulated-3")
    opened.page.wait_for_function("() => location.search.includes('venues=simulated,simulated-3')")
    opened.page.reload()
    opened.page.wait_for_function("() => globalThis.liqstream?.mapGrid.focus?.view.market?.now")
    until_of(opened, "simulated", "simulated-3")
    assert opened.state("venues") == ["simulated", "simulated-3"]
    opened.page.wait_for_selector("#display-button[aria-expanded]")
    opened.page.click("#display-button")
    checked = opened.page.evaluate(
        "() => [...document.querySelectorAll('.popover .boxes input')].map(box => box.checked)"
    )
    assert checked == [True, False, True]


@pytest.mark.parametrize(
    "context",
    [{}, {"locale": "ar-EG", "timezone_id": "Asia/Kathmandu"}],
    indirect=True,
    ids=["english", "arabic"],
)
def test_the_strip_above_the_map_fits_in_one_line(open_page: Open, venues_url: str) -> None:
    """At 1440 px with several exchanges, to its last button; in digits that stand where they were written."""
    page = open_page(venues_url).page
    page.wait_for_function(
        "() => document.querySelector('#context').innerText.match(/ % .* h/g)?.length && liqstream.tape"
    )
    page.wait_for_function("() => document.querySelector('#context').dataset.more === ''")
    assert page.evaluate("document.querySelector('#context').offsetHeight") < 30
    assert page.locator(".figure .of").nth(1).text_content() == "on simulated"
    assert not re.search("[\u0660-\u0669\u06f0-\u06f9]", page.inner_text("body"))


@pytest.mark.parametrize(("asked", "left"), [("mtgox", []), ("mtgox,simulated-2", ["simulated-2"])])
def test_an_unknown_venue_is_named_and_left_out(
    open_page: Open, venues_url: str, asked: str, left: list[str]
) -> None:
    """A link with a venue that this server does not have still shows a map, says what it is of, and complains of nothing."""
    opened = open_page(venues_url, drawn=False, venues=asked)
    opened.page.wait_for_function("() => globalThis.liqstream?.mapGrid.focus?.view.market?.now")
    until_of(opened, *(left or VENUES))
    opened.page.wait_for_selector("#notice:not([hidden])")
    assert "mtgox: no such exchange" in opened.page.inner_text("#notice")
    opened.page.wait_for_function("() => !location.search.includes('mtgox')")


@pytest.mark.parametrize(("grid", "count"), [("4", 4), pytest.param("9", 9, marks=pytest.mark.attack)])
def test_a_grid_shows_so_many_markets_each_subscribed_while_shown(
    open_page: Open, markets_url: str, grid: str, count: int
) -> None:
    """Four or nine maps, each with its own market; those no longer shown cost no message."""
    sent: list[dict[str, Any]] = []
    received: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(json.loads(frame)))
        socket.on("framereceived", lambda frame: received.append(str(frame)))

    opened = open_page(markets_url, drawn=False)
    opened.page.on("websocket", listen)
    opened.page.goto(f"{markets_url}/?grid={grid}&window=24h")
    opened.page.wait_for_function(
        """count => { const slots = [...liqstream.mapGrid?.slots.values() ?? []];
          return slots.length === count && slots.every(({view}) => view.market?.now && view.heat.frames > 1); }""",
        arg=count,
    )
    shown = opened.page.evaluate("() => [...liqstream.mapGrid.slots.keys()]")
    assert shown == list(MARKETS[:count])
    boxes = opened.page.evaluate(
        """() => [...document.querySelectorAll('.map')].map(map => { const b = map.getBoundingClientRect();
             return [Math.round(b.left), Math.round(b.top), Math.round(b.width), Math.round(b.height)]; })"""
    )
    side = {4: 2, 9: 3}[count]
    assert [len({box[axis] for box in boxes}) for axis in (0, 1)] == [side, side]
    assert min(box[2] for box in boxes) > 150
    assert max(box[2] for box in boxes) - min(box[2] for box in boxes) <= 2
    opened.page.wait_for_function(
        "shown => shown.every(symbol => liqstream.client.account(symbol).received > 1)", arg=shown
    )
    subscribed = [name for message in sent if message["action"] == "subscribe" for name in message["symbols"]]
    assert sorted(subscribed) == sorted(shown)
    prices = opened.page.evaluate(
        "() => [...liqstream.mapGrid.slots.values()].map(slot => slot.view.market.now.price)"
    )
    assert len(set(prices)) == count
    opened.page.evaluate("() => liqstream.store.set({ grid: 1 })")
    opened.page.wait_for_function("() => liqstream.client.symbols.length === 1")
    left = [name for message in sent if message["action"] == "unsubscribe" for name in message["symbols"]]
    assert sorted(left) == sorted(shown[1:])
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg", seq)
    received.clear()
    opened.until("market.now.seq > arg + 2", seq)
    updates = [text for text in received if '"type":"heartbeat"' not in text]
    assert updates
    assert not any(name in text for text in updates for name in shown[1:])


def test_linked_time_axes_move_together_and_the_focus_follows_the_pointer(
    open_page: Open, markets_url: str
) -> None:
    """A drag in one of nine maps moves all; a press puts it in focus, and the panel speaks of it."""
    opened = open_page(markets_url, grid="9", window="24h")
    page = opened.page
    page.wait_for_function(
        "() => liqstream.mapGrid.slots.size === 9 && [...liqstream.mapGrid.slots.values()].every(slot => slot.view.heat.frames > 1)"
    )
    before = opened.view("view.viewport.times()")
    box = page.locator(".map .chart").nth(4).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 80, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 90, steps=5)
    page.mouse.up()
    opened.settle()
    ranges = page.evaluate(
        "() => [...liqstream.mapGrid.slots.values()].map(slot => slot.view.viewport.times())"
    )
    assert ranges[4][0] < before[0] - 3_600_000
    for times in ranges:
        assert times == pytest.approx(ranges[4], abs=1_200_000)
    assert opened.state("symbol") == MARKETS[4]
    assert page.locator(".map.focus").count() == 1
    assert MARKETS[4] in page.inner_text("#ohlc")
    page.wait_for_function(
        "name => document.querySelector('.ladder caption')?.textContent.includes(name)", arg=MARKETS[4]
    )
    page.wait_for_function("() => liqstream.store.state.times.length === 2")
    page.keyboard.press("]")
    page.wait_for_function("name => liqstream.store.state.symbol === name", arg=MARKETS[5])
    page.wait_for_function("() => location.search.includes('times=')")
    assert page.locator(".map").count() == 9


# A key in the very moment in which a drag ends, sooner than any hand.
KEY_AT_ONCE = """key => addEventListener('pointerup', () => setTimeout(() => document.dispatchEvent(
  new KeyboardEvent('keydown', {key, bubbles: true}))), {once: true})"""


@pytest.mark.parametrize(
    ("grid", "key"),
    [("4", "]"), ("4", "["), ("1", "g")],
    ids=["the next map", "a map of no place yet", "a grid"],
)
def test_a_key_right_after_a_drag_keeps_the_times(
    open_page: Open, markets_url: str, grid: str, key: str
) -> None:
    """Times are of all maps of a grid: also when the dragged one gives its place away."""
    opened = open_page(markets_url, grid=grid, window="24h")
    page = opened.page
    page.wait_for_function("() => [...liqstream.mapGrid.slots.values()].every(s => s.view.heat.frames > 1)")
    page.wait_for_selector("#export-button[aria-expanded]")
    box = page.locator(".map .chart").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 80, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 90, steps=5)
    page.evaluate(KEY_AT_ONCE, key)
    dragged = opened.view("view.viewport.times()")
    page.mouse.up()
    page.wait_for_function("() => location.search.includes('times=')")
    assert opened.state("times") == pytest.approx(dragged, abs=1_200_000)


@pytest.mark.parametrize(
    "context", [{"viewport": PHONE, "has_touch": True, "device_scale_factor": 2}], indirect=True
)
def test_a_grid_on_a_phone_is_a_column_to_scroll(open_page: Open, markets_url: str) -> None:
    """A link to nine maps opened on a phone: all there, one below the other, nothing beyond the edge."""
    opened = open_page(markets_url, drawn=False, grid="9", window="24h")
    page = opened.page
    page.wait_for_function(
        "() => globalThis.liqstream?.mapGrid.slots.size === 9 && [...liqstream.mapGrid.slots.values()].every(slot => slot.view.market?.now)"
    )
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    boxes = page.evaluate(
        "() => [...document.querySelectorAll('.map')].map(map => { const b = map.getBoundingClientRect(); return [b.left, b.width, b.height]; })"
    )
    assert len(boxes) == 9
    assert all(left >= 0 and left + width <= PHONE["width"] for left, width, _ in boxes)
    assert min(height for _, _, height in boxes) > 150
    page.locator(".map").nth(8).scroll_into_view_if_needed()
    page.wait_for_function("() => [...liqstream.mapGrid.slots.values()][8].view.heat.frames > 1")
