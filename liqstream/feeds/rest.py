"""Asking an exchange over HTTP: paced, patient with what passes, clear about what does not.

A refusal for asking too much (429, 418) pauses every question to the venue for as long as it says; a server
error is retried; a country the venue shuts out (451, 403) ends the feed with one line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
import structlog
from yarl import URL

from liqstream.feeds.backoff import FullJitter, Pace
from liqstream.feeds.feed import FeedError
from liqstream.feeds.frames import FrameSink
from liqstream.feeds.parsed import Json, read_json

log = structlog.get_logger(__name__)

SIMULATED_HEADER = "X-Liqstream-Simulated"
_TRIES = 4
_TIMEOUT = aiohttp.ClientTimeout(total=20.0, connect=8.0)
_MAX_PAUSE_S = 600.0
_PAUSE_S = {429: 10.0, 418: 120.0}
"""When the answer has no Retry-After."""
_MAX_BODY_BYTES = 32 * 2**20


class RestUnavailableError(Exception):
    """The venue does not answer now; trying again later may help. One line."""


class RestRefusedError(Exception):
    """The venue understood and said no (HTTP 4xx, or its own error code); trying again will not help."""


@dataclass(slots=True)
class RestClient:
    """Questions to one venue at `base_url`; `simulated`: an answer said it is no real market."""

    exchange: str
    base_url: str
    session: aiohttp.ClientSession
    pace: Pace
    simulated: bool = False
    sink: FrameSink | None = None

    async def get(self, path: str, **params: str | int) -> Json:
        """The JSON of a GET. Raises RestUnavailableError, RestRefusedError or FeedError."""
        return await self._ask("GET", path, params, None)

    async def post(self, path: str, body: Json) -> Json:
        """The JSON of a POST of JSON. Raises RestUnavailableError, RestRefusedError or FeedError."""
        return await self._ask("POST", path, {}, body)

    async def _ask(self, method: str, path: str, params: Mapping[str, str | int], body: Json) -> Json:
        backoff = FullJitter(base_s=0.5, cap_s=8.0)
        problem = ""
        for left in reversed(range(_TRIES)):
            await self.pace.wait()
            try:
                return await self._once(method, path, params, body)
            except _TryAgainError as error:
                problem = str(error)
            if left:
                await asyncio.sleep(backoff.next_s())
        raise RestUnavailableError(f"{self.base_url} does not answer: {problem}")

    async def _once(self, method: str, path: str, params: Mapping[str, str | int], body: Json) -> Json:
        url = self.base_url.rstrip("/") + path
        try:
            async with self.session.request(
                method, url, params=params, json=body, timeout=_TIMEOUT
            ) as answer:
                raw = await answer.content.read(_MAX_BODY_BYTES)
                while not answer.content.at_eof() and len(raw) < _MAX_BODY_BYTES:
                    raw += await answer.content.read(_MAX_BODY_BYTES - len(raw))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _TryAgainError(_words(error)) from error
        if SIMULATED_HEADER in answer.headers:
            self.simulated = True
            self.pace.every_s = 0.0  # no limit to keep, and a demo should be up at once
        self._judge(answer, raw)
        if self.sink is not None:
            self.sink.http(str(URL(url).with_query(dict(params))), raw)
        try:
            return read_json(raw)
        except ValueError as error:
            raise _TryAgainError(f"{path}: not JSON") from error

    def _judge(self, answer: aiohttp.ClientResponse, raw: bytes) -> None:
        status = answer.status
        if status in (403, 451):
            raise FeedError(
                f"{self.exchange} does not serve this address (HTTP {status}): its terms or a firewall shut "
                "out this country or network"
            )
        if status in _PAUSE_S:
            pause_s = min(_MAX_PAUSE_S, _retry_after_s(answer) or _PAUSE_S[status])
            self.pace.pause(pause_s)
            log.warning("asked too much", exchange=self.exchange, status=status, pause_s=round(pause_s))
            raise _TryAgainError(f"HTTP {status}, pausing {pause_s:.0f} s")
        if status >= 500:
            raise _TryAgainError(f"HTTP {status}")
        if status >= 400:
            raise RestRefusedError(f"HTTP {status}: {raw[:200].decode('utf-8', 'replace')}")


class _TryAgainError(Exception):
    pass


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _retry_after_s(answer: aiohttp.ClientResponse) -> float | None:
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
