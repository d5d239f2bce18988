"""How a feed reaches its exchange: one client per session, one budget for all, the exchange's clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_access import NO_OBSERVERS, Endpoints, ExchangeAccess
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.exchanges.lighter import Lighter
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.rest_client import RestUnavailableError
from liqstream.feeds.trial import ENOUGH
from liqstream.market import OpenInterest
from liqstream.supervision.clock import Clock
from tests.support.exchange_rig import serving

NOW_MS = 1_790_000_000_000
LIGHTER_DETAILS = {"order_book_details": [{"symbol": "ETH", "market_id": 0, "open_interest": "52000"}]}
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


async def test_what_was_found_of_a_unit_outlives_the_feed(tmp_path: Path) -> None:
    """Shown as it stands, announced once and kept; a feed begun anew goes on from there, and asks no more."""
    answers = [web.json_response(each) for each in ({}, LIGHTER_DETAILS, LIGHTER_DETAILS)]

    async def details(_: web.Request) -> web.Response:
        return answers.pop(0)

    app = web.Application()
    app.router.add_get("/{tail:.*}", details)
    async with serving(app) as port:
        endpoints = Endpoints(f"http://127.0.0.1:{port}", state_path=tmp_path / "x.venues.json")
        venue, status, announced = Lighter(), FeedStatus(), [0]

        def announce() -> None:
            announced[0] += 1

        access = ExchangeAccess(venue, endpoints, TIMING, NO_OBSERVERS, status)
        reporter, trial = ErrorReporter("lighter", status, lambda: NOW_MS), venue.trials["open interest"]
        await access.recall()
        assert "held back" in status.unproven["open interest"]
        await access.examine(["ETHUSDT"], reporter, announce)
        assert "second source" in str(status.last_error)
        base = OpenInterest("lighter", "ETHUSDT", NOW_MS, 52_000.0, 52_000.0)
        readings = (base, replace(base, open_interest_base=15.0))
        for count, compared, announcements in ((1, 1, 0), (ENOUGH - 1, ENOUGH, 1)):
            for _ in range(count):
                trial.take(dict(zip(trial.question.readings, readings, strict=True)))
            await access.examine(["ETHUSDT"], reporter, announce)
            assert (trial.compared, announced, status.last_error) == (compared, [announcements], "")
        assert status.unproven["open interest"] == trial.sentence
        assert (await access.examine(["ETHUSDT"], reporter, announce), status.last_error) == ((), "")
        await access.state.sync()
        await access.close()

        again, later = Lighter(), FeedStatus()
        await ExchangeAccess(again, endpoints, TIMING, NO_OBSERVERS, later).recall()
        assert again.trials["open interest"].verdict == trial.verdict == "it is in base coin"
        assert later.unproven["open interest"] == trial.sentence
    assert answers == []


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
            assert access.client().pause_left_s == pytest.approx(259_200, abs=60)
            await access.close()
    assert asked == 1
