"""Bybit's messages, recorded or as documented, become the records they mean."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from aiohttp import web

from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.parsing import Trade
from liqstream.feeds.raw_frame_replay import FrameReader, recorded_venue
from liqstream.feeds.raw_frames import read_frames
from liqstream.market import Candle, FundingRate, Liquidation, MarkPrice, OpenInterest
from tests.support.answering import answering
from tests.support.exchange_messages import read


@pytest.mark.shared_data
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
        OpenInterest("bybit", "BTCUSDT", 1673272861686, 34372.3805, 34372.3805),
        MarkPrice("bybit", "BTCUSDT", 1673272861686, 17217.33),
    ]
    assert read(shared_data, venue, "ws_ticker_option.json").kind == "ignored"
    trade = read(shared_data, venue, "ws_public_trade.json").trades[0]
    assert trade == Trade("bybit", "BTCUSDT", 1709891679000, 27451.0, 0.01, taker_is_buyer=True)


@pytest.mark.parametrize(
    "data",
    [
        {"openInterest": "59891.732", "singleOpenInterest": "29945.866"},
        {"openInterest": "59891.732"},
        {"openInterest": "59891.732", "singleOpenInterest": ""},
        {"singleOpenInterest": "29945.866"},
    ],
)
async def test_bybit_open_interest_is_of_one_side(data: dict[str, str]) -> None:
    """The exchange's own figure of it, else half of what counts both; by socket and by REST."""
    ticker = {"topic": "tickers.BTCUSDT", "type": "delta", "ts": 1_791_565_600_000, "data": data}
    (held,) = Bybit().read(orjson.dumps(ticker)).events
    assert isinstance(held, OpenInterest)
    assert (held.open_interest_base, held.reported) == (29945.866, 29945.866)
    row = {**data, "timestamp": "1791565600000"}
    page = {"retCode": 0, "retMsg": "OK", "result": {"list": [row]}}
    async with answering(web.json_response(page)) as (rest, _):
        pages = Bybit().open_interest(
            rest, "BTCUSDT", 300_000, start_ms=1_791_565_600_000, end_ms=1_791_565_600_001
        )
        assert [list(events) async for events in pages] == [[held]]


def test_bybit_items_are_read_one_by_one() -> None:
    """A liquidation without a price, a bar without a close: counted, and the others taken."""
    venue = Bybit()
    fill = {"T": 1791565600992, "s": "BTCUSDT", "S": "Buy", "v": "0.006", "p": "82396.90"}
    batch = {"topic": "allLiquidation.BTCUSDT", "ts": 1791565601482, "data": [fill | {"p": "0"}, fill, None]}
    assert len(venue.read(orjson.dumps(batch)).events) == 1
    assert venue.bad_items.take()[0] == 2
    assert venue.bad_items.take() == (0, "")


def test_a_funding_time_of_zero_announces_nothing() -> None:
    """And the ticker's later changes are read."""
    venue = Bybit()

    def ticker(kind: str, **data: str | None) -> int:
        message = {"topic": "tickers.BTCUSDT", "type": kind, "ts": 1_791_565_600_000, "data": data}
        return len(venue.read(orjson.dumps(message)).events)

    assert ticker("snapshot", nextFundingTime="0", fundingRate="0.0001", markPrice="90000") == 1
    assert ticker("delta", markPrice="90001") == 1
    assert ticker("delta", markPrice="-1", openInterest="10") == 1
    assert ticker("delta", nextFundingTime=None, markPrice=None) == 0  # as if it were not there
    assert ticker("delta", markPrice="90002") == 1
    assert venue.bad_items.take()[0] == 1


def test_bybit_public_liquidation() -> None:
    """`S` is the side of the position there: Buy is a long."""
    message = (
        '{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,'
        '"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"}]}'
    )
    assert Bybit().read(message).events == [
        Liquidation("bybit", "BTCUSDT", 1791565600992, "long", 82396.9, 0.006)
    ]


