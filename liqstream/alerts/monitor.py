"""Evaluates the rules on every map and every liquidation, and hands on the alerts they raise.

A map is looked at only where a rule watches its symbol, and the looks take at most half of the event loop's
time between them: with many markets they come less often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing

import structlog

from liqstream.admission.rate_limit import KeyedLimiter
from liqstream.alerts.evaluator import OF_MAPS, Alert, Evaluator
from liqstream.alerts.firing import Firing, Firings
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.market import PRESENT_MS, Liquidation, Source
from liqstream.supervision.supervise import Work
from liqstream.supervision.timing import SYSTEM_TIMING, Timing

CHECK_EVERY_S = 1.0
TOGETHER_S = 0.1
"""Liquidations that come within it are looked at together."""
OWNER_BURST, OWNER_RATE_PER_S = 30, 0.5
"""What one owner's rules raise at once, and a second; more is counted and dropped."""
AT_ONCE = 50
"""Alerts handed on before other work of the event loop has its turn."""
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
        evaluator: Evaluator,
        firings: Firings,
        *,
        maps: LiveMaps,
        liquidations: LiquidationBus,
        symbols: Sequence[str],
        on_failure: OnFailure = lambda _name, _error: None,
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        evaluator.on_failure = lambda owned, error: on_failure(_task_of(owned.owner, owned.rule.name), error)
        self.on_dropped: Callable[[], None] = lambda: None
        """Called for each alert of an owner who has had too many."""
        self._evaluator = evaluator  # of this server; nothing else evaluates
        self._on_failure = on_failure  # the supervisor's: counted, logged, named in /ready
        self._firings = firings  # to whoever delivers
        self._maps = maps  # read only
        self._liquidations = liquidations  # listened to
        self._symbols = symbols  # whose maps are looked at; the list may change
        self._timing = timing  # monotonic s, UTC ms
        # What was looked at last, by symbol: what the price passed is known since then.
        self._looked: dict[str, StreamPosition] = {}
        # How many alerts each owner has left just now.
        self._owners = KeyedLimiter(OWNER_RATE_PER_S, OWNER_BURST, clock=timing.clock_s)

    def loops(self) -> dict[str, Work]:
        """By name, what has to be kept running, each without an end."""
        return {MAPS: self._watch_maps, "alerts-liquidations": self._watch_liquidations}

    async def _watch_maps(self) -> None:
        while True:
            began_s, symbols = self._timing.clock_s(), tuple(self._symbols)
            for ended in self._looked.keys() - set(symbols):
                del self._looked[ended]
                self._evaluator.forget(ended)
            for symbol in symbols:
                if self._evaluator.rules.watches(symbol, OF_MAPS):
                    try:
                        await self._check_map(symbol)
                    except Exception as error:  # noqa: BLE001  # the next symbol has its turn
                        self._on_failure(MAPS, error)
            took_s = self._timing.clock_s() - began_s
            await asyncio.sleep(max(took_s, CHECK_EVERY_S - took_s))

    async def _check_map(self, symbol: str) -> None:
        snapshot = await self._maps.get_latest_heatmap_snapshot(symbol)
        if snapshot is None:
            return
        looked = self._looked.get(symbol)
        since = None if looked is None else self._maps.price_since(symbol, looked)
        self._looked[symbol] = snapshot.position
        alerts = self._evaluator.on_snapshot(snapshot, self._timing.clock_s(), since)
        await self._hand_on(alerts, lambda _symbol: snapshot.source)

    async def _watch_liquidations(self) -> None:
        async with aclosing(self._liquidations.listen()) as batches:
            async for batch, _ in batches:
                fresh = [each for each in batch if not self._is_late(each)]
                alerts = self._evaluator.on_liquidations(fresh, self._timing.clock_s())
                await self._hand_on(alerts, self._maps.source)
                await asyncio.sleep(TOGETHER_S)

    def _is_late(self, each: Liquidation) -> bool:
        """Whether a liquidation is of the past, by the time of its market's newest data.

        Many such come at once: what was held back until its side was known, what was found in an account's
        fills. Where time is played, minutes pass in a moment, and none is late.
        """
        age_ms = self._maps.data_time_ms(each.symbol) - each.time_ms
        return age_ms > PRESENT_MS and self._maps.source(each.symbol) == "live"

    async def _hand_on(self, alerts: Iterable[Alert], source_of: Callable[[str], Source]) -> None:
        for count, alert in enumerate(alerts, 1):
            owner = alert.owned.owner
            if owner and self._owners.take(owner) > 0:
                self.on_dropped()
            else:
                self._raise(alert, source_of(alert.symbol))
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _raise(self, alert: Alert, source: Source) -> None:
        owner, rule = alert.owned.owner, alert.owned.rule
        if not owner:
            _log.info("alert", rule=rule.name, symbol=alert.symbol, text=alert.text)
        self._firings.deliver(
            Firing(
                rule.name,
                owner,
                alert.symbol,
                rule.kind,
                alert.text,
                self._timing.now_ms(),
                source,
                facts=alert.facts,
                to=tuple(rule.to),
                cooldown_s=rule.cooldown_s,
                digest=alert.owned.digest,
            )
        )


def _task_of(owner: str, name: str) -> str:
    """What a failing rule is named as; those of the page together: their names are anybody's."""
    return "alert-rules" if owner else f"alert-rule-{name}"
