"""What doctor hears of an exchange: mute channels and contradictions are named, the sound left alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from aiohttp.test_utils import unused_port
from click.testing import CliRunner, Result

from liqstream.cli import main
from liqstream.cli.live_check import (
    LEAST_SIDED,
    MINUTES,
    REQUIRED,
    MarketReport,
    channels_check,
    keep_verdicts,
    listen,
)
from liqstream.feeds.exchange_access import NOT_PROVEN
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue_state import VenueState, state_path
from liqstream.ingest.feed_factory import exchange_feed
from liqstream.market import Candle, Liquidation, MarkPrice, OpenInterest, Side
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from liqstream.simulator.exchange_server import DIALECTS, SimulatedExchange
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.support.exchange_rig import SYMBOLS, simulated_exchange

pytestmark = pytest.mark.simulated


@pytest.fixture(name="at")
async def _at() -> AsyncIterator[tuple[SimulatedExchange, int]]:
    async with simulated_exchange(speed=1.0, round_s=0.2) as (exchange, port):
        yield exchange, port


async def settings_at(tmp_path: Path, port: int, names: Sequence[str], interval: str = "1m") -> Settings:
    at = {name: f"127.0.0.1:{port}{DIALECTS[name].prefix}" for name in names}
    urls = {f"{name}_rest_url": f"http://{address}" for name, address in at.items()}
    urls |= {f"{name}_ws_url": f"ws://{address}" for name, address in at.items()}
    return await asyncio.to_thread(
        load_settings,
        db_path=tmp_path / "x.duckdb",
        exchanges=",".join(names),
        symbols=",".join(SYMBOLS),
        interval=interval,
        **urls,
    )


async def test_every_channel_of_every_exchange_speaks(
    at: tuple[SimulatedExchange, int], tmp_path: Path
) -> None:
    """All exchanges of one market: each is heard, and they agree."""
    settings = await settings_at(tmp_path, at[1], list(DIALECTS), "5m")
    reports = await listen(settings, settings.exchanges, None)
    assert [(report.exchange, report.symbol) for report in reports] == [
        (name, symbol) for name in DIALECTS for symbol in SYMBOLS
    ]
    assert {report.exchange: [report.mute, report.doubts, report.error] for report in reports} == {
        name: [[], [], ""] for name in DIALECTS
    }
    assert all(report.price_usd and report.open_interest_usd for report in reports)
    assert all(report.live["bars"] and report.live[MINUTES] for report in reports)
    check = channels_check("okx", [report for report in reports if report.exchange == "okx"])
    assert check.verdict == "ok"
    assert "BTCUSDT " in check.finding


@pytest.mark.parametrize(
    ("name", "channel", "kind", "mute"),
    [
        ("bybit", "kline", FaultKind.MUTE, "bars"),
        ("okx", "mark-price", FaultKind.ITEM_CODE, "marks"),
        ("hyperliquid", "activeAssetCtx", FaultKind.NOT_JSON, "marks, open interest"),
    ],
)
async def test_a_mute_channel_is_named(
    at: tuple[SimulatedExchange, int], tmp_path: Path, name: str, channel: str, kind: FaultKind, mute: str
) -> None:
    """The others of the same socket go on."""
    at[0].table.add(Fault(name, channel, kind))
    reports = await listen(await settings_at(tmp_path, at[1], [name]), [name], 2.0)
    check = channels_check(name, reports)
    assert check.verdict == "fault"
    assert f"BTCUSDT: nothing on {mute}" in check.finding
    assert check.cure


async def test_a_refused_channel_is_named(at: tuple[SimulatedExchange, int], tmp_path: Path) -> None:
    """Also one that may well be silent for a minute: all the others speak."""
    at[0].table.add(Fault("okx", "liquidation-orders", FaultKind.ITEM_CODE))
    check = channels_check("okx", await listen(await settings_at(tmp_path, at[1], ["okx"]), ["okx"], None))
    assert check.verdict == "fault"
    assert check.finding.startswith("BTCUSDT: liquidation-orders/SWAP refused | ETHUSDT:")


def test_what_stands_in_for_a_channel_is_not_it() -> None:
    """Longer bars for those of a minute, and REST for a mark price that is late."""
    bar = Candle("okx", "BTCUSDT", 300_000, 0, 1.0, 1.0, 1.0, 1.0, closed=False)
    others = (MARK, OpenInterest("okx", "BTCUSDT", 1, 1.0, 1.0))
    for records, by_rest, mute in (
        ((bar,), (), [MINUTES]),
        ((replace(bar, interval_ms=60_000),), (), ["bars"]),
        ((bar, replace(bar, interval_ms=60_000)), {"marks"}, ["marks"]),
    ):
        report = MarketReport("okx", "BTCUSDT", (*REQUIRED, MINUTES), by_rest=by_rest)
        for record in (*records, *others):
            report.take(record)
        report.judge(None)
        assert report.mute == mute


async def test_the_old_address_of_binance_is_named(
    at: tuple[SimulatedExchange, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes subscriptions since 2026-04-23, and sends nothing."""
    monkeypatch.setattr(VENUES["binance"], "stream_path", "/stream")
    reports = await listen(await settings_at(tmp_path, at[1], ["binance"]), ["binance"], 2.0)
    check = channels_check("binance", reports)
    assert check.verdict == "fault"
    assert "BTCUSDT: nothing on bars, marks" in check.finding


