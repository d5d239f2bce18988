"""The page of all markets over a table of any size, which a test changes: real routes, stream and headers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.admission.security_headers import security_headers
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.heatmap.market_table import MarketTable
from liqstream.http.markets_api import add_markets_route
from liqstream.http.pages import PageFacts, add_page_routes
from liqstream.metrics import Metrics
from liqstream.settings.table import Settings
from liqstream.ws.endpoint import CONFIG, MANAGER, WsConfig, add_ws_routes
from tests.support.loop_thread import LoopThread, loop_thread
from tests.support.market_tables import table


def names_of(count: int) -> tuple[str, ...]:
    """So many markets: C000USDT and on."""
    return tuple(f"C{i:03}USDT" for i in range(count))


def figures(symbols: Sequence[str], seed: int = 1) -> dict[str, list[Any]]:
    """Figures of every column, the same for a seed; the last market's are not known."""
    chance = random.Random(seed)
    prices = [float(f"{10 ** chance.uniform(-4, 5):.5g}") for _ in symbols]
    columns: dict[str, list[Any]] = {
        "price": prices,
        "price_24h": [float(f"{price * chance.uniform(0.9, 1.1):.5g}") for price in prices],
        "above_price": [price * chance.uniform(1.005, 1.05) for price in prices],
        "above_usd": [float(f"{10 ** chance.uniform(5, 8):.3g}") for _ in prices],
        "below_price": [price * chance.uniform(0.95, 0.995) for price in prices],
        "below_usd": [float(f"{10 ** chance.uniform(5, 8):.3g}") for _ in prices],
        "imbalance_2": [round(chance.uniform(-1, 1), 2) for _ in prices],
        "imbalance_5": [round(chance.uniform(-1, 1), 2) for _ in prices],
        "long_liquidated_24h": [float(f"{10 ** chance.uniform(4, 8):.3g}") for _ in prices],
        "short_liquidated_24h": [float(f"{10 ** chance.uniform(4, 8):.3g}") for _ in prices],
        "open_interest": [1e9 - 1e6 * i for i in range(len(prices))],
        "open_interest_1h": [round(chance.uniform(-3, 3), 1) for _ in prices],
        "open_interest_24h": [round(chance.uniform(-9, 9), 1) for _ in prices],
        "funding": [round(chance.uniform(-5e-4, 5e-4), 6) for _ in prices],
        "funding_time": [1_766_932_200_000 for _ in prices],
    }
    for values in columns.values():
        values[-1:] = [None]
    return columns


def _whole(symbols: tuple[str, ...], changed: dict[str, list[Any]]) -> dict[str, Sequence[Any]]:
    return {**table(0, symbols=symbols).fields, **changed}


@dataclass
class MarketPage:
    """A server of the page; `seq` counts the tables it was given."""

    thread: LoopThread
    metrics: Metrics
    manager: ConnectionManager
    symbols: tuple[str, ...]
    url: str = ""
    seq: int = 0
    figures: dict[str, list[Any]] = field(default_factory=dict)

    def offer(self, **changed: list[Any]) -> MarketTable:
        """Publish the next table, these columns anew."""
        self.seq += 1
        self.figures = self.figures | changed
        newest = replace(table(self.seq, symbols=self.symbols), fields=_whole(self.symbols, self.figures))

        async def show() -> None:
            self.manager.markets.offer(newest)

        self.thread.run(show())
        return newest

    def bytes_sent(self) -> float:
        """Of the stream of tables, to all clients."""
        value = self.metrics.registry.get_sample_value("liqstream_markets_bytes_total")
        assert value is not None
        return value


@contextmanager
def market_page(count: int) -> Iterator[MarketPage]:
    """The page over a table of `count` markets, of which none is published yet."""
    metrics = Metrics()
    app = web.Application()
    app[ADMISSION] = AdmissionPolicy(Settings())
    app.on_response_prepare.append(security_headers(()))
    app[CONFIG] = WsConfig()
    app[MANAGER] = ConnectionManager(metrics=metrics)
    add_ws_routes(app)
    add_page_routes(app, PageFacts(("BTCUSDT",), "5m", lambda: "live"), None)
    add_markets_route(app, app[MANAGER].markets)
    symbols = names_of(count)
    with loop_thread() as thread:
        runner = web.AppRunner(app, shutdown_timeout=5.0)
        thread.run(runner.setup())
        try:
            thread.run(web.TCPSite(runner, "127.0.0.1", 0).start())
            made = MarketPage(thread, metrics, app[MANAGER], symbols, figures=figures(symbols))
            host, port = runner.addresses[0][:2]
            made.url = f"http://{host}:{port}"
            yield made
        finally:
            thread.run(runner.cleanup())
