"""Gate's messages, as documented, become the records they mean; its sides wait for their proof."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from aiohttp import web
from yarl import URL

from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.bitget import Bitget
from liqstream.feeds.exchanges.gate import Gate
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.trial import ENOUGH
from liqstream.market import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Candle,
    FundingRate,
    Liquidation,
    MarkPrice,
    OpenInterest,
)
from tests.support.answering import answering

MESSAGES = Path(__file__).parent / "messages" / "gate"
AT_MS = 1_795_000_000_123


def message(name: str) -> bytes:
    return (MESSAGES / f"{name}.json").read_bytes()


def liquidations(*rows: dict[str, object]) -> bytes:
    push = {"channel": "futures.public_liquidates", "event": "update", "result": rows}
    return orjson.dumps(push)


ROW = {"price": "215.1", "size": -124, "time": 1_795_000_000_101, "contract": "BTC_USDT"}


def test_gate_ticker_and_candle() -> None:
    """Contracts become base coin by their size; a bar is never closed by its own message."""
    venue = Gate()
    assert venue.read(message("tickers")).events == [
        MarkPrice("gate", "BTCUSDT", AT_MS, 98_218.35),
        OpenInterest("gate", "BTCUSDT", AT_MS, 730_482_310.0 * 0.0001, 730_482_310.0, "contracts"),
    ]
    (bar,) = venue.read(message("candlesticks")).events
    assert isinstance(bar, Candle)
    assert (bar.open_time_ms, bar.interval_ms, bar.closed) == (1_795_000_200_000, 300_000, False)
    assert (bar.open, bar.high, bar.low, bar.close) == (98_210.0, 98_218.0, 98_200.2, 98_210.1)
    assert bar.volume_base == pytest.approx(2.7525)
    assert venue.read(message("subscribed")).kind == "control"


def test_a_liquidation_waits_for_its_proof() -> None:
    """The sign of its size is the position's or the order's: held until one of the two is proven."""
    venue = Gate()
    assert venue.read(message("public_liquidates")).events == []
    trial = venue.trials["liquidations"]
    (held,) = trial.pending(("BTCUSDT",))
    position, order = held.readings.values()
    assert position == Liquidation("gate", "BTCUSDT", 1_795_000_000_101, "short", 98_215.1, 124 * 0.0001)
    assert order.side == "long"
    trial.note(ENOUGH, {venue.questions["liquidations"].readings[1]})
    assert trial.settle(AT_MS) == [order]
    assert venue.read(message("public_liquidates")).events == [order]


@pytest.mark.parametrize(
    "times", [{"time": 1_795_000_000_101}, {"time": 1_795_000_000, "time_ms": 1_795_000_000_101}]
)
def test_gate_times_and_sizes_old_and_new(times: dict[str, int]) -> None:
    """`time` was in seconds beside `time_ms`; sizes may be decimal text; a bad row costs itself alone."""
    venue = Gate()
    venue.read(
        liquidations(ROW | times | {"size": "12.5"}, ROW | {"price": "0"}, ROW | {"contract": "X_USD"})
    )
    (held,) = venue.trials["liquidations"].pending(("BTCUSDT",))
    assert (held.record.time_ms, held.record.side) == (1_795_000_000_101, "long")
    assert held.record.quantity_base == pytest.approx(0.00125)
    assert venue.bad_items.take()[0] == 1


def test_gate_refusals_name_their_topic() -> None:
    """By the request's number, and by channel and contract where it has none."""
    venue = Gate()
    error = {"code": 2, "message": "unknown contract"}
    parsed = venue.read(
        orjson.dumps(
            {
                "id": 7,
                "channel": "futures.tickers",
                "event": "subscribe",
                "payload": ["X_USDT"],
                "error": error,
            }
        )
    )
    assert parsed.refusal is not None
    assert (parsed.refusal.code, parsed.refusal.request_id) == ("2", "s7")
    assert "futures.tickers X_USDT" in parsed.refusal.text
    (topic, *_) = venue.topics(("BTCUSDT",), MINUTE_MS)
    sent = orjson.loads(venue.subscription([topic], "s7"))
    assert (sent["id"], sent["channel"], sent["payload"]) == (7, "futures.candlesticks", ["1m", "BTC_USDT"])
    worded = venue.read(b'{"channel":"futures.tickers","event":"subscribe","error":"busy"}')
    assert worded.refusal is not None
    assert worded.refusal.text.startswith("busy futures.tickers")
    assert venue.read(b'{"type":"notice","msg":"to be closed"}').kind == "unknown"
    assert venue.refusals.of_code("3", "").kind == "passing"
    assert venue.refusals.of_code("1", "").kind == "item"


async def test_gate_instruments() -> None:
    """One that leaves is not traded; what a contract holds is taken from the list."""
    listed = {"type": "direct", "status": "trading", "in_delisting": False}
    rows = [
        {"name": "BTC_USDT", "quanto_multiplier": "0.001", **listed},
        {"name": "OLD_USDT", "quanto_multiplier": "1", **listed, "in_delisting": True},
        {"name": "BAD_USDT", "quanto_multiplier": "0", **listed},
    ]
    venue = Gate()
    async with answering(web.json_response(rows)) as (rest, _):
        found = await venue.instruments(rest)
    assert {name: (one.tradable, one.contract_base) for name, one in found.items()} == {
        "BTCUSDT": (True, 0.001),
        "OLDUSDT": (False, 1.0),
    }
    assert venue.read(message("tickers")).events[1].reported == 730_482_310.0  # type: ignore[union-attr]
    assert venue.bad_items.take()[0] == 1


