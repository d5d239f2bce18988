"""Takes alerts to their targets: in the background, tried again, never in the way of the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp
import structlog

from liqstream.alerts.rules import Alert
from liqstream.alerts.targets import Target
from liqstream.market import Source
from liqstream.metrics import Metrics

TRIES = 4
FIRST_WAIT_S = 1.0
ANSWER_TIMEOUT_S = 10.0
MAX_WAITING = 100
"""Alerts that wait to be sent; more are let go and counted: a storm of alerts is one alert."""

_log = structlog.get_logger(__name__)


class Sender:
    """Sends to `targets`; what was sent and what was let go or refused is counted in the metrics."""

    def __init__(
        self, targets: Sequence[Target], metrics: Metrics, *, first_wait_s: float = FIRST_WAIT_S
    ) -> None:
        self._metrics = metrics
        self._targets = {target.name: target for target in targets}
        self._first_wait_s = first_wait_s
        self._queue: asyncio.Queue[tuple[Target, Alert, Source]] = asyncio.Queue(MAX_WAITING)

    def send(self, alert: Alert, source: Source) -> None:
        """Take an alert for the rule's targets; returns at once."""
        _log.info("alert", rule=alert.rule.name, symbol=alert.symbol, text=alert.text)
        for name in alert.rule.to:
            try:
                self._queue.put_nowait((self._targets[name], alert, source))
            except asyncio.QueueFull:
                self._metrics.alerts_failed.labels(self._targets[name].kind).inc()

    async def run(self) -> None:
        """Send what comes until cancelled."""
        timeout = aiohttp.ClientTimeout(ANSWER_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                target, alert, source = await self._queue.get()
                sent = await self._deliver(session, target, alert, source)
                counter = self._metrics.alerts_sent if sent else self._metrics.alerts_failed
                counter.labels(target.kind).inc()

    async def _deliver(
        self, session: aiohttp.ClientSession, target: Target, alert: Alert, source: Source
    ) -> bool:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        url, body = target.request(alert, source=source, time=now)
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._first_wait_s * 2 ** (attempt - 1))
            try:
                async with session.post(url, json=body, allow_redirects=False) as answer:
                    if answer.status < 300:
                        return True
                    reason = f"HTTP {answer.status}"
                    if answer.status < 500 and answer.status != 429:
                        break
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = type(error).__name__
        # Neither the address nor the body: they hold the token.
        _log.warning("alert not delivered", target=target.name, rule=alert.rule.name, reason=reason)
        return False
