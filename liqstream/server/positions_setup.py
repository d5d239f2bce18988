"""Measured positions in a server: the collector from the settings, its report in /ready, its metrics.

No label holds an address.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from liqstream.client.url_mask import masked
from liqstream.feeds.demo import DemoFeed
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.feed import Feed
from liqstream.http.app_keys import HISTORIES, MAPS, MEASURED_LAYER, STORE
from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.ingest.feed_factory import MEASURED_EXCHANGE, exchange_endpoints
from liqstream.ingest.measured_layer import MeasuredLayer
from liqstream.market import Liquidation
from liqstream.positions.collector import PositionsCollector, PositionsSetup
from liqstream.server.app_keys import FLEET, METRICS, PIPELINE, SETTINGS, SUPERVISOR
from liqstream.server.fleet_setup import issues_forecasts
from liqstream.server.market_table_setup import MARKET_TABLE
from liqstream.settings.load import BadSettingError
from liqstream.settings.table import Settings
from liqstream.store.market_store import MarketStore
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

LEAST_WEIGHT = 60
REASONS = ("first", "traded", "due")
STATES = ("unread", "holding", "empty", "opaque")


def make_collector(
    settings: Settings, store: MarketStore, feeds: Sequence[Feed], *, leads: Callable[[], bool]
) -> PositionsCollector:
    """The collector of measured positions; of the simulated market where the server shows one.

    Raises BadSettingError for a weight that the exchange does not allow.
    """
    if settings.positions_weight < LEAST_WEIGHT and not (
        settings.positions_weight == 0 and settings.positions_url
    ):
        raise BadSettingError(
            f"LIQSTREAM_POSITIONS_WEIGHT={settings.positions_weight}: from {LEAST_WEIGHT} to 1100; "
            "0, no limit, only with an info server of your own (LIQSTREAM_POSITIONS_URL)"
        )
    clock, ledger = SYSTEM_CLOCK, None
    demo = next((feed for feed in feeds if isinstance(feed, DemoFeed)), None)
    if demo is not None:
        setup = _demo_setup(settings, demo.address)
        clock = Clock(now_ms=lambda: demo.market_ms() or SYSTEM_CLOCK.now_ms())
    else:
        at = exchange_endpoints(settings, MEASURED_EXCHANGE)
        setup = PositionsSetup(
            settings.positions_url or at.rest_url,
            at.ws_url,
            settings.positions_leaderboard,
            float(settings.positions_weight),
            settings.positions_floor_usd,
            settings.positions_days,
            settings.proxy,
            fills_url=at.rest_url,
        )
        own = [
            feed for feed in feeds if isinstance(feed, ExchangeFeed) and feed.exchange == MEASURED_EXCHANGE
        ]
        ledger = own[0].ledger if own else None
    return PositionsCollector(setup, settings.symbols, store, ledger=ledger, clock=clock, leads=leads)


def _demo_setup(settings: Settings, address: str) -> PositionsSetup:
    return PositionsSetup(
        f"http://{address}",
        f"ws://{address}",
        f"http://{address}/Mainnet/leaderboard",
        float(settings.positions_weight or 800),
        settings.positions_floor_usd,
        settings.positions_days,
        source="simulated",
    )


def positions_report(collector: PositionsCollector) -> dict[str, Any]:
    """What /ready says of them; it never makes a server less ready."""
    parts = (collector.failures.text, collector.liquidations.ended)
    reason = collector.ended or "; ".join(part for part in parts if part)
    return {
        "state": collector.state,
        "source": collector.setup.source,
        "accounts": len(collector.tracker.accounts),
        "positions": len(collector.tracker.positions),
        "trades": collector.hears_trades,
        "deadline_factor": round(collector.schedule.factor, 2),
        "makers": len(collector.liquidations.covered),
        "fills_queued": len(collector.liquidations.queue),
        **({"reason": masked(reason)} if reason else {}),
    }


async def positions_ctx(app: web.Application) -> AsyncIterator[None]:
    """Measure while the application runs; after the contexts of store, maps and feeds. Raises
    BadSettingError."""
    settings = app[SETTINGS]
    leads = partial(issues_forecasts, settings)
    collector = make_collector(settings, app[STORE], app[PIPELINE].feeds, leads=lambda: leads(app.get(FLEET)))
    app[MEASURED_LAYER] = MeasuredLayer(collector, app[MAPS], app[HISTORIES], app[STORE])
    app[METRICS].registry.register(PositionsMetrics(collector))
    if collector.setup.source == "live":
        collector.liquidations.on_found = partial(take_liquidations, app)
    async with app[SUPERVISOR].background("positions", collector.run):
        yield


def take_liquidations(app: web.Application, found: Sequence[Liquidation]) -> None:
    """Store what was found and tell the listeners; the maps get none of it.

    They calibrate on what is liquidated in a bar, and of a part of it nothing follows. A simulated exchange
    has published its own already, which would count twice.
    """
    admitted = app[STORE].guard.admit(found)
    app[STORE].enqueue(admitted)
    app[LIQUIDATION_BUS].take(admitted)
    app[MARKET_TABLE].take(admitted)


def report_positions(app: web.Application) -> dict[str, Any]:
    """What /ready says of an application's positions; nothing where none are measured."""
    layer = app.get(MEASURED_LAYER)
    return {} if layer is None else positions_report(layer.collector)


