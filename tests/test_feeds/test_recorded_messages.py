"""Every message that was ever recorded goes through the connector that would have heard it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from liqstream.feeds.binance import Binance
from liqstream.feeds.bybit import Bybit
from liqstream.feeds.filter import NewsFilter
from liqstream.feeds.frame_replay import FrameReader, recorded_symbols, recorded_venue
from liqstream.feeds.frames import read_frames
from liqstream.feeds.hyperliquid import Hyperliquid
from liqstream.feeds.okx import Okx
from liqstream.feeds.parsed import Parsed, Trade
from liqstream.feeds.venue import Venue
from liqstream.market import (
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
)

pytestmark = pytest.mark.shared_data


def read(shared_data: Path, venue: Venue, name: str) -> Parsed:
    return venue.read((shared_data / "exchange_messages" / venue.name / name).read_bytes())


def kinds(events: Sequence[MarketEvent]) -> Counter[str]:
    return Counter(type(event).__name__ for event in events)


def test_binance_kline_closed_and_open(shared_data: Path) -> None:
    """`x` says whether the bar is closed; volumes and the taker's part are taken."""
    closed = read(shared_data, Binance(), "kline_stream_closed.json")
    assert closed.events == (
        Candle(
            "binance",
            "BTCUSDT",
            60_000,
            1638747660000,
            0.001,
            0.0025,
            0.001,
            0.002,
            volume_base=1000.0,
            volume_quote_usd=1.0,
            taker_buy_base=500.0,
        ),
    )
    forming = read(shared_data, Binance(), "kline_stream_open.json").events[0]
    assert isinstance(forming, Candle)
    assert not forming.closed
    assert forming.low == 0.001  # the example's low is above its open


def test_binance_force_order(shared_data: Path) -> None:
    """SELL closes a long; what counts is the average price times the filled quantity."""
    parsed = read(shared_data, Binance(), "liquidation_stream.json")
    assert parsed.events == (Liquidation("binance", "BTCUSDT", 1568014460893, "long", 9910.12345678, 0.014),)


def test_binance_mark_price_trade_and_what_is_not_needed(shared_data: Path) -> None:
    """Marks and trades are data; the book and the day's ticker are known and not needed."""
    mark = read(shared_data, Binance(), "mark_price_stream.json")
    assert mark.events == [MarkPrice("binance", "BTCUSDT", 1562305380000, 11794.15)]
    with pytest.raises(ValueError, match="no time"):  # the example's time is in no unit at all
        read(shared_data, Binance(), "agg_trade_stream.json")
    assert read(shared_data, Binance(), "book_ticker_stream.json").kind == "ignored"
    assert read(shared_data, Binance(), "ticker_stream.json").kind == "ignored"


def test_binance_funding_is_paid_when_the_next_one_is_announced() -> None:
    """The mark stream tells the rate of the coming payment; when its time passes it was paid at the last."""
    venue = Binance()

    def mark(sent_ms: int, rate: str, due_ms: int) -> Sequence[MarketEvent]:
        message = {
            "e": "markPriceUpdate",
            "E": sent_ms,
            "s": "BTCUSDT",
            "p": "1",
            "r": rate,
            "T": due_ms,
        }
        return venue.read(orjson.dumps(message)).events

    hour = 3_600_000
    start = 1_790_000_000_000
    assert kinds(mark(start, "0.0001", start + hour))["FundingRate"] == 0
    assert kinds(mark(start + 1, "0.0003", start + hour))["FundingRate"] == 0
    paid = mark(start + hour + 1, "0.0009", start + 9 * hour)
    assert FundingRate("binance", "BTCUSDT", start + hour, 0.0003) in paid


def test_bybit_messages(shared_data: Path) -> None:
    """Klines, trades and the linear ticker are data; options are not ours."""
    venue = Bybit()
    bar = read(shared_data, venue, "ws_kline.json").events[0]
    assert bar == Candle(
        "bybit",
        "BTCUSDT",
        300_000,
        1672324800000,
        16649.5,
        16677.0,
        16608.0,
        16677.0,
        volume_base=2.081,
        volume_quote_usd=34666.4005,
        closed=False,
    )
    ticker = read(shared_data, venue, "ws_ticker_linear.json")
    assert ticker.events == [
        OpenInterest("bybit", "BTCUSDT", 1673272861686, 68744.761, 68744.761),
        MarkPrice("bybit", "BTCUSDT", 1673272861686, 17217.33),
    ]
    assert read(shared_data, venue, "ws_ticker_option.json").kind == "ignored"
    trade = read(shared_data, venue, "ws_public_trade.json").trades[0]
    assert trade == Trade("bybit", "BTCUSDT", 1709891679000, 27451.0, 0.01, taker_is_buyer=True)


def test_bybit_public_liquidation() -> None:
    """`S` is the side of the position there: Buy is a long."""
    message = (
        '{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,'
        '"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"}]}'
    )
    assert Bybit().read(message).events == [
        Liquidation("bybit", "BTCUSDT", 1791565600992, "long", 82396.9, 0.006)
    ]


