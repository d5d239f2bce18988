"""One question at a time to Hyperliquid's info endpoint: tried once, for whoever asks knows when to ask
again.

Apart from the feed's client on purpose: a pause of these reads must not hold up the feed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from liqstream.client.url_mask import masked
from liqstream.feeds.http_session import proxy_of
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

TIMEOUT_S = 15.0
MOST_BYTES = 16 * 2**20
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


class UnansweredError(Exception):
    """No answer, or one that is none; asking again later may help."""


class TooManyError(UnansweredError):
    """429: more was asked than is allowed."""


class RefusedForGoodError(Exception):
    """403 or 451: this address is not answered."""


@dataclass(slots=True)
class InfoClient:
    """Questions to `base_url`, through `proxy` or the environment's."""

    base_url: str
    session: aiohttp.ClientSession
    proxy: str = ""
    clock: Clock = SYSTEM_CLOCK

    async def ask(self, question: dict[str, Any]) -> Any:
        """The JSON of an answer. Raises UnansweredError, TooManyError or RefusedForGoodError."""
        url = f"{self.base_url.rstrip('/')}/info"
        async with self._answer("POST", url, question) as response:
            body = await response.content.read(MOST_BYTES)
            while not response.content.at_eof() and len(body) < MOST_BYTES:
                body += await response.content.read(MOST_BYTES)
        try:
            return orjson.loads(body)
        except ValueError:
            raise UnansweredError("the answer is not JSON") from None

    async def chunks(self, url: str) -> AsyncIterator[bytes]:
        """The body at a URL in pieces, as they come. Raises as `ask`, at the end too if it is cut off."""
        async with self._answer("GET", url, None) as response:
            async for chunk in response.content.iter_chunked(65_536):
                yield chunk

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, question: dict[str, Any] | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with (
                self.clock.timeout(TIMEOUT_S),
                self.session.request(
                    method, url, json=question, timeout=_NO_TIMEOUT, proxy=proxy_of(url, self.proxy)
                ) as response,
            ):
                _judge(response.status, masked(url))
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnansweredError(masked(str(error) or type(error).__name__)) from None


def _judge(status: int, url: str) -> None:
    if status in (403, 451):
        raise RefusedForGoodError(f"{url} answers {status}: positions are not given to this address")
    if status == 429:
        raise TooManyError(f"{url} answers 429")
    if status != 200:
        raise UnansweredError(f"{url} answers {status}")