@dataclass(frozen=True, slots=True)
class PositionsMetrics(Collector):
    """Collects at each scrape from a running collector."""

    collector: PositionsCollector

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask before the collector has started."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every family, now."""
        collector, counts = self.collector, self.collector.tracker.counts
        accounts = GaugeMetricFamily(
            "liqstream_positions_accounts", "Known accounts on Hyperliquid.", labels=["state"]
        )
        by_state = collector.tracker.accounts.by_state()
        for state in STATES:
            accounts.add_metric([state], by_state[state])
        yield accounts
        yield from self._by_symbol()
        yield _gauge(
            "positions_weight_used",
            "REST weight of the last 60 s for reads.",
            collector.ledger.positions_used,
        )
        yield _gauge(
            "positions_deadline_factor",
            "What deadlines of reads are stretched by.",
            collector.schedule.factor,
        )
        reads = CounterMetricFamily(
            "liqstream_positions_reads", "Accounts read, by why they were.", labels=["reason"]
        )
        for reason in REASONS:
            reads.add_metric([reason], collector.reads[reason])
        yield reads
        yield CounterMetricFamily(
            "liqstream_positions_refused",
            "Reads that brought no state, and messages that could not be read.",
            value=collector.refused.total(),
        )
        yield CounterMetricFamily(
            "liqstream_positions_accounts_dropped",
            "Accounts given up for others: too many are known.",
            value=collector.tracker.accounts.dropped,
        )
        yield CounterMetricFamily(
            "liqstream_positions_size_mismatch",
            "Sizes that were not what the trades had made them.",
            value=counts.size_mismatches,
        )
        yield from self._liquidations()

    def _by_symbol(self) -> Iterator[Metric]:
        coverage = GaugeMetricFamily(
            "liqstream_positions_coverage_ratio",
            "Part of open interest that known accounts hold.",
            labels=["symbol", "side"],
        )
        age = GaugeMetricFamily(
            "liqstream_positions_age_seconds",
            "Median age of measured levels, by USD: of all, and within 5 % of the price.",
            labels=["symbol", "band"],
        )
        for symbol in self.collector.symbols:
            levels = self.collector.levels(symbol)
            found = None if levels is None else self.collector.coverage(symbol, levels)
            if found is None:
                continue
            coverage.add_metric([symbol, "long"], found.long)
            coverage.add_metric([symbol, "short"], found.short)
            for band, age_ms in (("all", found.median_age_ms), ("near", found.near_age_ms)):
                if age_ms is not None:
                    age.add_metric([symbol, band], age_ms / 1000)
        yield coverage
        yield age

    def _liquidations(self) -> Iterator[Metric]:
        found = self.collector.liquidations
        capture = GaugeMetricFamily(
            "liqstream_liquidation_capture_ratio",
            "Part of Hyperliquid's liquidations of the last 24 h that is found.",
            labels=["symbol"],
        )
        for symbol in self.collector.symbols:
            known = self.collector.capture(symbol)
            if known is not None:
                capture.add_metric([symbol], known.share)
        yield capture
        yield _gauge(
            "positions_fills_queued", "Accounts whose fills are still to be asked for.", len(found.queue)
        )
        yield CounterMetricFamily(
            "liqstream_positions_fills_dropped",
            "Accounts whose fills were not asked for: too many waited.",
            value=found.queue.dropped,
        )
        yield CounterMetricFamily(
            "liqstream_positions_fills_refused",
            "Fills and vaults that were not answered, not sent or not understood.",
            value=found.refused.total() + found.capture.unreadable,
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"liqstream_{name}", text, value=float(value))
