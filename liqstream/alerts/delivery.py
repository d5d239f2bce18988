"""Delivers alerts to their targets: in the background, tried again, never in the way of the stream.

Each target has a queue and a worker of its own: one that hangs delays no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import aiohttp
import structlog
from aiohttp import hdrs

from liqstream.alerts.firing import Firing
from liqstream.alerts.retry_after import MAX_WAIT_S, retry_after_s
from liqstream.alerts.targets import Target
from liqstream.client.env_proxy import env_proxy
from liqstream.metrics import Metrics
from liqstream.supervision.supervise import raise_if_cancelled
from liqstream.supervision.timing import SYSTEM_TIMING, Timing

TRIES = 4
FIRST_WAIT_S = 1.0
RESPONSE_TIMEOUT_S = 10.0
MAX_WAITING = 100
"""Alerts that wait for one target; more are dropped and counted, for so many are of one cause."""

_log = structlog.get_logger(__name__)


Claim = Callable[[tuple[str, ...], int], Awaitable[bool]]
"""Whether this server has to send what is named so; asked with how long, in ms, nobody else shall."""
_BEFORE_THE_NEXT_MS = 1000
"""A claim ends sooner than the cooldown, so that the rule's next alert is not taken for the one before."""


async def unclaimed(_what: tuple[str, ...], _for_ms: int) -> bool:
    """There is no other server."""
    return True


class _Outbox(NamedTuple):
    target: Target
    queue: asyncio.Queue[Firing]


class Sender:
    """Sends to `targets`; what was sent and what was dropped or refused is counted in the metrics.

    Where several servers have one alerts file, `claim` says which of them sends an alert.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        metrics: Metrics,
        *,
        claim: Claim = unclaimed,
        first_wait_s: float = FIRST_WAIT_S,
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        self._claim = claim
        self._now_ms = timing.now_ms
        self._metrics = metrics
        self._outboxes = {target.name: _Outbox(target, asyncio.Queue(MAX_WAITING)) for target in targets}
        self._first_wait_s = first_wait_s

    def take(self, firing: Firing) -> None:
        """Queue an alert for each of the rule's targets; returns at once. A full queue drops it, counted."""
        for name in dict.fromkeys(firing.to):
            target, queue = self._outboxes[name]
            try:
                queue.put_nowait(firing)
            except asyncio.QueueFull:
                self._metrics.alerts_failed.labels(target.kind).inc()

    async def run(self) -> None:
        """Send alerts, each target's in order, until cancelled; what fails is tried again, then counted."""
        timeout = aiohttp.ClientTimeout(RESPONSE_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as workers:
            for name, outbox in self._outboxes.items():
                workers.create_task(self._work(session, outbox), name=f"alerts-to-{name}")

    async def _work(self, session: aiohttp.ClientSession, outbox: _Outbox) -> None:
        target, queue = outbox
        while True:
            firing = await queue.get()
            try:
                if not await self._is_ours(target, firing):
                    continue
                failure = await self._deliver(session, target, firing)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the next alerts are sent
                # A cancellation met inside a library would end this target's worker, and no other, unnoticed.
                raise_if_cancelled(error)
                failure = type(error).__name__
            counter = self._metrics.alerts_failed if failure else self._metrics.alerts_sent
            counter.labels(target.kind).inc()
            if failure:
                # Neither the address nor the body: they hold the token.
                _log.warning("alert not delivered", target=target.name, rule=firing.rule_id, reason=failure)

    async def _is_ours(self, target: Target, firing: Firing) -> bool:
        """Whether no other server has sent this alert to the target."""
        cooldown_ms = 1000 * firing.cooldown_s
        until_ms = firing.time_ms + cooldown_ms - min(_BEFORE_THE_NEXT_MS, cooldown_ms / 2)
        left_ms = int(until_ms) - self._now_ms()
        side = str(firing.facts.get("side", ""))
        return left_ms <= 0 or await self._claim(
            (target.name, firing.rule_id, firing.digest, firing.symbol, side), left_ms
        )

    async def _deliver(self, session: aiohttp.ClientSession, target: Target, firing: Firing) -> str:
        """Why the alert could not be delivered; empty if it was."""
        url, body, headers = target.request(firing)
        headers = {"Content-Type": "application/json", **headers}
        reason, wait_s = "", 0.0
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(wait_s)
            wait_s = self._first_wait_s * 2**attempt
            try:
                async with session.post(
                    url, data=body, headers=headers, proxy=env_proxy(url), allow_redirects=False
                ) as response:
                    if response.status < 300:
                        return ""
                    reason = f"HTTP {response.status}"
                    if response.status < 500 and response.status != 429:
                        break
                    asked_s = retry_after_s(response.headers.get(hdrs.RETRY_AFTER, ""))
                    wait_s = min(MAX_WAIT_S, max(wait_s, asked_s))
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = type(error).__name__
        return reason
