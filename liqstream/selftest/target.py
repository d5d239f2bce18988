"""The server under test: somebody's at an address, or one of our own that may be killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from liqstream.client import ClientError
from liqstream.client.env_proxy import env_proxy
from liqstream.client.urls import Addresses
from liqstream.selftest.recording import Recording, record
from liqstream.selftest.server_process import OwnServer

OBSERVED_S = 6.0


@dataclass(slots=True)
class Target:
    """A server that answers, the symbols it follows, and what was recorded of its stream."""

    addresses: Addresses
    session: aiohttp.ClientSession
    symbols: tuple[str, ...]
    headers: dict[str, str]
    own: OwnServer | None = None
    _recordings: asyncio.Task[tuple[Recording, Recording]] | None = field(default=None)

    async def recordings(self) -> tuple[Recording, Recording]:
        """The same seconds of the stream: deltas every second, whole states every other; recorded once."""
        if self._recordings is None:
            self._recordings = asyncio.create_task(self._record())
        return await self._recordings

    async def _record(self) -> tuple[Recording, Recording]:
        url, symbols = self.addresses.stream, self.symbols
        deltas, wholes = await asyncio.gather(
            record(self.session, url, symbols, delta=True, interval_s=1, seconds=OBSERVED_S),
            record(self.session, url, symbols, delta=False, interval_s=2, seconds=OBSERVED_S),
        )
        return deltas, wholes

    async def get_json(self, path: str, **query: str) -> Any:
        """The JSON answer of a path, whatever its status. Raises ClientError with one line."""
        return await get_json(self.session, self.addresses, path, **query)


@asynccontextmanager
async def reached(url: str, *, token: str | None, own: OwnServer | None = None) -> AsyncIterator[Target]:
    """The server at an address. Raises ClientError with one line if none of ours is there."""
    addresses = Addresses.of(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(limit=0)  # a hundred sockets at once and more
    proxy = env_proxy(addresses.stream)
    async with aiohttp.ClientSession(headers=headers, connector=connector, proxy=proxy) as session:
        ready = await get_json(session, addresses, "/ready")
        symbols = ready.get("symbols") if isinstance(ready, dict) else None
        if not isinstance(symbols, dict) or not symbols:
            raise ClientError(f"{addresses.rest} is no liqstream server: its /ready names no symbols")
        yield Target(addresses, session, tuple(symbols)[:10], headers, own)


async def get_json(session: aiohttp.ClientSession, addresses: Addresses, path: str, **query: str) -> Any:
    """The JSON answer of a path, whatever its status. Raises ClientError with one line."""
    url = addresses.resource(path).with_query(query)
    try:
        async with asyncio.timeout(10), session.get(url) as answer:
            return json.loads(await answer.read())
    except TimeoutError:
        raise ClientError(f"{url} does not answer within 10 s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ClientError(f"cannot reach {url}: {error}") from None
    except ValueError:
        raise ClientError(f"{url} is no liqstream server: it does not answer in JSON") from None
