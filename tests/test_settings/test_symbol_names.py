"""liqstream/settings/symbol_names.py: symbols in any form, or a choice by size."""

from __future__ import annotations

import pytest

from liqstream.cli.show_config import setting_rows
from liqstream.market.ranking import MarketChoice
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.symbols import SUPPORTED_SYMBOLS


@pytest.mark.parametrize("text", ["top:50", "all", " TOP:50 ", "All"])
def test_a_choice_stands_for_the_supported_symbols_until_it_is_made(text: str) -> None:
    """And is shown as it was set."""
    settings = load_settings(symbols=text, exchanges="binance")
    assert settings.market_choice == MarketChoice.read(text)
    assert tuple(settings.symbols) == SUPPORTED_SYMBOLS
    (row,) = (row for row in setting_rows(settings) if row.setting == "LIQSTREAM_SYMBOLS")
    assert row.value == text.strip().lower()


def test_named_symbols_are_no_choice() -> None:
    """In any usual form."""
    settings = load_settings(symbols="BTC/USDT:USDT,kPEPE", exchanges="binance")
    assert (settings.symbols, settings.market_choice) == (("BTCUSDT", "PEPEUSDT"), None)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"symbols": "top:0", "exchanges": "binance"}, "=top:0: top:0 is no choice of markets; top:N with"),
        ({"symbols": "top:many", "exchanges": "binance"}, "top:N with N from 1 to 2000"),
        ({"symbols": "top:5,BTCUSDT", "exchanges": "binance"}, "top:5 alone, without other symbols"),
        ({"symbols": "all,top:5", "exchanges": "binance"}, "all alone, without other symbols"),
        ({"symbols": "top:5"}, "top:5: needs LIQSTREAM_EXCHANGES to choose from"),
        ({"symbols": "all", "exchanges": "binance", "replay": "store"}, "all: a replay has its own"),
        ({"extra_symbols": "top:5"}, "=top:5: top:5 is no symbol; 2 to 20"),
    ],
)
def test_what_cannot_be_stops_the_start_with_one_line(given: dict[str, str], sentence: str) -> None:
    """The line names the setting and what is right."""
    with pytest.raises(BadSettingError) as caught:
        load_settings(**given)
    line = str(caught.value)
    assert sentence in line
    assert "\n" not in line
    assert "SYMBOLS" in line


def test_a_server_that_only_fans_out_needs_no_exchange() -> None:
    """It takes the leader's list."""
    assert load_settings(symbols="top:5", role="fanout", redis_enabled=True).market_choice == MarketChoice(5)
