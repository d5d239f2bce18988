"""liqstream/model/margin.py: liquidation prices against the exchange's own, bracket by bracket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.market import Side
from liqstream.model.margin import (
    Bracket,
    BracketsError,
    bundled_brackets,
    liquidation_price,
    load_brackets,
)
from liqstream.symbols import SUPPORTED_SYMBOLS

BTC = bundled_brackets().of("BTCUSDT")


@pytest.mark.parametrize(
    ("side", "leverage", "quantity", "price"),
    [("long", 100, 0.1, 99_397.59), ("short", 100, 0.1, 100_597.61), ("long", 50, 10, 98_545.55)],
)
def test_known_liquidation_prices(side: Side, leverage: float, quantity: float, price: float) -> None:
    """Two positions of the first bracket and one of the third are liquidated where Binance does."""
    assert liquidation_price(
        side, 100_000, leverage=leverage, quantity=quantity, brackets=BTC
    ) == pytest.approx(price, abs=0.005)


def test_the_bracket_is_that_of_the_notional_at_liquidation() -> None:
    """A long entered just inside a bracket is liquidated in the one below, whose margin then counts."""
    price = liquidation_price("long", 100_000, leverage=20, quantity=6.1, brackets=BTC)
    second = BTC[1]
    assert second.floor_usd < price * 6.1 < second.cap_usd < 100_000 * 6.1
    equity = price * 6.1 - 100_000 * 6.1 * (1 - 1 / 20)
    assert equity == pytest.approx(price * 6.1 * second.maintenance_margin_rate - second.cumulative_usd)


@given(
    symbol=st.sampled_from(SUPPORTED_SYMBOLS),
    side=st.sampled_from(["long", "short"]),
    leverage=st.floats(1.01, 125),
    notional=st.floats(1, 1e9),
    entry=st.floats(0.01, 1e6),
)
def test_equity_equals_maintenance_margin_at_the_liquidation_price(
    symbol: str, side: Side, leverage: float, notional: float, entry: float
) -> None:
    """At the price returned, what is left of the margin is exactly what the bracket there asks for."""
    brackets = bundled_brackets().of(symbol)
    quantity = notional / entry
    price = liquidation_price(side, entry, leverage=leverage, quantity=quantity, brackets=brackets)
    direction = 1 if side == "long" else -1
    equity = notional / leverage + direction * quantity * (price - entry)
    asked = _maintenance_margin(price * quantity, brackets)
    # A long cannot fall below 0: where its answer would be negative it is never liquidated.
    assert price == 0 or equity == pytest.approx(asked, rel=1e-6, abs=1e-6 * notional)


def _maintenance_margin(notional_usd: float, brackets: tuple[Bracket, ...]) -> float:
    bracket = next((b for b in brackets if notional_usd <= b.cap_usd), brackets[-1])
    return notional_usd * bracket.maintenance_margin_rate - bracket.cumulative_usd


def test_every_supported_symbol_has_brackets() -> None:
    """The bundled, dated table covers what the server supports out of the box."""
    table = bundled_brackets()
    assert set(SUPPORTED_SYMBOLS) <= set(table.symbols)
    assert table.as_of == "2024-10-24"


def test_a_file_overrides_and_adds(tmp_path: Path) -> None:
    """A file of the same form replaces the symbols it names and keeps the others."""
    path = tmp_path / "brackets.json"
    path.write_text(
        json.dumps(
            {"exchange": "bybit", "as_of": "2026-11-01", "symbols": {"XUSDT": [[0, 1000, 0.01, 50, 0]]}}
        )
    )
    table = load_brackets(path)
    assert table.of("XUSDT")[0].maintenance_margin_rate == 0.01
    assert table.of("BTCUSDT") == BTC


def test_a_file_may_name_contracts(tmp_path: Path) -> None:
    """In any usual form; where the coin's own name is there too, that counts."""
    path, rows = tmp_path / "brackets.json", [[0, 1000, 0.01, 50, 0]]
    symbols = {"1000PEPEUSDT": rows, "BTCUSDT": rows, "BTC-USDT-SWAP": [[0, 1, 0.5, 1, 0]], "kSHIB": rows}
    path.write_text(json.dumps({"exchange": "x", "as_of": "y", "symbols": symbols}))
    table = load_brackets(path)
    assert table.given == {"PEPEUSDT", "BTCUSDT", "SHIBUSDT"}
    assert {table.of(symbol)[0].max_leverage for symbol in table.given} == {50}


def test_a_symbol_without_brackets_is_a_sentence() -> None:
    """Nothing is made up for a symbol that is not in the table."""
    with pytest.raises(BracketsError, match="no maintenance-margin brackets for PEPEUSDT"):
        load_brackets().of("PEPEUSDT")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"exchange":"x","as_of":"y","symbols":{"A":[[0,1]]}}',
        '{"exchange":"x","as_of":"y","symbols":{"A":[[5,10,0.01,50,0]]}}',
        '{"exchange":"x","as_of":"y","symbols":{"A":[[0,10,0.01,50,0],[20,30,0.02,20,1]]}}',
        '{"exchange":"x","as_of":"y","symbols":{"A":[[0,10,NaN,50,0]]}}',
        '{"exchange":"x","as_of":"y","symbols":{"A":[[0,1e18,0.01,50,0]]}}',
        '{"exchange":"x","as_of":"y","symbols":{"A":[[0,10,0.01,5e13,0]]}}',
        f'{{"exchange":"x","as_of":"y","symbols":{{"A":[[0,{10**400},0.01,50,0]]}}}}',
        '{"exchange":"\xe9","as_of":"y","symbols":{}}',
    ],
)
def test_a_damaged_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    """A file that is no table is refused by name."""
    path = tmp_path / "mine.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BracketsError, match=r"mine\.json"):
        load_brackets(path)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    """A missing file is named with the reason."""
    with pytest.raises(BracketsError, match="cannot be read"):
        load_brackets(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("entry", "leverage", "quantity"), [(0, 10, 1), (float("nan"), 10, 1), (100, 0.5, 1), (100, 10, -1)]
)
def test_what_is_no_position_is_refused(entry: float, leverage: float, quantity: float) -> None:
    """Figures no position can have raise instead of giving a price."""
    with pytest.raises(ValueError, match="must be"):
        liquidation_price("long", entry, leverage=leverage, quantity=quantity, brackets=BTC)
