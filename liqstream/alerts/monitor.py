"""Evaluates the rules on every map and every liquidation, and hands on the alerts they raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

import structlog

from liqstream.alerts.firing import Firing, Firings
from liqstream.alerts.rules import Alert, RuleState
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.market import Source
from liqstream.supervision.supervise import Work
from liqstream.supervision.timing import SYSTEM_TIMING, Timing

CHECK_EVERY_S = 1.0
MAPS = "alerts-maps"
"""The task that looks at the maps."""

_log = structlog.get_logger(__name__)

OnFailure = Callable[[str, BaseException], None]


class AlertMonitor:
    """Two loops: the maps of `symbols` once a second, and liquidations as they come.

    What is raised goes to `firings`. A symbol or a rule that fails goes to `on_failure` by the name of its
    task, each time; the others go on.
    """

    def __init__(
        self,
        rules: RuleState,
        firings: Firings,
        *,
        maps: LiveMaps,
        liquidations: LiquidationBus,
        symbols: Sequence[str],
        on_failure: OnFailure = lambda _name, _error: None,
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        rules.on_failure = lambda rule, error: on_failure(f"alert-rule-{rule.name}", error)
        self._rules = rules  # evaluated here and nowhere else
        self._on_failure = on_failure  # the supervisor's: counted, logged, named in /ready
        self._firings = firings  # to whoever delivers
        self._maps = maps  # read only
        self._liquidations = liquidations  # listened to
        self._symbols = symbols  # whose maps are looked at; the list may change
        self._timing = timing  # monotonic s, UTC ms

    def loops(self) -> dict[str, Work]:
        """By name, what has to be kept running: evaluating, each without an end."""
        return {
            MAPS: self._watch_maps,
            "alerts-liquidations": self._watch_liquidations,
        }

    async def _watch_maps(self) -> None:
        while True:
            for symbol in self._symbols:
                try:
                    await self._check_map(symbol)
                except Exception as error:  # noqa: BLE001  # the next symbol has its turn
                    self._on_failure(MAPS, error)
            await asyncio.sleep(CHECK_EVERY_S)

    async def _check_map(self, symbol: str) -> None:
        snapshot = await self._maps.get_latest_heatmap_snapshot(symbol)
        if snapshot is not None:
            for alert in self._rules.on_snapshot(snapshot, self._timing.clock_s()):
                self._raise(alert, snapshot.source)

    async def _watch_liquidations(self) -> None:
        async with aclosing(self._liquidations.listen()) as batches:
            async for batch, _ in batches:
                for liquidation in batch:
                    for alert in self._rules.on_liquidation(liquidation, self._timing.clock_s()):
                        self._raise(alert, self._maps.source(liquidation.symbol))

    def _raise(self, alert: Alert, source: Source) -> None:
        rule = alert.rule
        _log.info("alert", rule=rule.name, symbol=alert.symbol, text=alert.text)
        self._firings.deliver(
            Firing(
                rule.name,
                "",
                alert.symbol,
                rule.kind,
                alert.text,
                self._timing.now_ms(),
                source,
                facts=alert.facts,
                to=tuple(rule.to),
            )
        )
