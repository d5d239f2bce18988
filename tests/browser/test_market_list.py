"""A market that ends, and one that is listed, while a page, a Python and a JavaScript client are open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from liqstream.client import HeatmapClient, MarketEndedError, Snapshot
from liqstream.feeds import exchange_facts
from liqstream.ingest import market_list_loop
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.simulator.exchange_server import SimulatedExchange
from tests.browser.conftest import Opened, Watch
from tests.support.loop_thread import LoopThread, loop_thread

pytestmark = [pytest.mark.browser, pytest.mark.simulated]
Open = Callable[..., Opened]
SHOWN = "() => [...document.querySelectorAll('#markets button')].map(each => each.dataset.value).join()"
KEEP_NOTICES = """() => { globalThis.notices = [];
  const line = document.querySelector("#notice");
  const keep = () => notices.push(line.textContent);
  new MutationObserver(keep).observe(line, { childList: true, characterData: true, subtree: true }); }"""


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopThread]:
    """Where the servers run; lists are read and looked at ten times a second."""
    monkeypatch.setattr(exchange_facts, "LEAST_READ_EVERY_S", 0.05)
    monkeypatch.setattr(exchange_facts, "READ_EVERY_S", 0.1)
    monkeypatch.setattr(market_list_loop, "LOOK_EVERY_S", 0.05)
    with loop_thread() as made:
        yield made


async def serve(folder: Path, exchange: SimulatedExchange) -> tuple[TestServer, TestServer]:
    """A server that follows every market of the exchange, and the exchange's own."""
    listing = TestServer(exchange.app)
    await listing.start_server()
    at = f"127.0.0.1:{listing.port}"
    chosen = {"symbols": "all", "exchanges": "binance", "db_path": folder / "m.duckdb"}
    at_it = {"binance_rest_url": f"http://{at}", "binance_ws_url": f"ws://{at}"}
    settings = await asyncio.to_thread(lambda: load_settings(**chosen, **at_it))
    server = TestServer(make_app(settings))
    await server.start_server()
    return server, listing


