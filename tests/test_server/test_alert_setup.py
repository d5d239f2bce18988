"""liqstream/server/alert_setup.py: the alerts file in use, its tasks kept running, its failures named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from liqstream.alerts.config import BadAlertsError
from liqstream.alerts.firing import Firings
from liqstream.alerts.records import OwnedRecords, StoredRecords
from liqstream.http.alerts_api import FILE_RULES
from liqstream.http.app_keys import FIRINGS, MAPS, RECORDS, SYMBOLS
from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.market import Liquidation
from liqstream.metrics import Metrics
from liqstream.server.alert_setup import alerts_ctx, alerts_file_ctx
from liqstream.server.app import make_app
from liqstream.server.app_keys import METRICS, SETTINGS, SUPERVISOR
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.store.market_store import MarketStore
from liqstream.store.owned_records import RecordLimits
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

OTHERS = """
[[rule]]
name = "a coin"
kind = "cluster"
symbol = "btc"
to = ["ops"]

[[rule]]
name = "a typo"
kind = "cluster"
symbol = "BTC-UDST"
to = ["ops"]
"""


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[None]:
    """What the server does with the file while it runs."""
    async with asynccontextmanager(alerts_file_ctx)(app), asynccontextmanager(alerts_ctx)(app):
        yield


async def test_files_are_refused_before_anything_is_waited_for(tmp_path: Path) -> None:
    """A history takes half a minute: a mistake in the alerts file, or no push root, ends the start before."""
    db = tmp_path / "x.duckdb"
    absent = str(tmp_path / "absent")
    for given in ({"alerts_file": absent}, {"push": "mailto:you@example.com", "push_ca": absent}):
        settings = await asyncio.to_thread(partial(load_settings, db_path=db, **given))
        runner = web.AppRunner(make_app(settings))
        with pytest.raises((BadAlertsError, BadSettingError), match="absent"):
            await runner.setup()
        await runner.cleanup()
        assert not await asyncio.to_thread(db.exists)


async def test_the_files_rules_are_watched(tmp_path: Path) -> None:
    """A liquidation raises the file's alert, also where pages set none; its tasks are the supervisor's.

    A restart begins no cooldown anew: what was sent is not sent again.
    """
    store = await MarketStore.open(tmp_path / "x.duckdb")
    app = web.Application()
    file = tmp_path / "alerts.toml"
    app[SETTINGS] = await asyncio.to_thread(
        load_settings, alerts_file=str(file), symbols=SYMBOL, alerts=False
    )
    app[MAPS], app[LIQUIDATION_BUS], app[SYMBOLS] = await make_maps(store), LiquidationBus(), [SYMBOL]
    app[METRICS], app[SUPERVISOR], app[FIRINGS] = Metrics(), Supervisor(), Firings()

    async def stored(kind: str, limits: RecordLimits) -> OwnedRecords:
        return await StoredRecords.open(store, kind, limits)

    app[RECORDS] = stored
    with pytest.raises(BadAlertsError):
        async with running(app):
            pass
    stack = AsyncExitStack()
    async with receiver([]) as (url, received), asyncio.timeout(20):
        await asyncio.to_thread(file.write_text, FILE.format(url=url) + OTHERS)
        with capture_logs() as logs:
            await stack.enter_async_context(running(app))
        assert [rule.symbol for rule in app[FILE_RULES]] == ["*", SYMBOL, "BTC-UDST"]
        assert [each for each in logs if each["event"] == "alert_rule_of_no_market"] == [
            {
                "event": "alert_rule_of_no_market",
                "log_level": "warning",
                "rule": "a typo",
                "symbol": "BTC-UDST",
            }
        ]
        async with stack:
            await asyncio.sleep(0)
            assert {"alerts-maps", "alerts-liquidations", "alerts-sending"} <= app[SUPERVISOR].names
            app[LIQUIDATION_BUS].take([Liquidation("binance", SYMBOL, END_MS, "long", 100.0, 2.0)])
            assert (await received.get())[1]["rule"] == "cascade"
        async with running(app):
            await asyncio.sleep(0)
            for symbol in (SYMBOL, "ETHUSDT"):
                app[LIQUIDATION_BUS].take([Liquidation("binance", symbol, END_MS, "long", 100.0, 2.0)])
            came: list[tuple[str, str]] = []
            while ("cascade", "ETHUSDT") not in came:
                alert = (await received.get())[1]
                came.append((alert["rule"], alert["symbol"]))
            assert ("cascade", SYMBOL) not in came
    raised = app[METRICS].registry.get_sample_value("liqstream_alerts_raised_total", {"kind": "cascade"})
    assert raised == 2
    app[MAPS].close()
    await store.close()
