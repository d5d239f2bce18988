"""liqstream/feeds/exchange_facts.py: what a feed answers, on a simulated exchange over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

import pytest

from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from tests.support.exchange_rig import connector, simulated_exchange

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
