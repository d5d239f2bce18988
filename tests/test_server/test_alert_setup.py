"""liqstream/server/alert_setup.py: the alerts file in use, its tasks kept running, its failures named."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from liqstream.alerts.config import BadAlertsError
from liqstream.alerts.firing import Firings
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.market import Liquidation
from liqstream.metrics import Metrics
from liqstream.server.alert_setup import alerts_sent
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from liqstream.store.market_store import MarketStore
from liqstream.supervision.supervise import Supervisor
from tests.support.fleet import END_MS, SYMBOL, make_maps
from tests.test_alerts.receiver import receiver

FILE = """
[[target]]
name = "ops"
kind = "webhook"
url = "{url}"

[[rule]]
name = "cascade"
kind = "cascade"
to = ["ops"]
min_usd = 100
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a server of one symbol with an alerts file, which is not there yet."""
    return load_settings(alerts_file=str(tmp_path / "alerts.toml"), symbols=SYMBOL)


async def test_the_files_rules_are_watched(settings: Settings, tmp_path: Path) -> None:
    """A liquidation raises the alert of the file; its tasks are the supervisor's."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    maps, bus, supervisor = await make_maps(store), LiquidationBus(), Supervisor()
    with pytest.raises(BadAlertsError):
        async with alerts_sent(
            settings, maps, bus, Firings(), symbols=settings.symbols, metrics=Metrics(), supervisor=supervisor
        ):
            pass
    async with receiver([]) as (url, received), asyncio.timeout(20):
        await asyncio.to_thread(Path(settings.alerts_file).write_text, FILE.format(url=url))
        async with alerts_sent(
            settings, maps, bus, Firings(), symbols=settings.symbols, metrics=Metrics(), supervisor=supervisor
        ):
            await asyncio.sleep(0)
            assert {"alerts-maps", "alerts-liquidations", "alerts-sending"} <= supervisor.names
            bus.take([Liquidation("binance", SYMBOL, END_MS, "long", 100.0, 2.0)])
            assert (await received.get())[1]["rule"] == "cascade"
    maps.close()
    await store.close()
