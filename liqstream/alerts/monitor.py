"""Evaluates the rules on every map and every liquidation, and sends the alerts they raise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing

from liqstream.alerts.delivery import Sender
from liqstream.alerts.rules import RuleState
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.supervision.supervise import Work

CHECK_EVERY_S = 1.0
MAPS = "alerts-maps"
"""The task that looks at the maps."""

OnFailure = Callable[[str, BaseException], None]


class AlertMonitor:
    """Three loops: the maps of `symbols` once a second, liquidations as they come, and sending.

    `clock_s` is monotonic, in s. A symbol or a rule that fails goes to `on_failure` by the name of its task,
    each time; the others go on.
    """

    def __init__(
        self,
        rules: RuleState,
        sender: Sender,
        *,
        maps: LiveMaps,
        liquidations: LiquidationBus,
        symbols: Sequence[str],
        on_failure: OnFailure = lambda _name, _error: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        rules.on_failure = lambda rule, error: on_failure(f"alert-rule-{rule.name}", error)
        self._rules = rules  # evaluated here and nowhere else
        self._on_failure = on_failure  # the supervisor's: counted, logged, named in /ready
        self._sender = sender  # queues at once
        self._maps = maps  # read only
        self._liquidations = liquidations  # listened to
        self._symbols = symbols  # whose maps are looked at; the list may change
        self._clock_s = clock_s  # monotonic, s

    def loops(self) -> dict[str, Work]:
        """By name, what has to be kept running: evaluating and sending, each without an end."""
        return {
            MAPS: self._watch_maps,
            "alerts-liquidations": self._watch_liquidations,
            "alerts-sending": self._sender.run,
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
            for alert in self._rules.on_snapshot(snapshot, self._clock_s()):
                self._sender.send(alert, snapshot.source)

    async def _watch_liquidations(self) -> None:
        async with aclosing(self._liquidations.listen()) as batches:
            async for batch, _ in batches:
                for liquidation in batch:
                    for alert in self._rules.on_liquidation(liquidation, self._clock_s()):
                        self._sender.send(alert, self._maps.source(liquidation.symbol))