class Watching:
    """A Python client of two markets, and of one of them alone."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.warnings: list[str] = []
        self.after_the_end: Snapshot | None = None
        self.has_both = asyncio.Event()

    async def run(self) -> str:
        """The sentence that the subscription to the one market ended with."""
        async with HeatmapClient(
            self.url, on_warning=lambda code, _text: self.warnings.append(code)
        ) as client:
            both = client.subscribe("BTCUSDT", "XRPUSDT", update_interval_s=1)
            seen: set[str] = set()
            while seen < {"BTCUSDT", "XRPUSDT"}:
                seen.add((await anext(both)).symbol)
            self.has_both.set()
            while "MARKET_ENDED" not in self.warnings:
                await anext(both)
            while (snapshot := await anext(both)).symbol != "BTCUSDT":
                pass
            assert both.symbols == ("BTCUSDT",)
            self.after_the_end = snapshot
        async with HeatmapClient(self.url) as client:
            alone = client.subscribe("LTCUSDT", update_interval_s=1)
            await anext(alone)
            try:
                async for _ in alone:
                    pass
            except MarketEndedError as error:
                return str(error)
        return ""


@dataclass
class Scanners:
    """Both clients of the table of markets; `listed` has every list of symbols each was shown, in order."""

    url: str
    listed: dict[str, list[str]] = field(default_factory=lambda: {"python": [], "javascript": []})
    shown: list[tuple[str, str]] = field(default_factory=list)
    """What else the JavaScript client was shown, which follows BTCUSDT and XRPUSDT."""

    async def run(self) -> None:
        """Follow until cancelled."""
        await asyncio.gather(self._python(), self._javascript())

    async def _python(self) -> None:
        async with HeatmapClient(self.url) as client:
            async for table in client.markets():
                self._note("python", ",".join(table.symbols))

    async def _javascript(self) -> None:
        at = f"{self.url.replace('http', 'ws', 1)}/ws/heatmap"
        process = await asyncio.create_subprocess_exec(
            *("node", str(Path(__file__).with_name("market_follower.mjs")), at, "BTCUSDT", "XRPUSDT"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                what, of = json.loads(line)
                if what == "listed":
                    self._note("javascript", of)
                else:
                    self.shown.append((what, of))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _note(self, client: str, symbols: str) -> None:
        if self.listed[client][-1:] != [symbols]:
            self.listed[client].append(symbols)

    async def until_listed(self, symbols: str) -> None:
        """Wait until both show these markets."""
        async with asyncio.timeout(60):
            while any(lists[-1:] != [symbols] for lists in self.listed.values()):  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.05)

    async def until_shown(self, *what: str) -> None:
        """Wait until the JavaScript client is shown something, after what it was shown before."""
        async with asyncio.timeout(60):
            while tuple(what) not in self.shown:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.05)


def test_a_listing_and_a_delisting_with_page_and_clients_open(
    open_page: Open, watch: Watch, thread: LoopThread, tmp_path: Path
) -> None:
    """The page has the new market and goes on with another than the ended one; so do the clients.

    Both clients' tables of markets have the one and lose the other, and nothing between.
    """
    exchange = thread.run(
        SimulatedExchange.open(("BTCUSDT", "XRPUSDT", "LTCUSDT"), history_days=1, round_s=0.2)
    )
    exchange.market.unlisted = {"LTCUSDT"}
    servers = thread.run(serve(tmp_path, exchange))
    url = str(servers[0].make_url("")).rstrip("/")
    watching = Watching(url)
    client = asyncio.run_coroutine_threadsafe(watching.run(), thread.loop)
    thread.run(watching.has_both.wait())
    scanners = Scanners(url)
    scanning = asyncio.run_coroutine_threadsafe(scanners.run(), thread.loop)
    thread.run(scanners.until_listed("BTCUSDT,XRPUSDT"))
    for symbol in ("BTCUSDT", "XRPUSDT"):
        thread.run(scanners.until_shown("snapshot", symbol))
    # A market without a history yet, and one that has just ended: what the browser logs of its own.
    watch.allowed.append("status of (400|404|503)")
    opened = open_page(url, symbol="XRPUSDT")
    opened.page.wait_for_function(f"{SHOWN} === 'BTCUSDT,XRPUSDT'")
    opened.until_indicator("live")
    opened.page.evaluate(KEEP_NOTICES)
    exchange.market.unlisted = {"XRPUSDT"}
    opened.page.wait_for_function(f"{SHOWN} === 'BTCUSDT,LTCUSDT'")
    assert opened.state("symbol") == "BTCUSDT"
    opened.page.wait_for_function(
        "() => notices.some(text => text.includes('XRPUSDT is not followed any more'))"
    )
    opened.until("Boolean(market.now) && market.symbol === 'BTCUSDT'")
    opened.page.click("#markets button[data-value=LTCUSDT]")
    opened.until("Boolean(market.now) && market.symbol === 'LTCUSDT'")
    assert opened.page.input_value("#market-select") == "LTCUSDT"
    while not client.done() and watching.after_the_end is None:
        opened.settle()
    assert watching.after_the_end is not None
    exchange.market.unlisted = {"XRPUSDT", "LTCUSDT"}
    assert "LTCUSDT is not followed any more" in client.result(60)
    thread.run(scanners.until_listed("BTCUSDT"))
    thread.run(scanners.until_shown("ended", "XRPUSDT"))
    ended = scanners.shown.index(("ended", "XRPUSDT"))
    assert ("snapshot", "XRPUSDT") not in scanners.shown[ended:]
    assert ("snapshot", "BTCUSDT") in scanners.shown[ended:]
    for listed in scanners.listed.values():
        assert listed == ["BTCUSDT,XRPUSDT", "BTCUSDT,LTCUSDT", "BTCUSDT"]
    scanning.cancel()
    opened.page.wait_for_function(f"{SHOWN} === 'BTCUSDT'")
    opened.page.goto("about:blank")
    for server in servers:
        thread.run(server.close())
