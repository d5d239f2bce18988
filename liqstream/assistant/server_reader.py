"""Reads a running server by REST, for a tool: one request, one answer or one sentence why there is none."""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec

from liqstream.client import ClientError, Forecast, Snapshot
from liqstream.client.env_proxy import env_proxy
from liqstream.client.forecast import decode_forecast
from liqstream.client.messages import UNREADABLE
from liqstream.client.rest import decode_latest, fetch
from liqstream.client.symbol_names import symbol_of
from liqstream.client.urls import Addresses


class ServerReader:
    """Reads the server at `url`; `token` is sent as a bearer token. Every method raises ClientError."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Raises ClientError for what is no address."""
        self._addresses = Addresses.of(url)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def symbols(self) -> list[dict[str, Any]]:
        """The markets that are followed, as /api/symbols lists them."""
        rows = (await self._object("/api/symbols")).get("symbols")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    async def latest(self, symbol: str) -> Snapshot:
        """The newest map of a symbol, in any usual form of its name."""
        return decode_latest(await self._fetch(f"/api/heatmap/{_named(symbol)}", columns="1"))

    async def forecast(self, symbol: str) -> Forecast:
        """The newest forecasts of a symbol."""
        return decode_forecast(await self._fetch(f"/api/forecast/{_named(symbol)}"))

    async def score(self, symbol: str) -> dict[str, Any]:
        """How good the symbol's map has been, as /api/score has it."""
        return await self._object(f"/api/score/{_named(symbol)}")

    async def _object(self, path: str) -> dict[str, Any]:
        try:
            return msgspec.json.decode(await self._fetch(path), type=dict[str, Any])
        except UNREADABLE as error:
            raise ClientError(f"the server's answer to {path} cannot be read: {error}") from None

    async def _fetch(self, path: str, **query: str) -> bytes:
        url = self._addresses.resource(path).with_query(query)
        async with aiohttp.ClientSession(headers=self._headers, proxy=env_proxy(url)) as session:
            return await fetch(session, url)


def _named(symbol: str) -> str:
    """A symbol within a path, of a name in any usual form; of what is none the server names the nearest."""
    meant = symbol_of(symbol)
    if not meant.replace("-", "").isalnum() or len(meant) > 60:
        raise ClientError(f"{symbol[:60]!r} is no symbol; e.g. BTCUSDT")
    return meant
