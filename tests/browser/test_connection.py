"""The indicator tells the truth whatever happens to the server or the line, and everything heals by itself."""

from __future__ import annotations

import json
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
        assert "Disconnected" in opened.page.inner_text("#notice")
        server.start()
        opened.until_indicator("live", timeout_s=40)
        opened.until("market.now.epoch > arg", epoch)
        assert opened.page.is_hidden("#notice")


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
        opened.page.wait_for_function("() => liqstream.stage.focus.view.market.now")
        seq = opened.view("market.now.seq")
        opened.until("market.now.seq > arg", seq)
        assert sum("columns=1" in url for url in polls) >= 2
        server.stop()
        server.start(WS_ENABLED="true")
        opened.until_indicator("live", timeout_s=45)
        received = opened.page.evaluate("() => liqstream.client.account('BTCUSDT').received")
        assert received >= 1


def test_a_silent_line_turns_amber_then_red_and_heals(page: Page, open_page: Open, replay_url: str) -> None:
    """An open socket that says nothing is judged by the age of its last message."""
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
    assert opened.page.inner_text("#notice") == "Connection slow - may miss updates"
    opened.until_indicator("disconnected", timeout_s=12)
    held["on"] = False
    opened.until_indicator("live", timeout_s=20)


def test_a_slow_consumer_is_told(open_page: Open, replay_url: str) -> None:
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
    assert opened.page.inner_text("#notice") == "Connection slow - may miss updates"
    opened.page.hover("#connection")
    card = " ".join(opened.page.inner_text("#connection-card").split())
    assert "Dropped 3" in card
    for name in ("Latency", "Last update", "Sequence", "Skipped"):
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
    opened.page.wait_for_function("() => liqstream?.stage.focus?.view.market.now")
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


def test_a_hidden_page_stops_listening_and_catches_up(open_page: Open, replay_url: str) -> None:
    """After half a minute out of sight it unsubscribes; on return it is live within a moment."""
    opened = open_page(replay_url)
    opened.page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});
           const real = performance.now.bind(performance); globalThis.ahead = 0;
           performance.now = () => real() + globalThis.ahead;
           document.dispatchEvent(new Event('visibilitychange')); globalThis.ahead = 31_000; }"""
    )
    opened.page.wait_for_function("() => liqstream.client.symbols.length === 0")
    opened.page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => false});
           document.dispatchEvent(new Event('visibilitychange')); }"""
    )
    opened.page.wait_for_function("() => liqstream.client.symbols.length === 1")
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg", seq)
    opened.until_indicator("live")


def test_from_message_to_pixels_within_a_second(open_page: Open, replay_url: str) -> None:
    """A snapshot is on the screen within two frames of its arrival."""
    opened = open_page(replay_url)
    delay_ms = opened.page.evaluate(
        """() => new Promise(done => {
             const {view} = liqstream.stage.focus;
             const off = liqstream.client.on('snapshot', () => {
               off();
               const began = performance.now(), frames = view.heat.frames;
               const look = () => view.heat.frames > frames ? done(performance.now() - began) : requestAnimationFrame(look);
               look();
             });
           })"""
    )
    assert delay_ms < 500