async def test_the_command_fails_over_a_dead_socket(
    at: tuple[SimulatedExchange, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REST answers, the socket does not open: exit code 1, the exchange named; the table can be sent on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQSTREAM_PORT", str(unused_port()))
    monkeypatch.setenv("LIQSTREAM_SYMBOLS", "BTCUSDT")
    for name in ("okx", "bybit"):
        monkeypatch.setenv(f"LIQSTREAM_{name.upper()}_REST_URL", f"http://127.0.0.1:{at[1]}")
        monkeypatch.setenv(f"LIQSTREAM_{name.upper()}_WS_URL", f"ws://127.0.0.1:{at[1]}")
    monkeypatch.setenv("COLUMNS", "200")

    async def doctor(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["doctor", *arguments])

    sound = await doctor("--exchange", "okx,bybit")
    assert sound.exit_code == 0, sound.output
    assert "okx channels: BTCUSDT" in sound.output
    for channel in DIALECTS["bybit"].channels:
        at[0].table.add(Fault("bybit", channel, FaultKind.REFUSED))
    dead = await doctor("--exchange", "okx,bybit", "--live", "3")
    assert dead.exit_code == 1
    assert "bybit channels: BTCUSDT: nothing on bars, marks, open interest" in dead.output
    assert "Received in 3 s" in dead.output
    assert "fault  okx" not in dead.output


def report_of(*records: Candle | MarkPrice | OpenInterest | Liquidation) -> MarketReport:
    report = MarketReport("bybit", "BTCUSDT")
    for record in records:
        report.take(record)
    report.judge(None)
    return report


MARK = MarkPrice("bybit", "BTCUSDT", 1, 100.0)


def test_open_interest_of_another_unit() -> None:
    """Both sides live and one by REST, or contracts for coins."""
    report = MarketReport("bybit", "BTCUSDT")
    report.take_history(OpenInterest("bybit", "BTCUSDT", 1, 50.0, 50.0))
    report.take(OpenInterest("bybit", "BTCUSDT", 2, 100.0, 100.0))
    report.judge(None)
    assert report.doubts == ["open interest is 100 by socket, 50 by REST"]


def test_liquidations_of_the_other_side() -> None:
    """A long goes bankrupt below the price; five that lie above are not longs."""

    def told(side: Side, price_usd: float, count: int) -> MarketReport:
        fills = [Liquidation("bybit", "BTCUSDT", at, side, price_usd, 1.0) for at in range(count)]
        return report_of(MARK, *fills)

    assert told("long", 101.0, 5).doubts
    assert told("short", 99.0, 5).doubts
    assert told("long", 101.0, 4).doubts == []
    assert told("long", 99.0, 5).doubts == told("short", 101.0, 5).doubts == []


def test_volume_in_contracts() -> None:
    """Its turnover does not fit its prices."""

    def bar(volume_base: float) -> Candle:
        prices = (100.0, 101.0, 99.0, 100.0)
        return Candle("okx", "BTCUSDT", 60_000, 0, *prices, volume_base, 1000.0, closed=False)

    assert report_of(bar(10.0)).doubts == []
    assert "turnover is 1 USD per coin" in report_of(bar(1000.0)).doubts[0]


def test_a_price_of_another_coin() -> None:
    """Two percent from the other exchanges' is another contract, or another unit."""
    report = report_of(MARK)
    report.judge(101.0)
    assert report.doubts == []
    report.judge(100_000.0)
    assert report.doubts == ["the price is 100, elsewhere 100000"]


async def test_what_doctor_found_is_kept_for_the_server(
    at: tuple[SimulatedExchange, int], tmp_path: Path
) -> None:
    """In the file beside the store: facts that only this comparison can tell of, and how the trials stand."""
    settings = await settings_at(tmp_path, at[1], ["binance", "gate"])
    reports = await listen(settings, settings.exchanges, None)
    found = {
        name: await keep_verdicts(settings, name, [each for each in reports if each.exchange == name])
        for name in settings.exchanges
    }
    assert found["binance"] is not None
    assert found["binance"].verdict == "ok"
    assert "open interest: one side: doctor compared" in found["binance"].finding
    assert found["gate"] is not None
    assert "side of its liquidations: held back until contract_stats agrees" in found["gate"].finding
    kept = orjson.loads(state_path(settings.db_path).read_bytes())["verdicts"]
    assert "they agree" in kept["binance"]["open interest: one side"]["verdict"]
    server = exchange_feed(settings, "binance")
    batches = server.backfill({})
    await anext(batches, None)
    await batches.aclose()
    assert "they agree" in server.status.unproven["open interest: one side"]
    await server.close()
    mute = MarketReport("binance", "BTCUSDT", mute=["marks"], unproven={"open interest: one side": "?"})
    doubted = await keep_verdicts(settings, "binance", [mute])
    assert doubted is not None
    assert "they do not agree (nothing on marks)" in doubted.finding


@pytest.mark.parametrize(
    ("name", "about", "came", "is_compared"),
    [
        ("lighter", "side of liquidations: those of shorts were not seen yet", 0, False),
        ("lighter", "side of liquidations: those of shorts were not seen yet", LEAST_SIDED, True),
        ("bitget", "price of liquidations: bankruptcy", LEAST_SIDED - 1, False),
        ("bybit", "sockets of the regions tr, nl, ae, id, ge", LEAST_SIDED, False),
        ("aster", "open interest: its path is in no document", 0, True),
    ],
)
async def test_what_a_look_cannot_compare_stays_unproven(
    tmp_path: Path, name: str, about: str, came: int, is_compared: bool
) -> None:
    """Without liquidations nothing was found of their side, and of other addresses nothing at all."""
    assert about in VENUES[name].unproven
    settings = await settings_at(tmp_path, 9, [name])
    report = MarketReport(name, "BTCUSDT", sided=Counter({True: came}), unproven={about: NOT_PROVEN})
    check = await keep_verdicts(settings, name, [report])
    assert check is not None
    assert ("they agree" in check.finding.partition(f"{about}: ")[2].partition(";")[0]) == is_compared
    state = VenueState(state_path(settings.db_path), lambda: 0)
    await state.sync()
    assert (about in state.verdicts(name)) == is_compared
