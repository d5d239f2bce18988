"""The table: its defaults, what follows from several settings, and that none changes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from liqstream.settings.server_role import ServerRole
from liqstream.settings.table import Settings


def test_defaults_stand_alone() -> None:
    """Nothing has to be set."""
    settings = Settings()
    assert (settings.ws_update_interval_s, settings.port, settings.symbols[0]) == (5, 8000, "BTCUSDT")
    assert (settings.role, settings.serves_stream) == ("all", True)


def test_settings_are_frozen() -> None:
    """What was read at the start stays."""
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("ws_enabled", "role", "serves"),
    [
        (True, ServerRole.ALL, True),
        (True, ServerRole.FANOUT, True),
        (True, ServerRole.PRODUCER, False),
        (False, ServerRole.ALL, False),
        (False, ServerRole.FANOUT, False),
    ],
)
def test_who_serves_the_stream(ws_enabled: bool, role: ServerRole, serves: bool) -> None:
    """WS_ENABLED and the role decide together; neither changes the other."""
    settings = Settings(ws_enabled=ws_enabled, role=role)
    assert settings.serves_stream is serves
    assert settings.ws_enabled is ws_enabled


def test_lists_are_split_and_cleaned() -> None:
    """Commas and spaces part them; symbols are upper, other names lower case; each comes once."""
    settings = Settings(symbols="BTCUSDT, ethusdt,BTCUSDT,", exchanges="Binance")
    assert (settings.symbols, settings.exchanges) == (("BTCUSDT", "ETHUSDT"), ("binance",))


def test_known_symbols_are_the_supported_and_the_extra_ones() -> None:
    """Only these may be followed."""
    known = Settings(extra_symbols=("PEPEUSDT",)).known_symbols
    assert known[0] == "BTCUSDT"
    assert known[-1] == "PEPEUSDT"
