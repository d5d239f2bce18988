"""The exchanges' addresses among the variables."""

from __future__ import annotations

from liqstream.settings.exchange_settings import ExchangeSettings
from liqstream.settings.table import Settings


def test_addresses_are_found_by_pattern() -> None:
    """By the exchange's name in small letters; which exchanges there are is not known here."""
    variables = {
        "LIQSTREAM_BYBIT_REST_URL": "https://one.example",
        "LIQSTREAM_NEWCOMER_WS_URL": "wss://two.example",
        "LIQSTREAM_REST_URL": "https://none.example",
        "LIQSTREAM_PORT": "1",
    }
    assert ExchangeSettings(Settings, variables)() == {
        "LIQSTREAM_<NAME>_REST_URL": {"bybit": "https://one.example"},
        "LIQSTREAM_<NAME>_WS_URL": {"newcomer": "wss://two.example"},
    }
