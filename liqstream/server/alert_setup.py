"""The server's alerts, as the settings have them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from liqstream.alerts.config import read_alerts
from liqstream.alerts.delivery import Sender
from liqstream.alerts.firing import Firings
from liqstream.alerts.monitor import AlertMonitor
from liqstream.alerts.rules import RuleState
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.http.app_keys import FIRINGS, MAPS, SYMBOLS
from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.metrics import Metrics
from liqstream.server.app_keys import METRICS, SETTINGS, SUPERVISOR
from liqstream.settings.secret_files import secret_path
from liqstream.settings.table import Settings
from liqstream.supervision.supervise import Supervisor

SENDING = "alerts-sending"
"""The task, and the sink, of the alerts file's targets."""


async def alerts_ctx(app: web.Application) -> AsyncIterator[None]:
    """The alerts of the application, while it runs."""
    async with alerts_sent(
        app[SETTINGS],
        app[MAPS],
        app[LIQUIDATION_BUS],
        app[FIRINGS],
        symbols=app[SYMBOLS],
        metrics=app[METRICS],
        supervisor=app[SUPERVISOR],
    ):
        yield


@asynccontextmanager
async def alerts_sent(
    settings: Settings,
    maps: LiveMaps,
    liquidations: LiquidationBus,
    firings: Firings,
    *,
    symbols: Sequence[str],
    metrics: Metrics,
    supervisor: Supervisor,
) -> AsyncIterator[None]:
    """Evaluate the rules of the alerts file and send what they raise, while the context is open.

    Raises BadAlertsError for a file that cannot be used.
    """
    path = secret_path(settings.alerts_file, settings.secrets_dir)
    config = await asyncio.to_thread(read_alerts, path)
    sender = Sender(config.target, metrics)
    firings.add_sink(SENDING, sender.take)
    monitor = AlertMonitor(
        RuleState(config.rule),
        firings,
        maps=maps,
        liquidations=liquidations,
        symbols=symbols,
        on_failure=supervisor.report,
    )
    async with AsyncExitStack() as loops:
        for name, loop in {**monitor.loops(), SENDING: sender.run}.items():
            _ = await loops.enter_async_context(supervisor.background(name, loop))
        yield
