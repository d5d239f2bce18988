"""What the matrix of exchange faults holds exchanges to: each of its checks finds what it is there for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.market import MINUTE_MS, Candle, FloatArray, Liquidation, MarketEvent, OpenInterest
from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.faults import exchange_faults
from tests.faults.exchange_cells import Cell
from tests.faults.exchange_faults import (
    START_WITHIN_S,
    Report,
    _compare,
    _other_troubles,
    _until,
    run_cell,
    troubles,
)
from tests.faults.exchange_stack import Collecting, ExchangeStack, exchange_stack
from tests.support.virtual_clock import run_virtually

CELL = Cell("binance", "/fapi/v1/time", FaultKind.SERVER_ERROR, "lasting", "running")
NAMES = ("binance", "bybit")
SYMBOL = "BTCUSDT"


def test_a_lasting_fault_that_nothing_shows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed whose reporter keeps the cause to itself."""
    monkeypatch.setattr(ErrorReporter, "report", lambda *_: None)
    assert "neither status nor flags show a cause" in run_cell(CELL).wrong


def test_a_neighbour_that_notices_something_is_found(tmp_path: Path) -> None:
    """A socket that broke, and one that paused; before, nothing."""
    before, silent, broken = run_virtually(_neighbour(tmp_path))
    assert before == []
    assert [line.partition(": ")[2] for line in silent] == ["silent for 8.0 s"]
    assert any("1 reconnects" in line for line in broken)


async def _well(stack: ExchangeStack, collecting: Collecting) -> list[str]:
    report = Report(CELL)
    for name in stack.names:
        await _until(lambda name=name: troubles(stack, collecting, name), START_WITHIN_S, report)  # type: ignore[misc]
    return report.wrong


async def _neighbour(folder: Path) -> tuple[list[str], list[str], list[str]]:
    async with exchange_stack(NAMES, folder) as stack, stack.collect() as collecting:
        assert await _well(stack, collecting) == []
        before = _other_troubles(collecting, "bybit")
        for channel in DIALECTS["bybit"].channels:
            stack.exchange.table.add(Fault("bybit", channel, FaultKind.MUTE, lasts_s=7.5))
        await asyncio.sleep(12.0)
        silent = _other_troubles(collecting, "bybit")
        stack.exchange.publisher.drop_channel("bybit", "tickers", "")
        await asyncio.sleep(3.0)
        return before, silent, _other_troubles(collecting, "bybit")


def test_what_is_stored_wrongly_is_found(tmp_path: Path) -> None:
    """Bars that are missing or differ, open interest and liquidations no simulated market had."""
    before, found = run_virtually(_stored_wrongly(tmp_path))
    assert before == []
    for words in ("bars missing", "bars differ", "open interests differ", "liquidations that cannot be"):
        assert any(words in line for line in found), (words, found)


async def _stored_wrongly(folder: Path) -> tuple[list[str], list[str]]:
    async with exchange_stack(NAMES[:1], folder) as stack:
        async with stack.collect() as collecting:
            assert await _well(stack, collecting) == []
            before = await stack.gaps("binance")
            bars = await stack.bars("binance", SYMBOL)
        open_ms, close = int(bars.open_time_ms[50]), float(bars.close[50])
        spoilt: list[MarketEvent] = [
            Candle("binance", SYMBOL, MINUTE_MS, open_ms, close, close * 1.01, close, close * 1.01),
            OpenInterest("binance", SYMBOL, open_ms, bars.open_interest_base[50] * 1.5, 1.0),
            Liquidation("binance", SYMBOL, open_ms, "long", close * 2, 0.1),
        ]
        await stack.store.append(spoilt)
        found = await stack.gaps("binance")
        await asyncio.sleep(1800.0)  # while nothing collects
        return before, [*found, *await stack.gaps("binance")]


def test_maps_that_differ_after_a_restart_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those made anew have half of what the running ones have."""
    before, less = run_virtually(_maps_differ(tmp_path, monkeypatch))
    assert before == []
    assert any(f"{SYMBOL}: maps differ in USD" in line for line in less), less


async def _maps_differ(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    levels = ExchangeStack.levels
    async with exchange_stack(NAMES, folder) as stack, stack.collect() as collecting:
        assert await _well(stack, collecting) == []
        async with stack.collect() as anew:

            async def less(stack: ExchangeStack, shown: Collecting, name: str, symbol: str) -> FloatArray:
                return await levels(stack, shown, name, symbol) * (0.5 if shown is anew else 1.0)

            found = []
            for within_s, patched in ((START_WITHIN_S, levels), (3.0, less)):
                report = Report(CELL)
                monkeypatch.setattr(exchange_faults, "START_WITHIN_S", within_s)
                monkeypatch.setattr(ExchangeStack, "levels", patched)
                await _compare(stack, collecting, anew, report)
                found.append(report.wrong)
            return found[0], found[1]
