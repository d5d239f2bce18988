"""The indicator tells the truth whatever happens to the server or the line, and everything heals by itself."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute

from tests.browser.conftest import Opened
from tests.browser.servers import replay_server

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]
PROMPT = "Math.random = () => 0.03"
"""Jitter that hardly waits: the back-off itself is tested under node."""
NETWORK = "ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|WebSocket connection|503"


def test_a_restarted_server_needs_no_reload(
    page: Page, open_page: Open, tmp_path: Path, shared_data: Path
) -> None:
    """Stopped: red within seconds and named. Back: green, with the map of the new epoch, by itself."""
    with replay_server(tmp_path, shared_data) as server:
        page.add_init_script(PROMPT)
        opened = open_page(server.url)
        opened.watch.allowed.append(NETWORK)
        opened.until_indicator("live")
        epoch = opened.view("market.now.epoch")
        server.stop()
        opened.until_indicator("disconnected")
        notice = opened.page.inner_text("#notice")
        assert re.fullmatch(
            r"Connection lost\. Prices frozen at \d\d:\d\d:\d\d, (retrying in \d+ s|reconnecting)", notice
        )
        server.start()
        opened.until_indicator("live", timeout_s=40)
        opened.until("market.now.epoch > arg", epoch)
        page.wait_for_selector("#notice", state="hidden")


def test_without_websocket_it_polls_and_comes_back(
    page: Page, open_page: Open, tmp_path: Path, shared_data: Path
) -> None:
    """WS_ENABLED=false: after three attempts REST feeds the map; switched on again, the socket takes over."""
    with replay_server(tmp_path, shared_data, WS_ENABLED="false") as server:
        polls: list[str] = []
        page.add_init_script(PROMPT)
        opened = open_page(server.url, drawn=False)
        opened.watch.allowed.append(NETWORK)
        opened.page.on("request", lambda request: polls.append(request.url))
        opened.until_indicator("polling", timeout_s=40)
        opened.page.wait_for_function("() => liqstream.mapGrid.focus.view.market.now")
        seq = opened.view("market.now.seq")
        opened.until("market.now.seq > arg", seq)
        assert sum("columns=1" in url for url in polls) >= 2
        server.stop()
        server.start(WS_ENABLED="true")
        opened.until_indicator("live", timeout_s=45)
        received = opened.page.evaluate("() => liqstream.client.account('BTCUSDT').received")
        assert received >= 1


def test_a_browser_without_websocket_polls(page: Page, open_page: Open, replay_url: str) -> None:
    """An extension took it away: the map and the table of markets come by HTTP, and say so."""
    page.add_init_script("delete window.WebSocket")
    opened = open_page(replay_url)
    opened.until_indicator("polling")
    page.goto(f"{replay_url}/markets")
    page.wait_for_selector(".market-table tbody a")
    opened.until_indicator("polling")


def test_a_silent_line_turns_amber_then_red_and_heals(page: Page, open_page: Open, replay_url: str) -> None:
    """An open socket that says nothing is judged by what it leaves unanswered: amber in 4 s, red in 9."""
    page.add_init_script(PROMPT)
    held = {"on": False}
    opened = open_page(replay_url, drawn=False)

    def proxy(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda text: None if held["on"] else route.send(text))
        route.on_message(lambda text: None if held["on"] else server.send(text))

    opened.page.route_web_socket("**/ws/heatmap", proxy)
    opened.page.reload()
    opened.until_indicator("live")
    held["on"] = True
    opened.until_indicator("slow", timeout_s=12)
    assert re.fullmatch(r"Updates are late \(last \d+ s ago\)", opened.page.inner_text("#notice"))
    # Read out is what does not change by the second.
    assert opened.page.inner_text("#notice > :not([aria-hidden])").strip() == "Updates are late"
    assert opened.page.evaluate("liqstream.client.unansweredMs") > 2000
    opened.until_indicator("disconnected", timeout_s=12)
    assert 6500 < opened.page.evaluate("liqstream.client.unansweredMs") < 9000
    held["on"] = False
    opened.until_indicator("live", timeout_s=20)


def test_a_server_that_sends_no_state_is_not_live(page: Page, open_page: Open, replay_url: str) -> None:
    """Acks, pongs and heartbeats prove a line, not what is shown: green only once there is a state, and on coming back
    only once this server stands behind it."""
    page.add_init_script(PROMPT)
    opened = open_page(replay_url, drawn=False)
    holds = {"states": True, "positions": False}
    routes: list[WebSocketRoute] = []

    def proxy(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        routes.append(route)
        route.on_message(server.send)

        def down(text: str | bytes) -> None:
            message = json.loads(text)
            if holds["states"] and message["type"] in ("snapshot", "delta"):
                return
            if holds["positions"] and message["type"] in ("heartbeat", "tick"):
                return
            if holds["positions"]:
                message.pop("positions", None)
            route.send(json.dumps(message))

        server.on_message(down)

    page.route_web_socket("**/ws/heatmap", proxy)
    page.reload()
    page.wait_for_function("() => globalThis.liqstream?.client?.status.state === 'open'")
    note = """() => { globalThis.shown = [document.querySelector('#connection').dataset.state]; new MutationObserver(() => shown.push(document.querySelector('#connection').dataset.state))
      .observe(document.querySelector('#connection'), {attributes: true});
      globalThis.pongs = 0; liqstream.client.ask();
      liqstream.client.on('latency', () => { pongs++; setTimeout(() => liqstream.client.ask(), 1000); }); }"""
    page.evaluate(note)
    page.wait_for_function("() => pongs >= 3")  # a second between them, in which it is drawn anew
    assert set(page.evaluate("shown")) == {"connecting"}
    assert opened.view("market.now") is None
    holds["states"] = False
    opened.until_indicator("live")
    assert opened.view("market.now") is not None
    # A server that stands elsewhere is not known to stand behind what the last one showed.
    holds |= {"states": True, "positions": True}
    routes[-1].close(code=1012)
    page.wait_for_function("() => liqstream.client.status.state === 'open' && shown.at(-1) === 'connecting'")
    page.evaluate("() => { shown.length = pongs = 0; liqstream.client.ask(); }")
    page.wait_for_function("() => pongs >= 3")  # a second between them, in which it is drawn anew
    assert "live" not in page.evaluate("shown")
    holds |= {"states": False, "positions": False}
    opened.until_indicator("live")


def test_a_slow_consumer_is_warned(open_page: Open, replay_url: str) -> None:
    """SLOW_CONSUMER shows the notice and the number of dropped updates on the card."""
    opened = open_page(replay_url, drawn=False)

    def warn(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(route.send)
        route.on_message(server.send)
        warning = {"type": "warning", "code": "SLOW_CONSUMER", "message": "slow", "dropped_messages": 3}
        route.send(json.dumps(warning))

    opened.page.route_web_socket("**/ws/heatmap", warn)
    opened.page.reload()
    opened.until_indicator("slow")
    assert re.fullmatch(r"Updates are late \(last \d+ s ago\)", opened.page.inner_text("#notice"))
    opened.page.hover("#connection")
    card = " ".join(opened.page.inner_text("#connection-card").split())
    assert "Dropped 3" in card
    for name in ("Latency", "Last update", "Snapshot", "Skipped"):
        assert name in card


def test_a_damaged_delta_is_noticed_and_put_right(open_page: Open, replay_url: str) -> None:
    """A wrong checksum asks for the whole state again; the page ends in the server's state."""
    damaged: list[int] = []
    resyncs: list[str] = []
    opened = open_page(replay_url, drawn=False)

    def meddle(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def down(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "delta" and not damaged and message["data"]["long"]["v"]:
                message["data"]["long"]["v"][0] += 1
                damaged.append(message["seq"])
                text = json.dumps(message)
            route.send(text)

        def up(text: str | bytes) -> None:
            if "resync" in str(text):
                resyncs.append(str(text))
            server.send(text)

        server.on_message(down)
        route.on_message(up)

    opened.page.route_web_socket("**/ws/heatmap", meddle)
    opened.page.reload()
    opened.page.wait_for_function("() => liqstream?.mapGrid.focus?.view.market.now")
    opened.until("liqstream.client.account('BTCUSDT').received > 12", timeout_s=30)
    assert damaged
    assert len(resyncs) == 1
    assert opened.page.evaluate("() => liqstream.client.snapshot('BTCUSDT').seq") > damaged[0]


def test_a_history_that_fails_is_named_and_asked_for_again(open_page: Open, replay_url: str) -> None:
    """503 with a sentence: the sentence is shown in the map's place, and the map comes when it can."""
    refused = {"on": True}
    opened = open_page(replay_url, drawn=False)
    opened.watch.allowed.append("503")

    def answer(route: Route) -> None:
        if refused["on"]:
            route.fulfill(status=503, json={"error": "no data for BTCUSDT yet"})
        else:
            route.continue_()

    opened.page.route("**/history?*", answer)
    opened.page.reload()
    opened.page.wait_for_selector("text=no data for BTCUSDT yet")
    refused["on"] = False
    opened.until("market.matrix && view.heat.frames > 0", timeout_s=30)
    assert opened.page.is_hidden(".empty")


HIDE = """hidden => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event('visibilitychange')); }"""
LATER = """ms => { const real = performance.now.bind(performance); performance.now = () => real() + ms; }"""


def test_a_hidden_page_pauses_and_catches_up(open_page: Open, replay_url: str) -> None:
    """After half a minute out of sight it has no socket and says so; on return it is live within a moment."""
    opened = open_page(replay_url)
    page = opened.page
    opened.until_indicator("live")
    page.evaluate(HIDE, True)
    page.evaluate(LATER, 31_000)
    page.wait_for_function("() => liqstream.client.status.state === 'idle'")
    assert page.evaluate("liqstream.client.status.code") == 1000
    opened.until_indicator("paused")
    page.wait_for_function("() => /^\\(paused\\) [\\d,.]+ BTCUSDT/.test(document.title)")
    # Eight minutes on, and two rounds of the page's own timers: no socket was opened meanwhile.
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.evaluate(LATER, 480_000)
    page.evaluate("() => new Promise(later => setTimeout(later, 2100))")
    assert page.evaluate("liqstream.client.status.state") == "idle"
    assert sockets == []
    page.evaluate(HIDE, False)
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg", seq, timeout_s=10)
    opened.until_indicator("live")
    assert len(sockets) == 1
    assert "paused" not in page.title()


@pytest.mark.parametrize("minutes", [8, pytest.param(0, marks=pytest.mark.attack, id="8 real ones")])
@pytest.mark.timeout(700)
def test_a_page_hidden_for_eight_minutes_asks_for_nothing(
    page: Page, open_page: Open, replay_url: str, minutes: int
) -> None:
    """No socket and no request in all that time; shown again, the newest state is there in three seconds."""
    opened = open_page(replay_url)
    opened.until_indicator("live")
    page.wait_for_selector("#export-button[aria-expanded]")
    page.evaluate(HIDE, True)
    page.evaluate(LATER, 31_000)
    opened.until_indicator("paused")
    page.evaluate(
        "async () => { while (liqstream.loader.isLoading) await new Promise(done => setTimeout(done, 50)); }"
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda made: asked.append(made.url))
    for _ in range(minutes):
        page.evaluate("() => { const at = performance.now(); performance.now = () => at + 60_000; }")
        page.wait_for_timeout(550)  # its timers have their turn: one every half second
    if not minutes:
        page.wait_for_timeout(480_000)
    assert asked == []
    page.evaluate("() => { delete performance.now; }")
    seq, began = opened.view("market.now.seq"), time.monotonic()
    page.evaluate(HIDE, False)
    opened.until("market.now.seq > arg", seq, timeout_s=10)
    opened.until_indicator("live")
    assert time.monotonic() - began < 3


def test_a_hidden_page_that_is_to_go_on_asks_for_less(open_page: Open, replay_url: str) -> None:
    """Keep updating in the background: one socket, an update every ten seconds, and the title goes on."""
    opened = open_page(replay_url, background="1")
    page = opened.page
    opened.until_indicator("live")
    page.evaluate(
        "() => { globalThis.intervals = []; liqstream.client.on('subscribed', told => intervals.push(told.intervalS)); }"
    )
    page.evaluate(HIDE, True)
    page.evaluate(LATER, 31_000)
    page.wait_for_function("() => intervals.at(-1) === 10")
    title = page.title()
    page.wait_for_function("title => document.title !== title", arg=title, timeout=25_000)
    page.evaluate(HIDE, False)
    page.wait_for_function("() => intervals.at(-1) === 1")


def test_offline_is_asked_at_once(page: Page, open_page: Open, replay_url: str) -> None:
    """With an answer, as on a machine's own network, it stays live; without, it is red at once."""
    held = {"on": False}
    opened = open_page(replay_url, drawn=False)

    def proxy(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda text: None if held["on"] else route.send(text))
        route.on_message(lambda text: None if held["on"] else server.send(text))

    page.route_web_socket("**/ws/heatmap", proxy)
    page.reload()
    opened.until_indicator("live")
    seen = """() => { globalThis.states = []; new MutationObserver(() => states.push(document.querySelector('#connection').dataset.state))
      .observe(document.querySelector('#connection'), {attributes: true}); dispatchEvent(new Event('offline')); return states; }"""
    page.evaluate(seen)
    page.wait_for_function("() => states[0] === 'slow' && states.at(-1) === 'live'")
    held["on"] = True
    began = page.evaluate("performance.now()")
    page.evaluate("dispatchEvent(new Event('offline'))")
    opened.until_indicator("disconnected", timeout_s=6)
    assert page.evaluate("performance.now()") - began < 4000
    held["on"] = False
    page.evaluate("dispatchEvent(new Event('online'))")
    opened.until_indicator("live", timeout_s=6)


def test_a_socket_that_died_in_its_sleep_is_replaced(page: Page, open_page: Open, replay_url: str) -> None:
    """On waking a socket that does not answer within two seconds gives way to another; green is what was heard since."""
    routes: list[dict[str, bool]] = []
    opened = open_page(replay_url, drawn=False)

    def proxy(route: WebSocketRoute) -> None:
        server, stopped = route.connect_to_server(), {"on": False}
        routes.append(stopped)
        server.on_message(lambda text: None if stopped["on"] else route.send(text))
        route.on_message(lambda text: None if stopped["on"] else server.send(text))

    page.route_web_socket("**/ws/heatmap", proxy)
    page.reload()
    opened.until_indicator("live")
    opened.until("market.now !== null")
    routes[0]["on"] = True
    page.evaluate(
        """() => { globalThis.shown = []; let heard = 0; const button = document.querySelector('#connection');
          liqstream.client.on('message', () => heard++);
          new MutationObserver(() => shown.push([button.dataset.state, heard])).observe(button, {attributes: true});
          const real = Date.now.bind(Date); Date.now = () => real() + 3_600_000; }"""
    )
    page.wait_for_function("() => liqstream.client.unansweredMs > 0")
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg", seq, timeout_s=6)
    opened.until_indicator("live")
    assert len(routes) == 2
    states = page.evaluate("() => shown")
    assert states[0][0] == "slow"
    assert all(heard for state, heard in states if state == "live")


def test_a_page_that_is_gone_back_to_is_live_at_once(open_page: Open, replay_url: str) -> None:
    """Frozen for a while it fell behind with nothing: once the server has answered, its updates are not late."""
    opened = open_page(replay_url)
    opened.until_indicator("live")
    opened.page.evaluate(
        """() => { for (const clock of [performance, Date]) { const real = clock.now.bind(clock); clock.now = () => real() + 9000; }
          dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}));
          globalThis.seconds = 0;
          setInterval(() => seconds++, 1000); }"""
    )
    opened.page.wait_for_function("() => seconds > 1")  # the indicator has looked at its clock since
    opened.until_indicator("live", timeout_s=2)


def test_a_replay_is_not_called_live(open_page: Open, replay_url: str) -> None:
    """Its speed and the market's time stand in that place."""
    opened = open_page(replay_url)
    opened.until_indicator("live")
    opened.page.wait_for_function(
        "() => /^REPLAY x\\d+, \\d+ \\w+,? \\d\\d:\\d\\d/.test(document.querySelector('#connection span').textContent)"
    )


def test_from_message_to_pixels_within_a_second(open_page: Open, replay_url: str) -> None:
    """A snapshot is on the screen within two frames of its arrival."""
    opened = open_page(replay_url)
    delay_ms = opened.page.evaluate(
        """() => new Promise(done => {
             const {view} = liqstream.mapGrid.focus;
             const off = liqstream.client.on('snapshot', () => {
               off();
               const began = performance.now(), frames = view.heat.frames;
               const look = () => view.heat.frames > frames ? done(performance.now() - began) : requestAnimationFrame(look);
               look();
             });
           })"""
    )
    assert delay_ms < 500
