"""Aster speaks as Binance does, with an address, limits and gaps of its own."""

from __future__ import annotations

from pathlib import Path

from liqstream.feeds.exchanges.aster import Aster
from liqstream.feeds.rest_client import RestClient
from liqstream.market import MINUTE_MS, Candle, Liquidation, MarkPrice
from tests.support.answering import answering

MESSAGES = Path(__file__).parent / "messages" / "aster"


def test_aster_messages() -> None:
    """They bear no `st`: all of its contracts are linear."""
    venue = Aster()
    assert venue.read((MESSAGES / "force_order.json").read_bytes()).events == (
        Liquidation("aster", "BTCUSDT", 1_795_000_000_885, "long", 98_912.5, 0.014),
    )
    assert venue.read((MESSAGES / "mark_price.json").read_bytes()).events == [
        MarkPrice("aster", "BTCUSDT", 1_795_000_000_000, 98_794.15)
    ]
    (bar,) = venue.read((MESSAGES / "kline.json").read_bytes()).events
    assert isinstance(bar, Candle)
    assert (bar.exchange, bar.close, bar.closed) == ("aster", 98_955.5, False)


def test_aster_streams() -> None:
    """At most 200 to a socket, at the older address, without one of contracts."""
    venue = Aster()
    topics = venue.topics([f"A{number}USDT" for number in range(100)], MINUTE_MS)
    sockets = venue.sockets(topics, venue.ws_url)
    assert [len(socket.topics) for socket in sockets] == [180, 120]
    assert sockets[0].url.startswith("wss://fstream.asterdex.com/stream?streams=a0usdt@kline_1m/")
    assert not any("instruments" in topic.kinds for topic in topics)


async def test_aster_keeps_no_open_interest() -> None:
    """Nothing is asked for."""

    async def pages(rest: RestClient) -> list[object]:
        span = {"start_ms": 1_795_000_000_000, "end_ms": 1_795_003_600_000}
        return [page async for page in Aster().open_interest(rest, "BTCUSDT", MINUTE_MS, **span)]

    async with answering() as (rest, asked):
        assert await pages(rest) == []
    assert (asked, Aster.keeps_open_interest) == ([], False)
