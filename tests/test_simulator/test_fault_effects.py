"""What each kind of fault does to a request, a handshake and a message, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from liqstream.simulator.dialect import Fields
from liqstream.simulator.exchange_server import DIALECTS, SimulatedExchange
from liqstream.simulator.fault_effects import spoil, spoilt_texts
from liqstream.simulator.fault_table import CONNECTION_KINDS, Fault, FaultKind
from tests.support.exchange_rig import simulated_exchange

pytestmark = pytest.mark.simulated

KLINES = "/fapi/v1/klines"
QUESTION = "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=2"
AFTER_2090_MS = 3_786_912_000_000


@pytest.fixture(name="exchange")
async def _exchange() -> AsyncIterator[tuple[SimulatedExchange, str]]:
    async with simulated_exchange() as (exchange, port):
        yield exchange, f"http://127.0.0.1:{port}"


STATUSES = {
    FaultKind.FORBIDDEN: 403,
    FaultKind.BANNED: 418,
    FaultKind.TOO_MANY: 429,
    FaultKind.CLIENT_ERROR: 400,
    FaultKind.SERVER_ERROR: 503,
    FaultKind.COUNTRY: 451,
    FaultKind.REDIRECT: 302,
    FaultKind.ITEM_CODE: 400,
    FaultKind.NOT_JSON: 200,
    FaultKind.MUTE: 200,
}


async def test_statuses(exchange: tuple[SimulatedExchange, str]) -> None:
    """With the pause it states; one endpoint, once: the next question and other endpoints are answered."""
    at, url = exchange
    async with aiohttp.ClientSession(url) as session:
        for kind, status in STATUSES.items():
            at.table.add(Fault("binance", KLINES, kind, times=1, retry_after="7"))
            async with session.get("/fapi/v1/time") as other:
                assert other.status == 200
            async with session.get(QUESTION, allow_redirects=False) as response:
                assert response.status == status
                body = await response.text()
                if status in (403, 418, 429):
                    assert response.headers["Retry-After"] == "7"
                if kind is FaultKind.REDIRECT:
                    assert response.headers["Location"] == "http://redirected.invalid/"
            async with session.get(QUESTION) as well:
                assert len(await well.json()) == 2
            if kind in (FaultKind.NOT_JSON, FaultKind.MUTE):
                with pytest.raises(orjson.JSONDecodeError):
                    orjson.loads(body)


async def test_no_answer(exchange: tuple[SimulatedExchange, str]) -> None:
    """Cut before an answer, or open for ever."""
    at, url = exchange
    async with aiohttp.ClientSession(url) as session:
        at.table.replace([Fault("binance", KLINES, FaultKind.REFUSED)])
        with pytest.raises(aiohttp.ClientError):
            await session.get(QUESTION)
        at.table.replace([Fault("binance", KLINES, FaultKind.HANG)])
        with pytest.raises(TimeoutError):
            await session.get(QUESTION, timeout=aiohttp.ClientTimeout(0.3))


@pytest.mark.parametrize("kind", [FaultKind.WRONG_TIME, FaultKind.WRONG_SIZE, FaultKind.ZERO])
async def test_spoilt_rows(exchange: tuple[SimulatedExchange, str], kind: FaultKind) -> None:
    """Only what the kind is about is another: times, or prices and sizes."""
    at, url = exchange
    async with aiohttp.ClientSession(url) as session:
        async with session.get(QUESTION) as response:
            sound = (await response.json())[0]
        at.table.add(Fault("binance", KLINES, kind))
        async with session.get(QUESTION) as response:
            spoilt = (await response.json())[0]
    if kind is FaultKind.WRONG_TIME:
        assert min(spoilt[0], spoilt[6]) > AFTER_2090_MS
        assert spoilt[1:6] == sound[1:6]
    else:
        assert spoilt[0] == sound[0]
        expected = [0.0] * 5 if kind is FaultKind.ZERO else [float(each) * 1e12 for each in sound[1:6]]
        assert [float(each) for each in spoilt[1:6]] == pytest.approx(expected)


@pytest.mark.parametrize("name", DIALECTS)
def test_every_time_and_amount_is_declared(name: str) -> None:
    """A fault of a value would do nothing where it is not: only what carries none is without."""
    dialect = DIALECTS[name]
    without = {target for target, fields in dialect.endpoints.items() if fields == Fields()}
    assert without <= {"/fapi/v1/ping", "/v5/market/instruments-info", "meta", "vaultDetails"}
    assert all(fields.amounts for fields in dialect.channels.values())
    assert dialect.passing
    assert dialect.item


def test_values_keep_the_way_they_were_written() -> None:
    """Text stays text, seconds stay seconds, nanoseconds stay nanoseconds; what is nested is found."""
    fields = Fields(times=("ts", 0), amounts=("p", 1))
    value = {"ts": "1790000000", "nano": 1, "data": [{"ts": 1790000000000, "p": "2.5"}, [1790000000000, "3"]]}
    late = spoil(value, fields, FaultKind.WRONG_TIME)
    assert late["ts"] == str(1790000000 + 70 * 365 * 86400)
    assert late["data"][0] == {"ts": 1790000000000 + 70 * 365 * 86400000, "p": "2.5"}
    assert late["data"][1][0] > AFTER_2090_MS
    nano = spoil({"ts": "1790000000000000000"}, fields, FaultKind.WRONG_TIME)
    assert nano["ts"] == str(1790000000000000000 + 70 * 365 * 86400000 * 10**6)
    zero = spoil(value, fields, FaultKind.ZERO)
    assert zero["data"][0]["p"] == zero["data"][1][1] == "0"
    assert zero["ts"] == value["ts"]


def test_messages_of_a_channel() -> None:
    """Each is replaced, or none comes."""

    def texts(kind: FaultKind) -> list[str]:
        fault = Fault("binance", "markPrice", kind)
        return spoilt_texts(fault, [{"p": "1"}, {"p": "2"}], Fields(amounts=("p",)))

    assert texts(FaultKind.MUTE) == []
    assert texts(FaultKind.EMPTY_OBJECT) == ["{}", "{}"]
    assert texts(FaultKind.EMPTY_LIST) == ["[]", "[]"]
    assert texts(FaultKind.ZERO) == ['{"p":"0"}', '{"p":"0"}']


CASES = [
    ("binance", "kline", "/market/stream?streams=btcusdt@kline_1m/btcusdt@markPrice", ""),
    (
        "bybit",
        "kline",
        "/v5/public/linear",
        '{"op":"subscribe","args":["kline.1.BTCUSDT","tickers.BTCUSDT"]}',
    ),
    (
        "okx",
        "mark-price",
        "/ws/v5/public",
        '{"op":"subscribe","args":[{"channel":"mark-price","instId":"BTC-USDT-SWAP"}]}',
    ),
    (
        "hyperliquid",
        "candle",
        "/ws",
        '{"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"1m"}}',
    ),
]


@pytest.mark.parametrize(("name", "channel", "path", "subscribe"), CASES)
async def test_handshakes(
    exchange: tuple[SimulatedExchange, str], name: str, channel: str, path: str, subscribe: str
) -> None:
    """An open socket is cut and its next handshake fails; the one after that does not."""
    for kind in sorted(CONNECTION_KINDS - {FaultKind.HANG}):
        await check_handshake(exchange, Fault(name, channel, kind), path, subscribe)


async def check_handshake(
    exchange: tuple[SimulatedExchange, str], fault: Fault, path: str, subscribe: str
) -> None:
    at, url = exchange
    async with aiohttp.ClientSession(url) as session, asyncio.timeout(10), session.ws_connect(path) as ws:
        if subscribe:
            await ws.send_str(subscribe)
        await ws.receive_str()
        # aiohttp's client knocks twice where the connection is cut.
        fault.times = 2 if fault.kind is FaultKind.REFUSED else 1
        at.table.add(fault)
        while not ws.closed:
            await ws.receive()
    async with aiohttp.ClientSession(url) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.ws_connect(path)
        async with session.ws_connect(path):
            pass


@pytest.mark.parametrize(("name", "channel", "path", "subscribe"), CASES)
async def test_subscriptions(
    exchange: tuple[SimulatedExchange, str], name: str, channel: str, path: str, subscribe: str
) -> None:
    """Refused in the exchange's words, and differently if it is for the moment only."""
    at, url = exchange
    words = set()
    for kind in (FaultKind.ITEM_CODE, FaultKind.PASSING_CODE):
        at.table.replace([Fault(name, channel, kind)])
        async with (
            asyncio.timeout(10),
            aiohttp.ClientSession(url) as session,
            session.ws_connect(path) as ws,
        ):
            if subscribe:
                await ws.send_str(subscribe)
            text = await ws.receive_str()
            while '"error' not in text.lower():
                text = await ws.receive_str()
            words.add(text)
    assert len(words) == 2
    assert at.table.targets[name]


async def test_an_answer_without_anything_to_spoil_is_counted(
    exchange: tuple[SimulatedExchange, str],
) -> None:
    """Nobody can show the cause of what was not done."""
    at, url = exchange
    fault = at.table.add(Fault("binance", KLINES, FaultKind.WRONG_SIZE))
    async with aiohttp.ClientSession(url) as session:
        for question, counts in ((f"{QUESTION}&endTime=1", (1, 1)), (QUESTION, (2, 1))):
            async with session.get(question) as response:
                assert response.status == 200
                assert ((await response.json()) == []) == (counts == (1, 1))
            assert (fault.hits, fault.unspoilt) == counts
