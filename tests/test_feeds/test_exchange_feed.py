"""Everything exchanges have ever done wrong, done to a connector on a real socket, and what must come of it.

After each the store holds every bar once and as it really was.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import web

from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.pacing import CONNECTS_PER_S
from liqstream.market import MarketKey, OpenInterest
from tests.support.exchange_rig import (
    STALE_AFTER_S,
    collected,
    connector,
    eventually,
    nothing_known,
    rig,
    serving,
    simulated_exchange,
)

SLOW = 60.0
"""A bar a second, rarer than STALE_AFTER_S: what REST still fetches does not pass for a living socket."""

pytestmark = pytest.mark.simulated


async def test_history_then_live(tmp_path: Path) -> None:
    """An empty store is filled and the live bars follow without a hole; the source says it is simulated."""
    async with rig(tmp_path) as at:
        await at.next_bars(3)
        await at.check_stored()
        assert at.maps.source("BTCUSDT") == "simulated"
        await eventually(lambda: not at.is_stale())
        summary = await at.store.summary()
        assert {row.symbol for row in summary} == {"BTCUSDT", "ETHUSDT"}


async def test_dropped_sockets(tmp_path: Path) -> None:
    """A connection cut without a word is made anew, and what was missed is fetched."""
    async with rig(tmp_path) as at:
        await at.next_bars(1)
        at.exchange.drop_sockets()
        await eventually(lambda: at.feed.status.reconnects >= 1)
        await at.next_bars(3)
        await at.check_stored()
        assert at.feed.status.connected


async def test_a_storm_of_disconnects(tmp_path: Path) -> None:
    """Dropped again and again, the connector does not knock more than once a second."""
    async with rig(tmp_path, connects_per_s=CONNECTS_PER_S) as at:
        await at.next_bars(1)
        loop = asyncio.get_running_loop()
        before, started_s = at.feed.connects, loop.time()
        while loop.time() - started_s < 3.5:
            at.exchange.drop_sockets()
            await eventually(lambda: at.exchange.publisher.subscribers)
        assert at.feed.connects - before <= CONNECTS_PER_S * (loop.time() - started_s) + 1
        await at.next_bars(2)
        await at.check_stored()


async def test_silence(tmp_path: Path) -> None:
    """A socket that stays open and says nothing is stale at once and replaced by the watchdog."""
    async with rig(tmp_path, speed=SLOW) as at:
        await at.next_bars(1)
        at.exchange.faults.silent = True
        await eventually(at.is_stale, within_s=STALE_AFTER_S * 3)
        await eventually(lambda: at.feed.status.reconnects >= 1)
        assert at.is_stale()
        at.exchange.faults.silent = False
        await eventually(lambda: not at.is_stale())
        await at.next_bars(2)
        await at.check_stored()


async def test_a_process_that_stood_still_replaces_no_living_socket(tmp_path: Path) -> None:
    """Suspended, or busy for longer than a socket may be silent: what came meanwhile is read first."""
    async with rig(tmp_path) as at:
        await at.next_bars(1)
        for _ in range(3):
            until_s = time.monotonic() + 1.5 * STALE_AFTER_S
            while time.monotonic() < until_s:
                pass  # a blocked loop: neither messages nor timers
            await at.next_bars(1)
        assert at.feed.status.reconnects == 0
        await at.check_stored()


async def test_garbage_and_an_oversized_frame(tmp_path: Path) -> None:
    """Nonsense is counted and does no harm; a frame of ten megabytes costs a connection and no more."""
    async with rig(tmp_path) as at:
        await at.next_bars(1)
        at.exchange.faults.garbage_per_round = 20
        await eventually(lambda: at.feed.status.bad_messages > 100 and at.feed.status.unknown_messages > 5)
        await at.next_bars(1)
        assert at.feed.status.reconnects == 0
        at.exchange.faults.garbage_per_round = 0
        at.exchange.faults.oversized_frame = True
        await eventually(lambda: at.feed.status.reconnects == 1)
        await at.next_bars(2)
        await at.check_stored()


async def test_duplicates_and_disorder(tmp_path: Path) -> None:
    """Every message twice and in random order: each bar once, prices never back."""
    async with rig(tmp_path) as at:
        at.exchange.faults.duplicate = at.exchange.faults.reorder = True
        await at.next_bars(4)
        assert at.feed.status.duplicates > 0
        await at.check_stored()


@pytest.mark.parametrize("status", [500, 503, 429, 418])
async def test_rest_refuses_for_a_while(tmp_path: Path, status: int) -> None:
    """Live goes on without REST; when it answers again the hole is filled, pauses it asked for are kept."""
    async with rig(tmp_path) as at:
        await at.next_bars(1)
        at.exchange.faults.rest_status, at.exchange.faults.retry_after_s = status, 1
        at.exchange.drop_sockets()
        await eventually(lambda: at.feed.status.reconnects >= 1)
        await eventually(lambda: at.feed.status.connected)
        await eventually(lambda: not at.is_stale())
        at.exchange.faults.rest_status = 0
        await at.next_bars(3)
        await at.check_stored()


async def test_the_exchange_is_not_there_at_first(tmp_path: Path) -> None:
    """The server starts, says so in one line, and heals without a restart when the exchange comes."""
    async with simulated_exchange() as (_, port):
        pass
    feed = connector(port)
    history = [event async for batch in feed.backfill(nothing_known(feed)) for event in batch]
    assert history == []
    assert "does not answer" in feed.status.last_error
    events = feed.events()
    first = asyncio.ensure_future(anext(events))
    async with simulated_exchange(port=port):
        async with asyncio.timeout(20):
            assert await first
        await events.aclose()
    await feed.close()


async def test_end_of_its_24_hours(tmp_path: Path) -> None:
    """A socket is replaced before it is too old, and not a moment goes unheard in between."""
    async with rig(tmp_path, max_age_s=0.5) as at:
        await eventually(lambda: at.feed.connects >= 3)
        await at.next_bars(1)
        assert at.feed.status.reconnects == 0
        await eventually(lambda: not at.is_stale())
        await at.check_stored()


async def test_closed_by_the_exchange(tmp_path: Path) -> None:
    """A proper close is a reconnect like any other."""
    async with rig(tmp_path) as at:
        await at.next_bars(1)
        await at.exchange.close_sockets()
        await eventually(lambda: at.feed.status.reconnects == 1)
        await at.next_bars(2)
        await at.check_stored()


async def test_a_clock_that_is_off(tmp_path: Path) -> None:
    """An hour of skew is measured and said; bars keep the times they have."""
    async with rig(tmp_path, speed=SLOW) as at:
        await at.next_bars(1)
        at.exchange.faults.skew_ms = 3_600_000
        at.exchange.drop_sockets()
        before = at.feed.status.clock_skew_ms
        assert before is not None
        await eventually(
            lambda: (
                at.feed.status.clock_skew_ms is not None and at.feed.status.clock_skew_ms < before - 3_500_000
            )
        )
        at.exchange.faults.skew_ms = 0
        await at.next_bars(2)
        await at.check_stored()


async def test_open_interest_that_stands_still(tmp_path: Path) -> None:
    """A frozen figure is passed on as reported, so that the model can see that it is frozen."""
    async with simulated_exchange() as (exchange, port):
        exchange.faults.freeze_open_interest = True
        feed = connector(port, Bybit())
        told: list[OpenInterest] = []
        events = feed.events()
        async with asyncio.timeout(20):
            async for batch in events:
                told += [
                    event
                    for event in batch
                    if isinstance(event, OpenInterest)
                    and event.symbol == "BTCUSDT"
                    and event.time_ms > exchange.clock.start_ms
                ]
                if len(told) > 20:
                    break
        await events.aclose()
        assert len({event.reported for event in told[2:]}) == 1
        assert len({event.time_ms for event in told[2:]}) > 10


async def test_a_cascade_reported_at_once() -> None:
    """Liquidations kept back and then told in one batch arrive all, with their own times."""
    symbols = ("SOLUSDT", "XRPUSDT")
    async with simulated_exchange(speed=3600.0, symbols=symbols) as (exchange, port):
        exchange.faults.hold_liquidations = True
        feed = connector(port, Bybit(), symbols)
        events = feed.events()
        held: list[object] = []
        async with asyncio.timeout(30):
            async for batch in events:
                now_ms = exchange.clock.now_ms()
                truth = [
                    fill
                    for symbol in feed.symbols
                    for fill in exchange.market.liquidations(
                        symbol, start_ms=exchange.clock.start_ms, end_ms=now_ms
                    )
                ]
                if len(truth) >= 10:
                    exchange.faults.hold_liquidations = False
                held += [event for event in batch if type(event).__name__ == "Liquidation"]
                if len(held) >= 10:
                    break
        await events.aclose()
        assert len(set(held)) == len(held)


async def test_an_unknown_symbol_leaves_the_others(tmp_path: Path) -> None:
    """It is named, and the map of the others stands."""
    async with rig(tmp_path, symbols=("BTCUSDT", "ETHUSDT", "LTCUSDT")) as at:
        await at.next_bars(1)
        assert at.feed.status.flags == {"LTCUSDT": {"not_listed"}}
        assert "does not list LTCUSDT" in at.feed.status.last_error
        await eventually(lambda: "not_listed" in at.maps.market(MarketKey("binance", "LTCUSDT")).flags)


async def test_none_of_the_symbols_is_listed() -> None:
    """It is named and waited for: a symbol may be listed tomorrow."""
    async with simulated_exchange() as (_, port):
        feed = connector(port, symbols=("LTCUSDT",))
        events = feed.events()
        first = asyncio.ensure_future(anext(events))
        await eventually(lambda: "binance does not list LTCUSDT" in feed.status.last_error)
        assert feed.status.next_try_ms is not None
        assert feed.status.flags == {"LTCUSDT": {"not_listed"}}
        assert feed.connects == 0
        assert not first.done()
        first.cancel()
        await asyncio.wait([first])
        await feed.close()


async def test_a_country_that_is_shut_out() -> None:
    """It says why and tries again in a quarter of an hour, at the start as later."""
    async with simulated_exchange() as (exchange, port):
        exchange.faults.rest_status = 451
        feed = connector(port)
        history = [event async for batch in feed.backfill(nothing_known(feed)) for event in batch]
        assert history == []
        assert "HTTP 451" in feed.status.last_error
        await feed.close()


@pytest.mark.parametrize("status", [418, 451, 403])
async def test_sockets_do_not_wait_for_rest(status: int) -> None:
    """A ban of an hour, a country, a firewall at the start: live records come, and the cause is shown."""
    async with simulated_exchange() as (exchange, port):
        exchange.faults.rest_status, exchange.faults.retry_after_s = status, 3600 if status == 418 else 0
        feed = connector(port)
        events = await collected(feed, lambda events: len(events) > 10 and feed.status.connected)
        assert {event.symbol for event in events} == {"BTCUSDT", "ETHUSDT"}
        assert f"HTTP {status}" in feed.status.last_error
        assert feed.status.next_try_ms is not None
        assert feed.source == "simulated"


async def test_a_server_that_is_no_exchange() -> None:
    """A wrong base URL that answers something else is named; nothing ends."""

    async def hello(_: web.Request) -> web.Response:
        return web.json_response({"hello": "world"})

    app = web.Application()
    app.router.add_get("/{tail:.*}", hello)
    async with serving(app) as port:
        feed = connector(port)
        events = feed.events()
        first = asyncio.ensure_future(anext(events))
        await eventually(lambda: "could not be read" in feed.status.last_error)
        assert not first.done()
        first.cancel()
        await asyncio.wait([first])
        await feed.close()


async def test_killed_and_brought_back(tmp_path: Path) -> None:
    """The exchange dies: STALE within the watchdog's time. It comes back: all heals without a restart."""
    async with rig(tmp_path, speed=SLOW) as at:
        await at.next_bars(1)
        at.exchange.faults.refuse_connects = True
        at.exchange.drop_sockets()
        await eventually(at.is_stale, within_s=STALE_AFTER_S * 3)
        await eventually(lambda: not at.feed.status.connected)
        at.exchange.faults.refuse_connects = False
        await eventually(lambda: not at.is_stale())
        await at.next_bars(2)
        await at.check_stored()