def test_bybit_http_rows(shared_data: Path) -> None:
    """The funding history is turned round to ascend."""
    folder = shared_data / "exchange_messages" / "bybit"
    rows = orjson.loads((folder / "http_get_funding_history.json").read_bytes())["result"]["list"]
    assert Bybit().read_funding(rows) == [
        FundingRate("bybit", "BTCUSDT", 1709856000000, 0.00015),
        FundingRate("bybit", "BTCUSDT", 1709884800000, 0.0001),
    ]


def test_okx_public_liquidation_is_in_contracts() -> None:
    """8.55 contracts of 0.01 BTC at the bankruptcy price."""
    message = (
        '{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0",'
        '"bkPx":"82655.7","ccy":"","posSide":"long","side":"sell","sz":"8.55","ts":"1791565600771"}],'
        '"instFamily":"BTC-USDT","instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT"}]}'
    )
    (event,) = Okx().read(message).events
    assert isinstance(event, Liquidation)
    assert (event.symbol, event.side, event.price_usd) == ("BTCUSDT", "long", 82655.7)
    assert event.quantity_base == pytest.approx(0.0855)


def test_okx_messages(shared_data: Path) -> None:
    """Contract sizes come from the instruments; the private orders channel is none of our business."""
    venue, folder = Okx(), shared_data / "exchange_messages" / "okx"

    def rows(name: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = orjson.loads((folder / name).read_bytes())["data"]
        return found

    assert venue.read_instruments(rows("http_get_instruments_swap.json")) == {"BTCUSDT", "ETHUSDT"}
    bars = [venue.read_candle("BTCUSDT", 60_000, row) for row in rows("http_get_candlesticks_full.json")]
    assert [bar.closed for bar in bars] == [True, True]
    assert bars[0].volume_base == pytest.approx(10.4037)
    forming = [venue.read_candle("BTCUSDT", 60_000, row) for row in rows("http_get_candlesticks.json")]
    assert [bar.closed for bar in forming] == [False, False]
    paid = venue.read_funding(rows("http_get_funding_rate_history.json"))
    assert [rate.rate for rate in paid] == [-0.00002, 0.00015]
    assert read(shared_data, venue, "ws_orders_liquidation.json").kind == "ignored"
    assert read(shared_data, venue, "ws_tickers.json").kind == "ignored"
    assert read(shared_data, venue, "ws_candle.json").kind == "ignored"  # of the spot market
    assert read(shared_data, venue, "ws_funding_rate.json").kind == "data"


def test_okx_open_interest_in_contracts_and_base() -> None:
    """The number as reported is kept beside the base coin it is worth."""
    message = (
        '{"arg":{"channel":"open-interest","instId":"ETH-USDT-SWAP"},"data":[{"instType":"SWAP",'
        '"instId":"ETH-USDT-SWAP","oi":"5000","ts":"1791565600771"}]}'
    )
    assert Okx().read(message).events == [
        OpenInterest("okx", "ETHUSDT", 1791565600771, 500.0, 5000.0, "contracts")
    ]


def test_hyperliquid_messages(shared_data: Path) -> None:
    """All contexts at once are matched to the universe by their order; fills are private."""
    venue = Hyperliquid(now_ms=lambda: 1_791_565_600_000)
    folder = shared_data / "exchange_messages" / "hyperliquid"
    meta = orjson.loads((folder / "http_meta_perp_sample.json").read_bytes())
    assert venue.read_universe(meta) == {"BTCUSDT", "ETHUSDT", "ATOMUSDT"}
    parsed = read(shared_data, venue, "ws_all_dexs_asset_ctxs.json")
    assert parsed.events[:2] == [
        OpenInterest("hyperliquid", "BTCUSDT", 1_791_565_600_000, 27353.17682, 27353.17682),
        MarkPrice("hyperliquid", "BTCUSDT", 1_791_565_600_000, 77562.0),
    ]
    assert parsed.events[2].symbol == "ETHUSDT"
    assert read(shared_data, venue, "ws_user_fill_liquidation.json").kind == "ignored"
    rates = venue.read_funding(orjson.loads((folder / "http_funding_history.json").read_bytes()))
    assert [rate.rate for rate in rates] == [0.0000125, -0.0000081, 0.0000033]


def test_hyperliquid_bar_is_closed_by_the_next_one() -> None:
    """The stream never says that a bar is over."""
    venue = Hyperliquid()

    def bar(open_ms: int, close: str) -> Sequence[MarketEvent]:
        data = {"t": open_ms, "T": open_ms + 59_999, "s": "BTC", "i": "1m"}
        data |= {"o": "10", "c": close, "h": "12", "l": "9", "v": "3", "n": 1}
        return venue.read(orjson.dumps({"channel": "candle", "data": data})).events

    start = 1_791_565_620_000
    assert [event.closed for event in bar(start, "11") if isinstance(event, Candle)] == [False]
    second = [event for event in bar(start + 60_000, "10") if isinstance(event, Candle)]
    assert [(event.open_time_ms, event.close, event.closed) for event in second] == [
        (start, 11.0, True),
        (start + 60_000, 10.0, False),
    ]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("BYBIT.jsonl.zst", {"data": 931, "control": 17, "ignored": 1598}),
        ("BINANCE_FUTURES.jsonl.zst", {"data": 158, "ignored": 1377}),
        ("OKX.jsonl.zst", {"ignored": 392, "control": 18}),
        ("binance_usdm_btcusdt_20240808.gz", {"data": 21_313, "ignored": 72_641}),
    ],
)
def test_every_recorded_frame_is_read(shared_data: Path, name: str, counts: dict[str, int]) -> None:
    """Each frame is data, an acknowledgement, or known and not needed; none is bad or unknown."""
    path = shared_data / "raw_frames" / name
    reader = FrameReader(recorded_venue(path), 60_000)
    for frame in read_frames(path):
        reader.read(frame)
    assert dict(reader.kinds) == counts


