"""Which symbols and intervals are taken."""

from __future__ import annotations

import pytest

from liqstream.symbols import (
    ascii_symbol,
    interval_ms,
    interval_name,
    is_symbol,
    validate_interval,
    validate_symbols,
)


def test_valid_symbols_are_taken_even_beside_invalid_ones() -> None:
    """Each once, in order, and the others named."""
    asked = ["ETHUSDT", "NOPE", "BTCUSDT", "ETHUSDT", "btcusdt", "BTC\r\nUSDT", ""]
    assert validate_symbols(asked) == (["ETHUSDT", "BTCUSDT"], ["NOPE", "btcusdt", "BTC\r\nUSDT", ""])


@pytest.mark.parametrize(("asked", "got"), [(None, 5), (0, 1), (-3, 1), (1, 1), (7.9, 7), (60, 60), (61, 60)])
def test_intervals_are_clamped(asked: float | None, got: int) -> None:
    """Between one second and sixty; five when nothing was asked for."""
    assert validate_interval(asked) == got


def test_interval_names_go_both_ways() -> None:
    """A name has one length and a length one name; an unknown name is answered with the known ones."""
    assert interval_name(interval_ms("5m")) == "5m"
    with pytest.raises(ValueError, match="one of 1m, 3m, 5m"):
        interval_ms("7m")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("BTCUSDT", True),
        ("\u5e01\u5b89\u4eba\u751fUSDT", True),
        ("\u00c9CUUSDC", True),
        ("\u5e01\u5b89\u4eba\u751f", False),
        ("E\u0301CUUSDC", False),
        ("\u00e9CUUSDC", False),
        ("\u0412\u0422CUSDT", False),
        ("\uff22\uff34\uff23USDT", False),
        ("\u5e01" * 16 + "USDT", True),
        ("\U00020000" * 15 + "USDT", False),
        ("\u5e01\u200bUSDT", False),
        ("\u202eBTCUSDT", False),
        ("BTC\r\nUSDT", False),
        ("\u0661\u0662USDT", False),
    ],
)
def test_a_symbol_beyond_ascii_is_plain(text: str, is_one: bool) -> None:
    """Normalised, capital, of one script, with an ASCII quote, at most 60 bytes, nothing invisible."""
    assert is_symbol(text) == is_one
    assert validate_symbols([text], [text])[0] == ([text] if is_one else [])


def test_a_symbol_in_ascii() -> None:
    """Percent-encoded beyond ASCII, else itself."""
    assert ascii_symbol("BTCUSDT") == "BTCUSDT"
    assert ascii_symbol("\u5e01USDT") == "%E5%B8%81USDT"
