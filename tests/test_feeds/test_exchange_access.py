"""How a feed reaches its exchange: one client per session, one budget for all, the exchange's clock."""

from __future__ import annotations

import pytest
from aiohttp import web

from liqstream.feeds.exchange_access import NO_OBSERVERS, Endpoints, ExchangeAccess
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.rest_client import RestUnavailableError
from liqstream.supervision.clock import Clock
from tests.support.exchange_rig import serving

NOW_MS = 1_790_000_000_000
TIMING = FeedTiming(clock=Clock(now_ms=lambda: NOW_MS))


def test_an_address_that_is_not_its_own_is_named_without_its_password() -> None:
    """Those of a region are its own."""
    shown = []
    for rest_url in ("", "https://eea.okx.com", "http://me:secret@here"):
        status = FeedStatus()
        ExchangeAccess(Okx(), Endpoints(rest_url), TIMING, NO_OBSERVERS, status)
        shown.append(status.address)
    assert shown == ["", "", "http://***@here"]


async def test_the_clock_of_the_exchange() -> None:
    """Measured on the way, and kept between two questions; the session is opened anew after it was closed."""

    async def time(_: web.Request) -> web.Response:
        return web.json_response({"serverTime": NOW_MS - 7000}, headers={"X-Liqstream-Simulated": "1"})

    app = web.Application()
    app.router.add_get("/fapi/v1/time", time)
    async with serving(app) as port:
        status = FeedStatus()
        endpoints = Endpoints(f"http://127.0.0.1:{port}")
        access = ExchangeAccess(Binance(), endpoints, TIMING, NO_OBSERVERS, status)
        assert (access.their_now_ms(), access.simulated) == (NOW_MS, False)
        assert await access.measure_clock() == NOW_MS - 7000
        assert (access.their_now_ms(), status.clock_skew_ms) == (NOW_MS - 7000, 7000.0)
        assert access.simulated
        first = access.client()
        assert access.client() is first
        await access.close()
        assert access.client() is not first
        await access.close()


async def test_a_ban_outlives_the_client() -> None:
    """A new session asks no earlier."""
    asked = 0

    async def banned(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=418, headers={"Retry-After": "259200"})

    app = web.Application()
    app.router.add_get("/{tail:.*}", banned)
    async with serving(app) as port:
        endpoints = Endpoints(f"http://127.0.0.1:{port}")
        access = ExchangeAccess(Binance(), endpoints, TIMING, NO_OBSERVERS, FeedStatus())
        for _ in range(3):
            with pytest.raises(RestUnavailableError):
                await access.measure_clock()
            assert access.client().pause_left_s == 259_200
            await access.close()
    assert asked == 1