def test_recorded_bybit_open_interest_is_what_the_ticker_said(shared_data: Path) -> None:
    """A delta without the field leaves open interest as it was: only what was told is passed on."""
    path = shared_data / "raw_frames" / "BYBIT.jsonl.zst"
    reader = FrameReader(recorded_venue(path), 60_000)
    events = [event for frame in read_frames(path) for event in reader.news_in(frame, ("BTCUSDT",))]
    told = [event for event in events if isinstance(event, OpenInterest)]
    raw = [
        orjson.loads(frame.text)
        for frame in read_frames(path)
        if frame.kind == "recv" and '"tickers.BTCUSDT"' in frame.text and '"openInterest"' in frame.text
    ]
    assert [event.open_interest_base for event in told] == [
        float(message["data"]["openInterest"]) for message in raw
    ]
    closed = [event for event in events if isinstance(event, Candle) and event.closed]
    assert len({event.open_time_ms for event in closed}) == len(closed) == 1


def test_recorded_trades_build_bars(shared_data: Path) -> None:
    """A capture without klines still gives bars, and they hold exactly the trades of their minute."""
    path = shared_data / "raw_frames" / "binance_usdm_btcusdt_20240808.gz"
    assert recorded_symbols(path, interval_ms=60_000, frames=5000) == ["BTCUSDT"]
    reader = FrameReader(recorded_venue(path), 60_000)
    trades: list[Trade] = []
    bars: list[Candle] = []
    for frame in read_frames(path):
        parsed = reader.read(frame)
        if parsed is None:
            continue
        trades += parsed.trades
        bars += [
            event
            for event in reader.filter.new_in(parsed, ("BTCUSDT",))
            if isinstance(event, Candle) and event.closed
        ]
    assert len(bars) == 5
    for bar in bars:
        inside = [trade for trade in trades if 0 <= trade.time_ms - bar.open_time_ms < 60_000]
        prices = [trade.price_usd for trade in inside]
        assert (bar.open, bar.high, bar.low, bar.close) == (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
        )
        assert bar.volume_base == pytest.approx(sum(trade.quantity_base for trade in inside))


def test_captured_force_orders(shared_data: Path) -> None:
    """All 1,842 distinct captured lines land on the right side at ap x z, and what repeats is counted.

    Five lines differ only in the USD column of whoever captured them: they are 1,837 orders.
    """
    path = shared_data / "force_orders" / "binance_force_orders_20250126_20250206.csv"
    venue, seen = Binance(), NewsFilter(300_000)
    orders: dict[tuple[str, ...], Liquidation] = {}
    fresh = 0
    with path.open(newline="") as file:
        rows = [tuple(row) for row in csv.reader(file)]
    for row in rows:
        parsed = venue.read(force_order(row))
        (event,) = parsed.events
        assert isinstance(event, Liquidation)
        orders[row] = event
        fresh += len(seen.new_in(parsed, (event.symbol,)))
    assert (len(rows), len(orders)) == (3510, 1842)
    assert (fresh, seen.duplicates) == (1837, 3510 - 1837)
    for row, event in orders.items():
        assert event.symbol == f"{row[0]}USDT"
        assert event.side == ("long" if row[1] == "SELL" else "short")
        assert event.notional_usd == pytest.approx(float(row[6]) * float(row[9]))
        assert event.time_ms == int(row[10])


def force_order(row: Sequence[str]) -> bytes:
    """A line of the capture as the message it was made of."""
    names = ("s", "S", "o", "f", "q", "p", "ap", "X", "l", "z")
    order = dict(zip(names, (f"{row[0]}USDT", *row[1:10]), strict=True))
    return orjson.dumps({"e": "forceOrder", "E": int(row[10]) + 1000, "o": {**order, "T": int(row[10])}})
