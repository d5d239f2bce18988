"""liqstream/feeds/coin_venue.py: an exchange's contracts by the thousand, asked for and read by coin."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest

from liqstream.feeds.coin_venue import by_coin
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.exchanges.lighter import Lighter
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.registry import VENUES
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, Venue
from liqstream.market import MarketEvent, MarkPrice
from tests.support.exchange_rig import collected, connector, simulated_exchange

NO_REST = cast("RestClient", None)
MARK = (
    '{"stream":"1000pepeusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1795446983000,'
    '"s":"1000PEPEUSDT","p":"4","T":1795446983000,"r":"0"}}'
)


def listing(venue: type[Venue], *names: str) -> Venue:
    """The venue by coin, of an exchange that lists these contracts."""

    class Listing(venue):  # type: ignore[misc, valid-type]  # a class made of the one that is given
        async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
            return {name: Instrument(name, tradable=True, state="TRADING") for name in names}

    return by_coin(Listing)()


async def test_the_contract_by_the_thousand_is_asked_for_and_read_as_its_coin() -> None:
    """Price per coin; whoever lists single coins is asked for these."""
    binance, okx = listing(Binance, "1000PEPEUSDT", "BTCUSDT"), listing(Okx, "PEPEUSDT")
    assert set(await binance.instruments(NO_REST)) == {"PEPEUSDT", "BTCUSDT"}
    assert set(await okx.instruments(NO_REST)) == {"PEPEUSDT"}
    topics = binance.topics(["PEPEUSDT"], 300_000)
    assert {topic.symbol for topic in topics} - {""} == {"PEPEUSDT"}
    assert "1000pepeusdt@markPrice" in " ".join(topic.name for topic in topics)
    assert "PEPE-USDT-SWAP" in str(okx.topics(["PEPEUSDT"], 300_000))
    mark, *_ = binance.read(MARK).events
    assert mark == MarkPrice("binance", "PEPEUSDT", 1_795_446_983_000, 0.004)


async def test_what_is_no_symbol_is_not_offered() -> None:
    """An exchange may list under any name; one that nobody can ask for would spoil a list of all of them."""
    strange = ("$WIFUSDT", "btcusdt", "USDT", "A" * 20 + "USDT", "\uff22TCUSDT", "xyz:TSLAUSDT")
    assert set(await listing(Okx, "BTCUSDT", *strange).instruments(NO_REST)) == {"BTCUSDT"}


async def test_a_contract_that_does_not_trade_takes_no_coin() -> None:
    """One in single coins is listed days before it trades: until then that by the thousand is the coin's."""

    class Listing(Binance):
        async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
            pending = Instrument("PEPEUSDT", tradable=False, state="PENDING_TRADING")
            return {"1000PEPEUSDT": Instrument("1000PEPEUSDT", True, "TRADING"), "PEPEUSDT": pending}

    venue = by_coin(Listing)()
    assert (await venue.instruments(NO_REST))["PEPEUSDT"].tradable
    assert venue.contract("PEPEUSDT") == "1000PEPEUSDT"


async def test_where_both_are_listed_they_are_two_contracts() -> None:
    """The coin's own is the coin's."""
    venue = listing(Binance, "1000PEPEUSDT", "PEPEUSDT")
    assert set(await venue.instruments(NO_REST)) == {"1000PEPEUSDT", "PEPEUSDT"}
    assert venue.read(MARK).events[0].symbol == "1000PEPEUSDT"


def test_a_recording_is_read_by_coin() -> None:
    """No list of instruments is asked for then."""
    assert by_coin(Binance)().read(MARK).events[0].symbol == "PEPEUSDT"


async def test_hyperliquid_s_thousands_begin_with_a_small_k() -> None:
    """Its names are case-sensitive."""
    venue = listing(Hyperliquid, "1000PEPEUSDT")
    await venue.instruments(NO_REST)
    assert "activeAssetCtx/kPEPE" in {topic.name for topic in venue.topics(["PEPEUSDT"], 300_000)}
    text = '{"channel":"activeAssetCtx","data":{"coin":"kPEPE","ctx":{"markPx":"4","openInterest":"5"}}}'
    marks = [event for event in venue.read(text).events if isinstance(event, MarkPrice)]
    # Its contracts are settled in USDC: they are of both names.
    assert {(mark.symbol, mark.price_usd) for mark in marks} == {("PEPEUSDT", 0.004), ("PEPEUSDC", 0.004)}


