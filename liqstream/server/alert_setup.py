"""The server's alerts, as the settings have them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from liqstream.alerts.config import read_alerts
from liqstream.alerts.delivery import Sender
from liqstream.alerts.monitor import AlertMonitor
from liqstream.alerts.rules import RuleState
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.metrics import Metrics
from liqstream.settings.secret_files import secret_path
from liqstream.settings.table import Settings
from liqstream.supervision.supervise import Supervisor


@asynccontextmanager
async def alerts_sent(
    settings: Settings,
    maps: LiveMaps,
    liquidations: LiquidationBus,
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
    monitor = AlertMonitor(
        RuleState(config.rule),
        Sender(config.target, metrics),
        maps=maps,
        liquidations=liquidations,
        symbols=symbols,
        on_failure=supervisor.report,
    )
    async with AsyncExitStack() as loops:
        for name, loop in monitor.loops().items():
            _ = await loops.enter_async_context(supervisor.background(name, loop))
        yield
