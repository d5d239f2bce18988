"""A running endpoint, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.ws_server import AheadClock, WsServer, ws_server


@pytest.fixture
def clock() -> AheadClock:
    """The clock of `server`."""
    return AheadClock()


@pytest.fixture
async def server(clock: AheadClock) -> AsyncIterator[WsServer]:
    """The endpoint with its defaults."""
    async with ws_server(timers=clock) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as client:
        yield client
