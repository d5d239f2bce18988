"""Settings: strongest source first, and one clear line for what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from liqstream.settings import BadSettingError, Settings, duration_ms, load_settings, setting_variable


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(setting_variable(name), raising=False)


def test_defaults_stand_alone() -> None:
    """Nothing has to be set."""
    settings = load_settings()
    assert (settings.ws_update_interval_s, settings.port, settings.symbols[0]) == (5, 8000, "BTCUSDT")


def test_command_line_beats_environment_beats_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The nearest word counts."""
    (tmp_path / ".env").write_text("LIQSTREAM_PORT=1\nWS_UPDATE_INTERVAL=11\nLIQSTREAM_HOST=::1\n")
    monkeypatch.setenv("LIQSTREAM_PORT", "2")
    monkeypatch.setenv("WS_UPDATE_INTERVAL", "12")
    settings = load_settings(port=3)
    assert (settings.port, settings.ws_update_interval_s, settings.host) == (3, 12, "::1")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WS_UPDATE_INTERVAL", "0", "greater than or equal to 1"),
        ("WS_UPDATE_INTERVAL", "soon", "a valid integer"),
        ("WS_SLOW_CONSUMER_TIMEOUT", "-1", "greater than 0"),
        ("WS_ENABLED", "perhaps", "a valid boolean"),
        ("LIQSTREAM_PORT", "70000", "less than or equal to 65535"),
        ("LIQSTREAM_SYMBOLS", "DOGEBTC", "BTCUSDT"),
        ("LIQSTREAM_SYMBOLS", "BTC/USDT", "e.g. BTCUSDT"),
        ("LIQSTREAM_INTERVAL", "7m", "1m, 3m, 5m"),
        ("LIQSTREAM_REPLAY_WARMUP", "three days", "match pattern"),
    ],
)
def test_a_bad_value_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    """It names the variable, the value and what is allowed."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettingError) as refused:
        load_settings()
    line = str(refused.value)
    assert variable in line
    assert value.upper() in line.upper()
    assert says in line
    assert "\n" not in line


def test_an_unknown_symbol_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """LIQSTREAM_EXTRA_SYMBOLS extends the supported ones."""
    monkeypatch.setenv("LIQSTREAM_EXTRA_SYMBOLS", "PEPEUSDT")
    assert load_settings(symbols="BTCUSDT,PEPEUSDT").symbols == ("BTCUSDT", "PEPEUSDT")


def test_settings_are_frozen() -> None:
    """What was read at the start stays."""
    with pytest.raises(ValidationError):
        load_settings().port = 1  # type: ignore[misc]


def test_durations() -> None:
    """A whole number and a unit, or a sentence."""
    assert duration_ms("3d") == 259_200_000
    with pytest.raises(ValueError, match="12h"):
        duration_ms("1.5h")
