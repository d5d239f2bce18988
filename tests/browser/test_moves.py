"""Clients that a proxy moves from one server to another show that server's state, whichever was started first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from liqstream.client import HeatmapClient
from liqstream.store.epoch_file import epoch_path
from tests.browser.conftest import Opened
from tests.faults.processes import Node
from tests.faults.tcp_proxy import TcpProxy
from tests.support.loop_thread import LoopThread, loop_thread

pytestmark = pytest.mark.browser
KERNELS = {"older": "tiered", "one": "broad", "two": "flat"}
"""Each server's states name its kernel: that is how they are told apart."""
SHOWN_WITHIN_S = 1 + 2.0
"""The update interval, and what a move may take beyond it."""
NOTE = """() => {
  globalThis.seen = [];
  const {client, mapGrid, loader} = liqstream, button = document.querySelector('#connection');
  const note = (what, kernel) => seen.push({what, at: performance.now(), kernel, state: button.dataset.state});
  const shown = () => mapGrid.focus.view.market.now?.kernel;
  client.on('status', ({state}) => state === 'open' && note('open', ''));
  client.on('snapshot', ({kernel}) => note('client', kernel));
  let {now} = mapGrid.focus.view.market;
  loader.subscribe(market => market.now !== now && note('page', (now = market.now).kernel));
  new MutationObserver(() => note('indicator', shown())).observe(button, {attributes: true});
}"""


@dataclass
class Street:
    """Three servers behind one door, and a Python client that goes in and out by it."""

    thread: LoopThread
    nodes: dict[str, Node]
    door: TcpProxy
    shown: list[tuple[float, str, int]] = field(default_factory=list)
    """(time, kernel, epoch) of what the Python client handed on."""

    def move(self, name: str) -> float:
        """Who comes from now on comes to this server, and everybody has to come again; returns when that was."""

        async def switch() -> None:
            self.door.target_port = self.nodes[name].port
            self.door.reset()

        self.thread.run(switch())
        return time.monotonic()

    async def follow(self) -> None:
        """Write down what the Python client hands on, for ever."""
        url = f"http://127.0.0.1:{self.door.port}"
        async with HeatmapClient(url, backoff=lambda _attempt: 0.05) as client:
            async for got in client.subscribe("BTCUSDT", update_interval_s=1):
                self.shown.append((time.monotonic(), got.kernel, got.epoch))

    async def until_shown(self, kernel: str) -> None:
        """Until the Python client has handed on a state of this kernel last."""
        async with asyncio.timeout(10):
            while self.shown[-1][1] != kernel:  # noqa: ASYNC110  the client has no event for it
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """One server in an epoch of now, two that meet in one that is far ahead."""
    folder = tmp_path_factory.mktemp("street")
    nodes = {name: _node(folder, name, kernel) for name, kernel in KERNELS.items()}
    ahead = time.time_ns() // 1_000_000 + 86_400_000
    for name in ("one", "two"):
        epoch_path(nodes[name].folder / f"{name}.duckdb").write_text(f"{ahead}\n")
    with loop_thread() as thread:
        door = TcpProxy(nodes["one"].port)

        async def start() -> None:
            await asyncio.gather(door.start(), *(node.start() for node in nodes.values()))

        async def stop() -> None:
            await asyncio.gather(door.stop(), *(node.stop() for node in nodes.values()))

        try:
            thread.run(start())
            yield Street(thread, nodes, door)
        finally:
            thread.run(stop())


def _node(folder: Path, name: str, kernel: str) -> Node:
    (folder / name).mkdir()
    return Node(name, folder / name, {"LIQSTREAM_SYMBOLS": "BTCUSDT", "LIQSTREAM_KERNEL": kernel})


@pytest.mark.long
def test_after_a_move_every_client_shows_that_servers_state(
    page: Page, open_page: Callable[..., Opened], street: Street
) -> None:
    """To another that meets it in the same epoch, to one started earlier, and back again: the page, the JavaScript and
    the Python client show the new server's state at once, and none is green over another's."""
    page.add_init_script("Math.random = () => 0.03")
    opened = open_page(f"http://127.0.0.1:{street.door.port}")
    opened.watch.allowed.append("ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection")
    following = asyncio.run_coroutine_threadsafe(street.follow(), street.thread.loop)
    opened.until_indicator("live")
    page.evaluate(NOTE)
    for before, name in pairwise(("one", "two", "older", "two", "one", "older")):
        kernel = KERNELS[name]
        page.evaluate("() => { seen.length = 0; }")
        moved_s = street.move(name)
        page.wait_for_function(
            "kernel => ['client', 'page'].every(what => seen.some(each => each.what === what && each.kernel === kernel))",
            arg=kernel,
        )
        opened.until_indicator("live")
        seen = page.evaluate("seen")
        opened_at = next(each["at"] for each in seen if each["what"] == "open")
        for what in ("client", "page"):
            first = next(each for each in seen if each["what"] == what and each["at"] >= opened_at)
            assert first["kernel"] == kernel, name
            assert first["at"] - opened_at < 1000 * SHOWN_WITHIN_S
        if "older" in (
            name,
            before,
        ):  # in one epoch the ack is green a moment before the state that follows it
            assert _greens_over_another(seen, opened_at, kernel) == []
        with suppress(TimeoutError):  # the assertion tells more
            street.thread.run(street.until_shown(kernel))
        assert street.shown[-1][1] == kernel
        first_s = next(at_s for at_s, shown, _ in street.shown if at_s > moved_s and shown == kernel)
        assert first_s - moved_s < SHOWN_WITHIN_S
    epochs = {kernel: epoch for _, kernel, epoch in street.shown}
    assert epochs[KERNELS["older"]] < epochs[KERNELS["one"]] == epochs[KERNELS["two"]]
    following.cancel()


def _greens_over_another(seen: list[dict[str, Any]], opened_at: float, kernel: str) -> list[dict[str, Any]]:
    return [
        each
        for each in seen
        if each["what"] == "indicator"
        and each["state"] == "live"
        and each["at"] >= opened_at
        and each["kernel"] != kernel
    ]
