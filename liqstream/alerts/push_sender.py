"""Sends firings to the devices of their owners (RFC 8030): in the background, tried again, counted.

A message is a task of its own; a push service that hangs delays those of no other.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import aiohttp
import structlog
from aiohttp import hdrs
from yarl import URL

from liqstream.alerts.firing import Firing
from liqstream.alerts.push_device import BadDeviceError, Subscription
from liqstream.alerts.push_encryption import encrypt
from liqstream.alerts.push_endpoint import Endpoint, PublicResolver, PushHosts
from liqstream.alerts.push_message import PushMessage, message_of
from liqstream.alerts.push_subscriptions import Subscriptions
from liqstream.alerts.push_vapid import VapidTokens
from liqstream.alerts.retry_after import MAX_WAIT_S, retry_after_s
from liqstream.client.env_proxy import env_proxy
from liqstream.metrics import Metrics
from liqstream.supervision.supervise import raise_if_cancelled

TRIES = 4
FIRST_WAIT_S = 1.0
ANSWER_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
AT_ONCE = 8
"""Requests to one push service."""
MAX_FIRINGS = 1000
"""That wait to be looked at; more are dropped."""
MAX_MESSAGES = 5000
"""On their way, waits for another try included; more are dropped."""

_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of a message; the labels of `liqstream_push_messages_total`."""

    SENT = "sent"
    GONE = "gone"
    REFUSED = "refused"
    FAILED = "failed"
    DROPPED = "dropped"


class _Job(NamedTuple):
    owner: str
    subscription: Subscription
    message: PushMessage
    tokens: VapidTokens


class PushSender:
    """Takes in firings and sends them; `run` is a task of its own.

    `contact` is where a push service's operator may write to. `proxy_of` names the proxy for an address.
    `ssl_context` is for hosts the operator has added; None is the system's, as for all others.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        hosts: PushHosts,
        metrics: Metrics,
        *,
        contact: str,
        ssl_context: ssl.SSLContext | None = None,
        proxy_of: Callable[[URL], str | None] = env_proxy,
    ) -> None:
        self.first_wait_s = FIRST_WAIT_S
        self._subscriptions = subscriptions  # read for each firing: another server may have taken them in
        self._hosts = hosts  # asked again for what was kept: the list may have been shortened since
        self._metrics = metrics  # the application's
        self._contact = contact  # mailto: or https:
        self._ssl = ssl_context  # with a root of the operator's own, for tests and own push hosts
        self._proxy_of = proxy_of  # by the environment
        self._tokens: VapidTokens | None = None  # made anew when another key is kept
        self._firings: asyncio.Queue[Firing] = asyncio.Queue(MAX_FIRINGS)  # that wait to be looked at
        self._messages = 0  # tasks that live
        # By entry of the list of hosts, of which there are few.
        self._gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    def take(self, firing: Firing) -> None:
        """Queue a firing for its owner's devices; returns at once. One without an owner is nobody's."""
        if not firing.owner:
            return
        try:
            self._firings.put_nowait(firing)
        except asyncio.QueueFull:
            self._count(Outcome.DROPPED)

    async def run(self) -> None:
        """Send until cancelled. What one message meets is that message's; the others are sent."""
        async with self._session() as session, asyncio.TaskGroup() as messages:
            while True:
                firing = await self._firings.get()
                try:
                    await self._start(session, messages, firing)
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the next one may be sent
                    raise_if_cancelled(error)
                    self._count(Outcome.FAILED)
                    _log.warning("push_not_sent", rule=firing.rule_id, reason=type(error).__name__)

    async def _start(
        self, session: aiohttp.ClientSession, messages: asyncio.TaskGroup, firing: Firing
    ) -> None:
        """Begin a task for each device of the firing's owner."""
        found = await self._subscriptions.of_owner(firing.owner)
        if not found:
            return
        key = await self._subscriptions.key.get()
        if self._tokens is None or self._tokens.key.public != key.public:
            self._tokens = VapidTokens(key, self._contact)
        message = message_of(firing)
        for subscription in found:
            if self._messages >= MAX_MESSAGES:
                self._count(Outcome.DROPPED)
                continue
            self._messages += 1
            job = _Job(firing.owner, subscription, message, self._tokens)
            messages.create_task(self._send(session, job), name="push-message")

    def _session(self) -> aiohttp.ClientSession:
        proxies = {self._proxy_of(URL(f"https://{name}/")) for name in self._hosts.names}
        trusted = {host for proxy in proxies if proxy and (host := URL(proxy).host)}
        connector = aiohttp.TCPConnector(limit=0, resolver=PublicResolver(self._hosts, trusted))
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def _send(self, session: aiohttp.ClientSession, job: _Job) -> None:
        """Send one message and count what became of it."""
        host, reason = "", ""
        try:
            endpoint = self._hosts.check(job.subscription.endpoint)
            host = endpoint.url.host or ""
            outcome, reason = await self._delivered(session, endpoint, job)
            if outcome is Outcome.GONE:
                await self._subscriptions.remove(job.owner, job.subscription.id)
        except BadDeviceError as error:
            outcome, reason = Outcome.REFUSED, str(error)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the other messages are sent
            raise_if_cancelled(error)
            outcome, reason = Outcome.FAILED, type(error).__name__
        finally:
            self._messages -= 1
        self._count(outcome)
        if outcome not in (Outcome.SENT, Outcome.GONE):
            # The host alone: whoever knows the whole endpoint can send to the device.
            _log.warning("push_not_sent", host=host, outcome=outcome, reason=reason)

    async def _delivered(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, job: _Job
    ) -> tuple[Outcome, str]:
        """What became of a message, and why: tried again while the push service is away or busy."""
        reason, wait_s = "", 0.0
        for attempt in range(TRIES):
            if attempt:
                self._metrics.push_retries.inc()
                await asyncio.sleep(wait_s)
            # Another wait for each message: those of one burst do not come back as one.
            wait_s = self.first_wait_s * 2**attempt * random.uniform(0.5, 1)
            try:
                async with self._gates[endpoint.service]:
                    status, retry_after = await self._post(session, endpoint, job)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = type(error).__name__
                continue
            if 200 <= status < 300:
                return Outcome.SENT, ""
            if status in (404, 410):
                return Outcome.GONE, ""
            reason = f"HTTP {status}"
            if status != 429 and status < 500:
                return Outcome.REFUSED, reason
            wait_s = min(MAX_WAIT_S, max(wait_s, retry_after))
        return Outcome.FAILED, reason

    async def _post(self, session: aiohttp.ClientSession, endpoint: Endpoint, job: _Job) -> tuple[int, float]:
        """The status of the answer, and for how many seconds it asks to wait. Its body is not read."""
        keys = job.subscription.keys
        body = await asyncio.to_thread(encrypt, job.message.text, p256dh=keys.p256dh, auth=keys.auth)
        headers = job.message.headers | {
            hdrs.AUTHORIZATION: job.tokens.header(endpoint.origin),
            hdrs.CONTENT_TYPE: "application/octet-stream",
        }
        host, port = endpoint.url.host or "", endpoint.url.port or 0
        is_added = self._hosts.may_be_private(host, port)
        async with session.post(
            endpoint.url,
            ssl=self._ssl if is_added and self._ssl is not None else True,
            data=body,
            headers=headers,
            proxy=self._proxy_of(endpoint.url),
            allow_redirects=False,
        ) as response:
            return response.status, retry_after_s(response.headers.get(hdrs.RETRY_AFTER, ""))

    def _count(self, outcome: Outcome) -> None:
        self._metrics.push_messages.labels(outcome).inc()