@pytest.mark.parametrize(
    ("venue", "listed", "contracts"),
    [
        (Binance, ["BTCUSDT"], {"BTCUSDT": "BTCUSDT"}),
        (Binance, ["BTCUSDT", "BTCUSDC"], {"BTCUSDT": "BTCUSDT", "BTCUSDC": "BTCUSDC"}),
        (Binance, ["BTCUSDC"], {"BTCUSDT": "BTCUSDC", "BTCUSDC": "BTCUSDC"}),
        (Binance, ["BTCUSD", "BTCUSDC"], {"BTCUSDT": "BTCUSDC", "BTCUSDC": "BTCUSDC", "BTCUSD": "BTCUSD"}),
        (Binance, ["1000PEPEUSDC"], {"PEPEUSDT": "1000PEPEUSDC", "PEPEUSDC": "1000PEPEUSDC"}),
        (Hyperliquid, ["BTCUSDT"], {"BTCUSDT": "BTCUSDT", "BTCUSDC": "BTCUSDT"}),
        (Lighter, ["1000PEPEUSDT"], {"PEPEUSDT": "1000PEPEUSDT", "PEPEUSDC": "1000PEPEUSDT"}),
    ],
)
async def test_which_contract_a_symbol_is_of(
    venue: type[Venue], listed: list[str], contracts: dict[str, str]
) -> None:
    """A coin takes what it has, USDT first; USDC is that or nothing."""
    by_coin_ = listing(venue, *listed)
    found = await by_coin_.instruments(NO_REST)
    assert {symbol: by_coin_.contract(symbol) for symbol in found} == contracts
    told = {symbol for symbol, one in found.items() if one.stands_in}
    is_other = not by_coin_.margin_coin and "BTCUSDT" not in listed
    assert told == {symbol for symbol in contracts if is_other and symbol.endswith("USDT")}


async def test_a_contract_followed_by_two_symbols_is_subscribed_to_once() -> None:
    """Each has its topics and its records, in single coins."""
    venue = listing(Binance, "1000PEPEUSDC")
    await venue.instruments(NO_REST)
    topics = [topic for topic in venue.topics(["PEPEUSDT", "PEPEUSDC"], 300_000) if topic.symbol]
    assert len({topic.name for topic in topics}) == 3
    assert {topic.symbol for topic in topics} == {"PEPEUSDT", "PEPEUSDC"}
    events = venue.read(MARK.replace("USDT", "USDC").replace("pepeusdt", "pepeusdc")).events
    marks = {event.symbol: event.price_usd for event in events if isinstance(event, MarkPrice)}
    assert marks == {"PEPEUSDC": 0.004, "PEPEUSDT": 0.004}


@pytest.mark.simulated
async def test_what_an_exchange_lists_is_served_and_nothing_else_under_its_name() -> None:
    """Each simulated exchange lists BTC once: where that is not the contract asked for, it is said."""
    async with simulated_exchange(symbols=["BTCUSDT"]) as (_, port):

        async def follow(name: str) -> tuple[str, set[str], str]:
            venue = by_coin(VENUES[name])()
            below = f"/{name}" if name in ("aster", "lighter") else ""
            feed = connector(port, venue, ("BTCUSDT", "BTCUSDC"), connects_per_s=100.0, below=below)
            wanted = {"BTCUSDT", *(["BTCUSDC"] if venue.margin_coin else [])}

            def enough(events: list[MarketEvent]) -> bool:
                return {event.symbol for event in events if isinstance(event, MarkPrice)} >= wanted

            events = await collected(feed, enough)
            return name, {event.symbol for event in events}, feed.status.last_error

        for name, symbols, error in await asyncio.gather(*map(follow, VENUES)):
            settles_in_usdc = bool(VENUES[name].margin_coin)
            assert symbols == ({"BTCUSDT", "BTCUSDC"} if settles_in_usdc else {"BTCUSDT"}), name
            assert (f"{name} does not list BTCUSDC" in error) != settles_in_usdc, (name, error)
