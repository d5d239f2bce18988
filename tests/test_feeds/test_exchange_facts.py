"""liqstream/feeds/exchange_facts.py: what a feed answers, on a simulated exchange over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from itertools import pairwise

import pytest
from aiohttp import web

from liqstream.feeds.coin_venue import by_coin
from liqstream.feeds.exchanges.bitget import Bitget
from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.market import Candle
from tests.support.exchange_rig import connector, simulated_exchange
from tests.support.faulty_exchange import faulty_exchange
from tests.support.step_clock import StepClock
from tests.support.virtual_clock import run_virtually

pytestmark = pytest.mark.simulated


async def test_clock_prices_and_liquidations_of_a_connected_feed() -> None:
    """Nothing before the exchange was asked; its clock and prices then, and the time of the last message."""
    async with simulated_exchange() as (exchange, port):
        feed = connector(port, symbols=("BTCUSDT",))
        assert (feed.clock_ms(), feed.liquidations_until_ms()) == (None, {})
        until: Mapping[str, int] = {}
        async with asyncio.timeout(30), aclosing(feed.events()) as batches:
            async for _ in batches:
                until = feed.liquidations_until_ms()
                if until:
                    break
            clock_ms = feed.clock_ms()
            assert clock_ms is not None
            assert abs(clock_ms - exchange.clock.now_ms()) < 600_000
            assert set(until) == {"BTCUSDT"}
            prices = await feed.recent_prices("BTCUSDT")
            assert prices is not None
            assert 0 < prices[0] <= prices[1]
        assert feed.liquidations_until_ms() == {}


async def test_who_does_not_answer_or_publish_says_nothing() -> None:
    """No prices without an exchange, no liquidations from one that publishes none."""
    feed = connector(9, symbols=("BTCUSDT",))
    assert await feed.recent_prices("BTCUSDT") is None
    assert "BTCUSDT prices" in feed.status.last_error
    await feed.close()
    assert not Hyperliquid().publishes_liquidations


async def test_a_note_of_brackets_stands_beside_others_and_ends() -> None:
    """In the status, which /ready shows."""
    feed = connector(9, symbols=("BTCUSDT",))
    feed.note_brackets("margin brackets not read")
    assert feed.status.note == "margin brackets not read"
    feed.note_brackets("")
    assert feed.status.note == ""
    await feed.close()


def test_the_list_is_read_again_where_nothing_agrees_with_its_steps() -> None:
    """Amounts are told from multiples of a step: if it is listed wrongly, an hour is too long to wait."""
    before, soon_after = run_virtually(_lists_read())
    assert soon_after == before + 1


async def _lists_read() -> list[int]:
    asked = 0

    def answer(request: web.Request) -> web.Response | None:
        nonlocal asked
        asked += request.path == "/api/v3/market/instruments"
        return None

    found = []
    async with faulty_exchange(answer, speed=1.0) as (_, port):
        feed = connector(port, Bitget(), stale_after_s=30.0)
        until_s = asyncio.get_running_loop().time() + 90.0
        async with aclosing(feed.events()) as batches:
            async for _ in batches:
                if asyncio.get_running_loop().time() < until_s:
                    continue
                found.append(asked)
                if len(found) == 2:
                    break
                feed._venue.trials["liquidations"].rounds += 1
                until_s += 20.0
    return found


@pytest.mark.parametrize("text", ["{}", "<html>", '{"e":"forceOrder","o":{}}', '{"e":"new"}'])
async def test_what_cannot_be_read_is_noted_for_a_while(text: str) -> None:
    """A channel of liquidations that carries nothing else looks like a quiet market."""
    clock = StepClock()
    feed = connector(9, symbols=("BTCUSDT",), clock=clock)
    feed._show_unread()
    assert feed.status.note == ""
    feed.on_message(text)
    for seconds, expected in ((0.0, "cannot be read: 1 so far"), (29.0, "1 so far"), (2.0, "")):
        clock.advance(seconds)
        feed._show_unread()
        assert feed.status.note.endswith(expected)
        assert bool(feed.status.note) == bool(expected)


def _listing_alone(contract: str, quote: str, until_s: float) -> Callable[[web.Request], web.Response | None]:
    """Answers, until then on the loop's clock, that one of Bybit's contracts is all there is."""
    row = {"symbol": contract, "contractType": "LinearPerpetual", "quoteCoin": quote, "status": "Trading"}
    body = {"retCode": 0, "result": {"list": [row], "nextPageCursor": ""}}

    def answer(request: web.Request) -> web.Response | None:
        is_asked = request.path == "/v5/market/instruments-info"
        is_so = is_asked and asyncio.get_running_loop().time() < until_s
        return web.json_response(body) if is_so else None

    return answer


def test_a_symbol_that_one_list_lacked_is_followed_soon_after() -> None:
    """An exchange that says nothing of changes gave a list without it for minutes: not for an hour."""
    assert run_virtually(_followed_after_s()) < 60.0


async def _followed_after_s() -> float:
    """Seconds from the first whole list there was to the first record of what the others had lacked."""
    now_s = asyncio.get_running_loop().time
    whole_from_s = now_s() + 200.0
    async with faulty_exchange(_listing_alone("BTCUSDT", "USDT", whole_from_s), speed=1.0) as (_, port):
        feed = connector(port, Bybit(), stale_after_s=30.0)
        async with aclosing(feed.events()) as batches:
            async for batch in batches:
                if any(record.symbol == "ETHUSDT" for record in batch):
                    assert now_s() >= whole_from_s, "it was followed before it was listed"
                    return now_s() - whole_from_s
    raise AssertionError("the feed ended")


class _ReadOften(Bybit):
    list_every_s = 40.0


def test_a_list_is_read_as_often_as_its_exchange_needs() -> None:
    """Nothing in it is unusual, and no channel tells of changes."""
    waits_s = run_virtually(_waits_between_lists_s())
    assert 30.0 <= max(waits_s) <= 60.0, waits_s


async def _waits_between_lists_s() -> list[float]:
    read_s: list[float] = []
    listing = _listing_alone("BTCUSDT", "USDT", float("inf"))

    def answer(request: web.Request) -> web.Response | None:
        if (found := listing(request)) is not None:
            read_s.append(asyncio.get_running_loop().time())
        return found

    async with faulty_exchange(answer, speed=1.0) as (_, port):
        feed = connector(port, _ReadOften(), ("BTCUSDT",), stale_after_s=30.0)
        async with asyncio.timeout(200.0), aclosing(feed.events()) as batches:
            async for _ in batches:
                if len(read_s) == 3:
                    break
    return [after - before for before, after in pairwise(read_s)]


def test_a_symbol_that_is_of_another_contract_now_is_subscribed_to_anew() -> None:
    """An exchange had it in USDC alone and lists it in USDT: the old channels say nothing of it."""
    assert run_virtually(_forms_after_s()) < 60.0


async def _forms_after_s() -> float:
    """Seconds from the first list with the new contract to the first state of its bar by the socket."""
    now_s = asyncio.get_running_loop().time
    listed_from_s = now_s() + 45.0
    async with faulty_exchange(_listing_alone("BTCPERP", "USDC", listed_from_s), speed=1.0) as (_, port):
        # A symbol that is not listed has the list read again soon.
        feed = connector(port, by_coin(Bybit)(), ("BTCUSDT", "NONEUSDT"), stale_after_s=30.0)
        async with asyncio.timeout(400.0), aclosing(feed.events()) as batches:
            async for batch in batches:
                if any(isinstance(each, Candle) and not each.closed for each in batch):
                    return now_s() - listed_from_s
    raise AssertionError("the feed ended")
