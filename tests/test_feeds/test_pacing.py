"""How often an exchange is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable

import aiohttp
import pytest

from liqstream.feeds.exchange_access import Endpoints
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.bitget import Bitget
from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.exchanges.gate import Gate
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.pacing import Budget, FeedTiming, Limit, Pace
from liqstream.feeds.rest_client import RestClient
from liqstream.market import MINUTE_MS, Candle, MarketKey
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.exchange_server import DIALECTS, SimulatedExchange
from liqstream.simulator.limits import Usage
from liqstream.supervision.clock import Clock
from liqstream.symbols import SUPPORTED_SYMBOLS
from tests.support.exchange_rig import serving
from tests.support.market_start import START_MS
from tests.support.step_clock import StepClock
from tests.support.virtual_clock import run_virtually


async def turns(*waits: Awaitable[None]) -> list[float]:
    """When each got its turn, in s after the first was asked for."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()

    async def turn(wait: Awaitable[None]) -> float:
        await wait
        return loop.time() - started_s

    return await asyncio.gather(*map(turn, waits))


async def test_one_caller_per_interval_after_the_burst() -> None:
    """In the order they came."""
    pace = Pace(0.05, burst=2)
    times = await turns(*(pace.wait() for _ in range(4)))
    assert times == sorted(times)
    assert times[1] < 0.05 <= times[2]
    assert times[3] >= 0.1


async def test_no_window_holds_more_than_the_limit() -> None:
    """Whatever comes at once: after a burst the weight is spent evenly."""
    clock = StepClock()
    budget = Budget((Limit(100.0, 10.0),), clock)
    sent: list[float] = []
    for _ in range(60):
        await budget.spend(5.0)
        sent.append(clock.time_s())
    for start_s in sent:
        assert 5.0 * sum(start_s <= at_s < start_s + 10.0 for at_s in sent) <= 100.0
    assert sent[-1] < 50.0


async def test_what_the_exchange_counts_is_counted() -> None:
    """Others may ask from the same address: a used header leaves less, a limit of a name holds its own."""
    clock = StepClock()
    limits = (Limit(100.0, 10.0, used_header="X-Used"), Limit(2.0, 10.0, "slow"))
    budget = Budget(limits, clock)
    await budget.spend(1.0)
    assert clock.time_s() == 0.0
    budget.note({"X-Used": "100"})
    await budget.spend(6.0)
    assert clock.time_s() == pytest.approx(1.0)
    for _ in range(4):
        await budget.spend(0.0, "slow")
    assert clock.time_s() > 20.0
    budget.unlimited()
    before_s = clock.time_s()
    await budget.spend(1e6)
    assert clock.time_s() == before_s


@pytest.mark.parametrize("limit", [*Bybit.limits, *Gate.limits])
async def test_what_the_exchange_says_is_left_is_all_there_is(limit: Limit) -> None:
    """Of Bybit and Gate, whose answers say it."""
    clock = StepClock()
    budget = Budget((limit,), clock)
    budget.note({limit.left_header: "0"})
    await budget.spend(1.0)
    assert clock.time_s() > 0


@pytest.mark.parametrize("used", ["inf", "1e300", "999999999", "-inf", "nan", "much"])
async def test_no_figure_of_a_header_stops_the_requests(used: str) -> None:
    """However much is said to be used, a window or two later something may be asked again."""
    clock = StepClock()
    budget = Budget((Limit(100.0, 10.0, used_header="X-Used"),), clock)
    budget.note({"X-Used": used})
    await budget.spend(1.0)
    assert clock.time_s() < 30.0


def test_ten_symbols_of_hyperliquid_start_without_a_refusal() -> None:
    """Two weeks of bars and funding of each are more than a minute's weight: they are asked for over more."""
    usage, bars, took_s = run_virtually(_start_of_hyperliquid())
    assert usage.refusals == 0
    assert bars.keys() == set(SUPPORTED_SYMBOLS)
    assert usage.peaks["weight"] <= 1200
    assert 30 < took_s < 300


def test_pages_of_bitget_are_asked_for_no_faster_than_its_path_takes_them() -> None:
    """20 a second, however near the exchange is."""
    assert run_virtually(_pages_of_bitget(60)) == (0, 60)


async def _pages_of_bitget(count: int) -> tuple[int, int]:
    """How many questions were refused, and how many were answered."""
    clock = MarketClock(1.0, START_MS, asyncio.get_running_loop().time)
    exchange = await SimulatedExchange.open(("BTCUSDT",), clock=clock, round_s=60.0, history_days=0)
    exchange.marked = False
    venue = Bitget()
    async with serving(exchange.app) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}{DIALECTS[venue.name].prefix}"
        rest = RestClient(venue.name, url, session, Budget(venue.limits), venue.refusals)
        span_ms = count * 100 * MINUTE_MS
        pages = venue.candles(rest, "BTCUSDT", MINUTE_MS, start_ms=START_MS - span_ms, end_ms=START_MS)
        answered = len([page async for page in pages])
    return exchange.usage[venue.name].refusals, answered


async def _start_of_hyperliquid() -> tuple[Usage, Counter[str], float]:
    clock_s = asyncio.get_running_loop().time
    clock = MarketClock(1.0, START_MS, clock_s)
    exchange = await SimulatedExchange.open(SUPPORTED_SYMBOLS, clock=clock, round_s=1.0, history_days=0)
    exchange.marked = False
    bars: Counter[str] = Counter()
    async with serving(exchange.app) as port:
        feed = ExchangeFeed(
            Hyperliquid(),
            SUPPORTED_SYMBOLS,
            interval_ms=5 * MINUTE_MS,
            history_days=14,
            endpoints=Endpoints(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"),
            timing=FeedTiming(clock=Clock(now_ms=clock.now_ms)),
        )
        began_s = clock_s()
        newest: dict[MarketKey, int | None] = {MarketKey(feed.exchange, s): None for s in SUPPORTED_SYMBOLS}
        async for batch in feed.backfill(newest):
            bars.update(event.symbol for event in batch if isinstance(event, Candle))
        await feed.close()
    return exchange.usage["hyperliquid"], bars, clock_s() - began_s
