"""One Chromium for all tests of the page, and a watch over every page it opens."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Response, sync_playwright

from tests.browser.servers import replay_server
from tests.support.demo_server import demo_server
from tests.support.system_packages import HEADLESS_SHELL

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
MARKETS = (
    *("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT"),
    *("DOGEUSDT", "ADAUSDT", "LINKUSDT", "AVAXUSDT", "LTCUSDT"),
)
DRAWN = """() => {
  const page = globalThis.liqstream;
  const view = page?.mapGrid.focus?.view;
  return Boolean(view?.market?.now && view.heat.frames > 1 && view.colours.high && page.tape);
}"""
"""Its tools are there too: a key that is pressed does what it is for."""

# Every 7th pixel of `view`, as RGBA words.
PIXELS = """(() => { const canvas = view.chart.takeScreenshot();
  const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Uint32Array(image.data.buffer).filter((_, i) => i % 7 === 0); })()"""
AS_BASE64 = """(words => { let text = '';
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text); })"""
COUNT_OFF = """((one, other) => one.length !== other.length ? Infinity
  : one.reduce((off, word, i) => off + (word !== other[i]), 0))"""

pytestmark = pytest.mark.browser


@dataclass
class Watch:
    """What a page may never do: complain, or speak to another origin."""

    allowed: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def on(self, page: Page, origin: str) -> None:
        page.on("console", lambda said: self._note(said.type, said.text, said.location.get("url", "")))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("response", self._keep)
        page.on("request", lambda request: self._check(request.url, origin))
        page.on("websocket", lambda socket: self._check(socket.url.replace("ws", "http", 1), origin))

    def _keep(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {response.url}")

    def _note(self, kind: str, text: str, url: str = "") -> None:
        if re.search("404|503", text) and re.search("/api/(score|forecast)/", url):
            return  # the browser's own line about a score or forecast there is none of, or not yet
        if kind in ("error", "warning") and not any(re.search(pattern, text) for pattern in self.allowed):
            self.seen.append(text)

    def _check(self, url: str, origin: str) -> None:
        if not url.startswith((origin, "blob:", "data:")):
            self.seen.append(f"request to {url}")


@dataclass
class Opened:
    """A page that has drawn its map."""

    page: Page
    watch: Watch

    def state(self, key: str) -> Any:
        """One value of the page's state."""
        return self.page.evaluate("key => liqstream.store.state[key]", key)

    def view(self, expression: str, arg: Any = None) -> Any:
        """An expression over `view`, the chart in focus, and `market`, what it shows."""
        wrapped = f"arg => {{ const view = liqstream.mapGrid.focus.view, market = view.market; return {expression}; }}"
        return self.page.evaluate(wrapped, arg)

    def until(self, expression: str, arg: Any = None, *, timeout_s: float = 30) -> None:
        """Wait until an expression over `view` and `market` is true."""
        wrapped = f"arg => {{ const view = liqstream.mapGrid.focus.view, market = view.market; return {expression}; }}"
        self.page.wait_for_function(wrapped, arg=arg, timeout=timeout_s * 1000)

    def picture(self) -> NDArray[np.uint32]:
        """Every 7th pixel of the map as drawn, as RGBA words, without crosshair and controls."""
        return np.frombuffer(base64.b64decode(self.view(f"{AS_BASE64}({PIXELS})")), np.uint32)

    def keep_picture(self) -> None:
        """Keep the map as drawn, for `until_it_looks_different`."""
        self.view(f"void (globalThis.kept = {PIXELS})")

    def until_it_looks_different(self) -> None:
        """Wait until the map as drawn is another one than was kept."""
        self.until(f"{COUNT_OFF}(globalThis.kept, {PIXELS}) > 60")

    def settle(self) -> None:
        """Let what was changed be drawn: two frames, and the colours at rest."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    @property
    def indicator(self) -> str:
        """live, slow, polling, disconnected or connecting."""
        return self.page.get_attribute("#connection", "data-state") or ""

    def until_indicator(self, state: str, *, timeout_s: float = 30) -> None:
        self.page.wait_for_selector(f"#connection[data-state={state}]", timeout=timeout_s * 1000)


def chromium_path(*before: str) -> str:
    """The system's Chromium, or the first program of `before` that is there."""
    for name in (*before, "chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise FileNotFoundError("no Chromium on the PATH; `make test` installs it")


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """What drives browsers.

    Gone with the last test of the page: while Playwright's synchronous side is open its event loop counts
    as running, and no asynchronous test could have one of its own.
    """
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """The system's Chromium without the shell of windows that nobody sees, where the system has it so."""
    path = chromium_path(HEADLESS_SHELL)
    chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
    yield chromium
    chromium.close()


@pytest.fixture
def watch() -> Watch:
    """Complaints of the page; a test adds to `allowed` what it provokes."""
    return Watch()


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A fresh profile; parametrize it indirectly for another size, theme, locale or time zone."""
    usual = {"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "Europe/Berlin", "color_scheme": "dark"}
    options: dict[str, Any] = {**usual, **getattr(request, "param", {})}
    made = browser.new_context(**options)
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab."""
    return context.new_page()


@pytest.fixture
def open_page(page: Page, watch: Watch) -> Iterator[Callable[..., Opened]]:
    """Opens the page of a server and waits for its map; at the end the page must not have complained."""

    def open_(url: str, *, drawn: bool = True, **query: str) -> Opened:
        watch.on(page, f"http://{urlsplit(url).netloc}")
        page.goto(f"{url}/?{urlencode(query)}" if query else url)
        if drawn:
            page.wait_for_function(DRAWN)
        return Opened(page, watch)

    yield open_
    assert watch.seen == [], watch.refused


@pytest.fixture(scope="package")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one demo server for all tests of the page that only look at it."""
    with demo_server(tmp_path_factory.mktemp("demo")) as url:
        yield url


@pytest.fixture(scope="module")
def markets_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulated market of ten symbols: enough for the grid of nine and for a menu of markets.

    Not kept for all tests of the page: ten markets that go on take a tenth of a core.
    """
    with demo_server(tmp_path_factory.mktemp("markets"), symbols=MARKETS) as url:
        yield url


@pytest.fixture(scope="module")
def replay_url(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[str]:
    """The address of a server that plays the recorded BTCUSDT bars, five minutes a second.

    Not kept for all tests of the page: playing on takes more than four starts.
    """
    with replay_server(tmp_path_factory.mktemp("replay"), shared_data) as server:
        yield server.url