@pytest.mark.shared_data
def test_bybit_http_rows(shared_data: Path) -> None:
    """The funding history is turned round to ascend."""
    folder = shared_data / "exchange_messages" / "bybit"
    rows = orjson.loads((folder / "http_get_funding_history.json").read_bytes())["result"]["list"]
    assert Bybit().read_funding(rows) == [
        FundingRate("bybit", "BTCUSDT", 1709856000000, 0.00015),
        FundingRate("bybit", "BTCUSDT", 1709884800000, 0.0001),
    ]


@pytest.mark.shared_data
def test_recorded_bybit_open_interest_is_the_tickers(shared_data: Path) -> None:
    """A delta without the field leaves open interest as it was: only what was told is passed on."""
    path = shared_data / "raw_frames" / "BYBIT.jsonl.zst"
    reader = FrameReader(recorded_venue(path), 60_000)
    events = [event for frame in read_frames(path) for event in reader.new_records(frame, ("BTCUSDT",))]
    told = [event for event in events if isinstance(event, OpenInterest)]
    raw = [
        orjson.loads(frame.text)
        for frame in read_frames(path)
        if frame.kind == "recv" and '"tickers.BTCUSDT"' in frame.text and '"openInterest"' in frame.text
    ]
    assert [event.open_interest_base for event in told] == [
        float(message["data"]["openInterest"]) / 2 for message in raw
    ]
    closed = [event for event in events if isinstance(event, Candle) and event.closed]
    assert len({event.open_time_ms for event in closed}) == len(closed) == 1


async def test_bybit_contracts_settled_in_usdc() -> None:
    """BTCPERP is asked for and read as BTCUSDC, beside BTCUSDT; one that says its coin is taken too."""
    names = {"BTCUSDT": "USDT", "BTCPERP": "USDC", "SOLUSDC": "USDC", "BTCUSD": "USDT", "ETHUSDT": "USDC"}
    rows = [
        {"symbol": name, "contractType": "LinearPerpetual", "quoteCoin": quote, "status": "Trading"}
        for name, quote in names.items()
    ]
    venue = Bybit()
    bar = ["1791565500000", "1", "2", "1", "2", "3", "4"]
    pages = [{"list": rows}, {"list": [bar]}]
    async with answering(*(web.json_response({"retCode": 0, "result": page}) for page in pages)) as (
        rest,
        asked,
    ):
        assert set(await venue.instruments(rest)) == {"BTCUSDT", "BTCUSDC", "SOLUSDC"}
        span = {"start_ms": 1791565500000, "end_ms": 1791565800000}
        bars = [each async for page in venue.candles(rest, "BTCUSDC", 300_000, **span) for each in page]
    assert [each.symbol for each in bars] == ["BTCUSDC"]
    assert "symbol=BTCPERP" in asked[-1]
    names_of = {
        topic.symbol: topic.name for topic in venue.topics(["BTCUSDC", "SOLUSDC", "BTCUSDT"], 300_000)
    }
    assert names_of == {
        "BTCUSDC": "allLiquidation.BTCPERP",
        "SOLUSDC": "allLiquidation.SOLUSDC",
        "BTCUSDT": "allLiquidation.BTCUSDT",
    }
    fill = {"T": 1791565600992, "s": "BTCPERP", "S": "Buy", "v": "0.006", "p": "82396.90"}
    bar_ = {"start": 1791565500000, "open": "1", "high": "2", "low": "1", "close": "2", "volume": "3"}
    messages: list[dict[str, object]] = [
        {"topic": "allLiquidation.BTCPERP", "data": [fill]},
        {"topic": "kline.5.BTCPERP", "data": [bar_ | {"turnover": "4", "confirm": True}]},
        {"topic": "tickers.BTCPERP", "type": "snapshot", "data": {"markPrice": "82396"}},
    ]
    for message in messages:
        (event,) = venue.read(orjson.dumps({"ts": 1791565601482, **message})).events
        assert event.symbol == "BTCUSDC"
