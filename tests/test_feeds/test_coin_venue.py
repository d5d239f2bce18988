"""liqstream/feeds/coin_venue.py: an exchange's contracts by the thousand, asked for and read by coin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from liqstream.feeds.coin_venue import by_coin
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, Venue
from liqstream.market import MarkPrice

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
    (mark,) = marks
    assert (mark.symbol, mark.price_usd) == ("PEPEUSDT", 0.004)
