"""OKX's messages, recorded or as documented, become the records they mean."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from aiohttp import web
from yarl import URL

from liqstream.feeds.exchanges.okx import Okx
from liqstream.market import DAY_MS, HOUR_MS, FundingRate, Liquidation, OpenInterest
from tests.support.answering import answering
from tests.support.documented_exchange import (
    FIRST_MS,
    LIQUIDATED_MS,
    NOW_MS,
    check_history,
    documented,
    received,
)
from tests.support.exchange_messages import read


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


@pytest.mark.parametrize(("days_ago", "questions"), [((90, 61), 0), ((90, 59), 1), ((3, 2), 1)])
async def test_open_interest_is_not_asked_for_from_before_it_is_kept(
    days_ago: tuple[int, int], questions: int
) -> None:
    """It keeps 1440 readings, of hours 60 days, counted from now and not from the end of a gap."""
    venue = Okx()
    venue.now_ms = lambda: NOW_MS
    start_ms, end_ms = (NOW_MS - days * DAY_MS for days in days_ago)
    async with answering(web.json_response({"code": "0", "data": []})) as (rest, asked):
        pages = venue.open_interest(rest, "BTCUSDT", HOUR_MS, start_ms=start_ms, end_ms=end_ms)
        _ = [page async for page in pages]
    begins_ms = [int(URL(each.split()[1]).query["begin"]) for each in asked]
    assert len(begins_ms) == questions
    assert all(begin_ms >= NOW_MS - 60 * DAY_MS for begin_ms in begins_ms)


def test_okx_items_are_read_one_by_one() -> None:
    """A liquidation without a price or of no known contract costs itself alone."""
    venue = Okx()
    good = {"bkPx": "82655.7", "posSide": "long", "side": "sell", "sz": "8.55", "ts": "1791565600771"}
    rows = [
        {"instId": "BTC-USDT-SWAP", "details": [good | {"bkPx": ""}, good]},
        {"instId": "BTC-USDT-SWAP", "details": [{k: good[k] for k in good if k != "posSide"}]},
        {"instId": "NEW-USDT-SWAP", "details": [good]},
        "no row",
    ]
    push = {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": rows}
    assert len(venue.read(orjson.dumps(push)).events) == 2
    assert venue.bad_items.take()[0] == 2


def test_okx_contracts_that_do_not_trade_now_are_in_the_list() -> None:
    """They are waited for; a row without a contract value costs itself alone."""
    venue = Okx()
    live = {"ctVal": "0.01", "ctMult": "1", "ctType": "linear", "settleCcy": "USDT", "state": "live"}
    listed = venue.read_instruments(
        [
            {"instId": "BTC-USDT-SWAP", **live, "expTime": ""},
            {"instId": "SOL-USDT-SWAP", **live, "state": "post_only"},
            {"instId": "XRP-USDT-SWAP", **live, "ctVal": ""},
            {"instId": "BTC-USD-SWAP", **live, "ctType": "inverse"},
        ]
    )
    assert {symbol: (one.tradable, one.contract_base) for symbol, one in listed.items()} == {
        "BTCUSDT": (True, 0.01),
        "SOLUSDT": (False, 0.01),
    }
    assert venue.bad_items.take()[0] == 1


def test_okx_contracts_settled_in_usdc() -> None:
    """BTC-USDC-SWAP is BTCUSDC, with a size of its own; what is settled in the coin itself is not ours."""
    venue = Okx()
    live = {"ctVal": "0.0001", "ctMult": "1", "ctType": "linear", "settleCcy": "USDC", "state": "live"}
    rows = [{"instId": name, **live} for name in ("BTC-USDC-SWAP", "BTC-USD_UM-SWAP")]
    assert set(venue.read_instruments(rows)) == {"BTCUSDC"}
    topics = [topic.name for topic in venue.topics(["BTCUSDC"], 300_000) if topic.symbol]
    assert all("BTC-USDC-SWAP" in name for name in topics)
    arg = {"channel": "mark-price", "instId": "BTC-USDC-SWAP"}
    mark = {"arg": arg, "data": [{"markPx": "9", "ts": "1791565600771"}]}
    (event,) = venue.read(orjson.dumps(mark)).events
    assert event.symbol == "BTCUSDC"
    fill = {"bkPx": "150", "posSide": "short", "side": "buy", "sz": "7", "ts": "1791565600771"}
    row = {"instId": "BTC-USDC-SWAP", "details": [fill]}
    push = {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": [row]}
    (fills,) = venue.read(orjson.dumps(push)).events
    assert fills == Liquidation("okx", "BTCUSDC", 1791565600771, "short", 150.0, 7 * 0.0001)
    arg = {"channel": "mark-price", "instId": "BTC-USD-SWAP"}
    assert venue.read(orjson.dumps({"arg": arg, "data": mark["data"]})).kind == "ignored"


def test_port_8443_is_warned_of() -> None:
    """It was switched off; the address without it is named."""
    assert Okx.ws_url == "wss://ws.okx.com"
    assert "use wss://ws.okx.com" in Okx.address_warning(Okx.rest_url, "wss://ws.okx.com:8443")
    assert Okx.address_warning(Okx.rest_url, Okx.ws_url) == ""


@pytest.mark.shared_data
def test_okx_messages(shared_data: Path) -> None:
    """Contract sizes come from the instruments; the private orders channel is none of our business."""
    venue, folder = Okx(), shared_data / "exchange_messages" / "okx"

    def rows(name: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = orjson.loads((folder / name).read_bytes())["data"]
        return found

    assert set(venue.read_instruments(rows("http_get_instruments_swap.json"))) == {"BTCUSDT", "ETHUSDT"}
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


async def test_okx_history_and_live() -> None:
    """Pages newest first are put in order; contracts become base coin by the size from the list."""
    channel = {"instId": "SOL-USDT-SWAP"}
    fill = {"bkPx": "150", "posSide": "short", "side": "buy", "sz": "7", "ts": str(NOW_MS + 1)}
    pushed = [
        {"event": "subscribe", "arg": channel},
        {
            "arg": {**channel, "channel": "mark-price"},
            "data": [{"instId": "SOL-USDT-SWAP", "markPx": "150.5", "ts": str(NOW_MS + 2)}],
        },
        {
            "arg": {"channel": "liquidation-orders", "instType": "SWAP"},
            "data": [{"instId": "SOL-USDT-SWAP", "details": [fill]}],
        },
    ]
    async with documented(pushed) as (server, port):
        events = await received(Okx(), port, ("BTCUSDT", "SOLUSDT"), server, questions=2, count=2)
        check_history(events, "BTCUSDT")
        check_history(events, "SOLUSDT")
        held = [e for e in events if isinstance(e, OpenInterest) and e.symbol == "BTCUSDT"]
        assert len(held) == 250
        assert held[0] == OpenInterest("okx", "BTCUSDT", FIRST_MS, 50.0, 5000.0, "contracts")
        assert FundingRate("okx", "BTCUSDT", FIRST_MS, 0.0001) in events
        assert Liquidation("okx", "SOLUSDT", NOW_MS + 1, "short", 150.0, 7.0) in events
        channels = {arg["channel"] for said in server.subscribed for arg in said["args"]}
        assert channels == {
            "mark-price",
            "open-interest",
            "funding-rate",
            "liquidation-orders",
            "instruments",
            "candle1m",
            "candle5m",
        }
        past = [e.time_ms for e in events if isinstance(e, Liquidation) and e.symbol == "BTCUSDT"]
        assert sorted(past) == list(LIQUIDATED_MS)
