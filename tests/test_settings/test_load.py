"""Settings are read from the strongest source first; one that cannot be used is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.settings.load import BadSettingError, duration_ms, load_settings, setting_variable
from liqstream.settings.server_role import ServerRole


def test_command_line_beats_environment_beats_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The nearest word counts."""
    (tmp_path / ".env").write_text("\ufeffLIQSTREAM_HOST=::1\nWS_UPDATE_INTERVAL=11\nLIQSTREAM_PORT=1\n")
    monkeypatch.setenv("LIQSTREAM_PORT", "2")
    monkeypatch.setenv("WS_UPDATE_INTERVAL", "12")
    settings = load_settings(port=3)
    assert (settings.port, settings.ws_update_interval_s, settings.host) == (3, 12, "::1")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WS_UPDATE_INTERVAL", "0", "must be a whole number from 1 to 60"),
        ("WS_UPDATE_INTERVAL", "soon", "must be a whole number from 1 to 60"),
        ("WS_SLOW_CONSUMER_TIMEOUT", "-1", "must be a number above 0, at most 60"),
        ("WS_ENABLED", "perhaps", "must be true or false"),
        ("LIQSTREAM_PORT", "70000", "from 0 to 65535"),
        ("LIQSTREAM_SYMBOLS", "DOGEBTC", "BTCUSDT"),
        ("LIQSTREAM_SYMBOLS", "BTC/USD:BTC", "e.g. BTCUSDT"),
        ("LIQSTREAM_INTERVAL", "7m", "1m, 3m, 5m"),
        ("LIQSTREAM_ROLE", "leader", "'all', 'producer' or 'fanout'"),
        ("LIQSTREAM_ROLE", "fanout", "REDIS_ENABLED=true"),
        ("LIQSTREAM_DEMO_START", "tomorrow", "a UTC date (2026-01-31)"),
        ("LIQSTREAM_REPLAY_WARMUP", "three days", "a whole number and a unit, e.g. 90s"),
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


def test_any_perpetual_of_an_exchange_can_be_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every usual form, without being allowed first; whether it is listed, the exchange says."""
    monkeypatch.setenv("LIQSTREAM_EXCHANGES", "okx")
    named = load_settings(symbols="BTC/USDT:USDT, kPEPE,WIF-USDT-SWAP, BTC/USDC:USDC")
    assert named.symbols == ("BTCUSDT", "PEPEUSDT", "WIFUSDT", "BTCUSDC")
    with pytest.raises(BadSettingError, match=r"LIQSTREAM_SYMBOLS=DOGEBTC: .*settled in USDT, USDC, USD"):
        load_settings(symbols="BTCUSDT,DOGEBTC")


def test_a_role_is_read_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the setting writes it."""
    monkeypatch.setenv("LIQSTREAM_ROLE", "producer")
    assert load_settings().role is ServerRole.PRODUCER


def test_the_variable_of_an_attribute() -> None:
    """The name by which people set it."""
    assert setting_variable("ws_enabled") == "WS_ENABLED"


def test_where_an_exchange_is_comes_by_pattern(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever its name; the strongest source counts for each address on its own."""
    (tmp_path / ".env").write_text(
        "LIQSTREAM_BINANCE_REST_URL=http://a\nLIQSTREAM_BINANCE_WS_URL=ws://a\nLIQSTREAM_OKX_WS_URL=ws://b\n"
    )
    monkeypatch.setenv("LIQSTREAM_BINANCE_REST_URL", "http://c")
    monkeypatch.setenv("LIQSTREAM_NEW_REST_URL", "http://d")
    settings = load_settings(okx_ws_url="ws://e", bybit_ws_url=None)
    assert settings.exchange_rest_urls == {"binance": "http://c", "new": "http://d"}
    assert settings.exchange_ws_urls == {"binance": "ws://a", "okx": "ws://e"}


@pytest.mark.parametrize("password", ["s3cr 3t", "s3cr\n3t", "s3'cr 3t", 's3c"r 3t'])
def test_an_address_with_white_space_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Where an address in a sentence would end, one that is a value goes on."""
    monkeypatch.setenv("REDIS_URL", f"redis://u:{password}@host")
    with pytest.raises(BadSettingError) as refused:
        load_settings()
    assert str(refused.value).startswith("REDIS_URL=redis://***@host: must be ")
    assert "3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"), [("LIQSTREAM_OKX_REST_URL", "ws://x"), ("LIQSTREAM_OKX_WS_URL", "http://x#y")]
)
def test_an_address_that_is_none_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """It names the variable, the value and what one looks like."""
    monkeypatch.setenv(variable, value)
    scheme = "http" if "REST" in variable else "ws"
    with pytest.raises(BadSettingError) as refused:
        load_settings()
    right = f"must be a{'n' * (scheme == 'http')} {scheme}:// or {scheme}s:// address without a query"
    assert str(refused.value).startswith(f"{variable}={value}: {right}")


def test_durations() -> None:
    """A whole number and a unit, or a sentence."""
    assert duration_ms("3d") == 259_200_000
    with pytest.raises(ValueError, match="12h"):
        duration_ms("1.5h")
