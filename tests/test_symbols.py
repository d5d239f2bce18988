"""Which symbols and intervals are taken."""

from __future__ import annotations

import pytest

from liqstream.symbols import interval_ms, interval_name, validate_interval, validate_symbols


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