async def test_gate_history() -> None:
    """Pages are put in order, seconds become milliseconds."""
    venue, start_ms = Gate(), 1_795_003_200_000
    venue.now_ms = lambda: start_ms + 600_000
    start_s = start_ms // 1000
    bars = [{"t": start_s + 60 * at, "v": 10, "o": "1", "h": "2", "l": "1", "c": "2"} for at in (1, 0)]
    stats = [{"time": start_s, "open_interest": 50}, {"time": start_s + 300, "open_interest": "60.5"}]
    paid = [{"t": start_s, "r": "-0.0001"}]
    span = {"start_ms": start_ms, "end_ms": start_ms + 600_000}
    async with answering(*map(web.json_response, (bars, stats, paid))) as (rest, asked):
        pages = [page async for page in venue.candles(rest, "BTCUSDT", MINUTE_MS, **span)]
        assert [bar.open_time_ms for page in pages for bar in page] == [start_ms, start_ms + MINUTE_MS]
        held = [
            each async for page in venue.open_interest(rest, "BTCUSDT", MINUTE_MS, **span) for each in page
        ]
        assert [each.open_interest_base for each in held if isinstance(each, OpenInterest)] == pytest.approx(
            [0.005, 0.00605]
        )
        rates = [each async for page in venue.funding(rest, "BTCUSDT", **span) for each in page]
        assert rates == [FundingRate("gate", "BTCUSDT", start_ms, -0.0001)]
    assert len(asked) == 3


@pytest.mark.parametrize(("days", "first_day"), [(14, 7), (3, 3)])
async def test_no_bars_are_asked_for_that_gate_does_not_keep(days: int, first_day: int) -> None:
    """A question that begins more than 10,000 bars ago is refused: none of two weeks of minutes came."""
    venue, end_ms = Gate(), 1_795_003_200_000
    venue.now_ms = lambda: end_ms + 59_000
    start_ms = end_ms - days * DAY_MS
    async with answering(*[web.json_response([]) for _ in range(6)]) as (rest, asked):
        _ = [
            page async for page in venue.candles(rest, "BTCUSDT", MINUTE_MS, start_ms=start_ms, end_ms=end_ms)
        ]
    first_ms = int(URL(asked[0].split()[1]).query["from"]) * 1000
    assert (
        max(start_ms, venue.now_ms() - 10_000 * MINUTE_MS) <= first_ms <= end_ms - (first_day - 0.1) * DAY_MS
    )
    assert first_ms % MINUTE_MS == 0


@pytest.mark.parametrize(
    ("notice", "kind"),
    [
        ({"type": "upgrade", "msg": "closed soon"}, "closing"),
        ({"channel": "futures.system", "event": "update", "result": {"type": "upgrade"}}, "closing"),
        ({"channel": "futures.system", "event": "update", "result": {"type": "outdated"}}, "ignored"),
        ({"channel": "futures.system", "event": "update", "result": None}, "ignored"),
    ],
)
def test_gate_says_that_it_will_close_the_connection(notice: dict[str, object], kind: str) -> None:
    """Before an upgrade: a new one takes over while this one still carries data."""
    assert Gate().read(orjson.dumps(notice)).kind == kind


def test_a_live_feed_takes_no_contract_size_but_the_lists() -> None:
    """What a contract holds decides every amount: nothing is assumed while the list cannot be read."""
    venue, text = Gate(), message("tickers")
    assert len(venue.read(text).events) > 1
    for other in (venue, Okx(), Bitget()):
        assert other.contract_sizes
        _ = ExchangeFeed(other, ("BTCUSDT",), interval_ms=MINUTE_MS)
        assert not other.contract_sizes
    assert venue.read(text).events == []


async def test_an_hour_with_too_many_liquidations_is_asked_for_in_halves() -> None:
    """How many an answer holds is disputed: one that may be cut off is not believed."""
    venue, start_ms = Gate(), 1_795_003_200_000
    start_s = start_ms // 1000

    def order(at_s: int) -> dict[str, object]:
        filled = {"order_size": -3, "left": -1, "fill_price": "90000"}
        return {"time": at_s, "contract": "BTC_USDT", "size": 3, **filled}

    whole = [order(start_s + 3500 - at) for at in range(100)]
    parts = [[order(start_s + 5)], whole[:60]]
    trial = venue.trials["past liquidations"]
    trial.note(ENOUGH, {trial.question.readings[0]})
    trial.settle(0)
    async with answering(*map(web.json_response, (whole, *parts))) as (rest, asked):
        pages = venue.past_liquidations(rest, "BTCUSDT", start_ms=start_ms, end_ms=start_ms + HOUR_MS)
        found = [each async for page in pages for each in page]
    assert len(asked) == 3
    assert len(found) == 61
    assert found[0] == Liquidation("gate", "BTCUSDT", start_ms + 5000, "long", 90_000.0, 2 * 0.0001)
