"""Which fault is in force, when and how often."""

from __future__ import annotations

import pytest

from liqstream.simulator.fault_table import REQUEST_KINDS, Fault, FaultKind, FaultTable

TARGETS = {"binance": ("/klines", "kline"), "okx": ("candle",)}


@pytest.fixture(name="now")
def _now() -> list[float]:
    return [100.0]


@pytest.fixture(name="table")
def _table(now: list[float]) -> FaultTable:
    return FaultTable(TARGETS, lambda: now[0])


def hits(table: FaultTable, count: int, symbol: str = "BTCUSDT") -> list[bool]:
    return [table.hit("binance", "/klines", symbol, REQUEST_KINDS) is not None for _ in range(count)]


def test_once_is_once(table: FaultTable) -> None:
    """Then the endpoint is well, and the fault says that it was met."""
    fault = table.add(Fault("binance", "/klines", FaultKind.FORBIDDEN, times=1))
    assert hits(table, 3) == [True, False, False]
    assert fault.hits == 1
    assert not table.is_active(fault)


def test_for_a_while(table: FaultTable, now: list[float]) -> None:
    """Counted from the moment it was added, however often it is met."""
    fault = table.add(Fault("binance", "/klines", FaultKind.HANG, lasts_s=30.0))
    assert hits(table, 3) == [True] * 3
    now[0] += 29.9
    assert hits(table, 1) == [True]
    now[0] += 0.1
    assert hits(table, 1) == [False]
    assert fault.hits == 4


def test_lasting_until_it_is_cleared(table: FaultTable, now: list[float]) -> None:
    """However long that is."""
    fault = table.add(Fault("binance", "/klines", FaultKind.MUTE))
    now[0] += 1e9
    assert hits(table, 1) == [True]
    table.clear()
    assert hits(table, 1) == [False]
    assert not table.is_active(fault)


def test_others_are_left_alone(table: FaultTable) -> None:
    """Another exchange, target, kind or symbol; what is about no symbol is not of one."""
    table.add(Fault("binance", "/klines", FaultKind.ZERO, symbol="ETHUSDT"))
    assert hits(table, 1, "BTCUSDT") == hits(table, 1, "") == [False]
    assert hits(table, 1, "ETHUSDT") == [True]
    assert table.hit("binance", "kline", "ETHUSDT", REQUEST_KINDS) is None
    assert table.hit("okx", "candle", "ETHUSDT", REQUEST_KINDS) is None
    assert table.hit("binance", "/klines", "ETHUSDT", {FaultKind.MUTE}) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"exchange": "kraken", "target": "x", "kind": "403"}, "no exchange 'kraken'; one of binance, okx"),
        ({"exchange": "okx", "target": "kline", "kind": "403"}, "okx has no 'kline'; one of candle"),
        ({"exchange": "okx", "target": "candle", "kind": "404"}, "unknown kind '404'; one of 403, 418"),
        ({"exchange": "okx", "target": "candle"}, "needs exchange, target and kind"),
        ({"exchange": "okx", "target": "candle", "kind": "403", "hits": 1}, "unknown field 'hits'"),
        ({"exchange": "okx", "kind": "403"}, "target"),
        ({"exchange": "okx", "target": "candle", "kind": "403", "lasts_s": "1"}, "number of seconds"),
    ],
)
def test_a_line_that_cannot_be(table: FaultTable, line: dict[str, object], reason: str) -> None:
    """Is named, with what there is instead."""
    with pytest.raises(ValueError, match=reason):
        table.add(Fault.read(line))


def test_a_line_as_it_is_written(table: FaultTable) -> None:
    """By name, as a command carries it; the whole table is replaced."""
    old = table.add(Fault("okx", "candle", FaultKind.MUTE))
    line = {"exchange": "binance", "target": "kline", "kind": "passing-code", "times": 2, "variant": 1}
    table.replace([Fault.read(line)])
    (fault,) = table
    assert (fault.kind, fault.times, fault.variant) == (FaultKind.PASSING_CODE, 2, 1)
    assert not table.is_active(old)
