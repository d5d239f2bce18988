"""What is Binance's alone; its messages are those of tests/test_feeds/dialects/test_binance_style.py."""

from __future__ import annotations

from liqstream.feeds.exchanges.binance import Binance
from liqstream.market import MINUTE_MS


def test_its_streams_are_at_the_address_of_markets() -> None:
    """The older one acknowledges and stays silent; changes of the contracts have a stream."""
    venue = Binance()
    topics = venue.topics(("BTCUSDT",), 5 * MINUTE_MS)
    (socket,) = venue.sockets(topics, venue.ws_url)
    streams = "btcusdt@kline_5m/btcusdt@markPrice@1s/btcusdt@forceOrder/!contractInfo"
    assert socket.url == f"wss://fstream.binance.com/market/stream?streams={streams}"
    assert topics[-1].kinds == ("instruments",)
    assert venue.keeps_open_interest
