"""Every setting with every value that should not be there: each is taken, or ends in one clear line."""

from __future__ import annotations

import os
import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings
from liqstream.settings.unknown_names import OTHER_NAMES, known_names
from tests.support.seeds import new_seed

VALUES = (
    *("", " ", "  x ", "\u0661\u0662", "1e400", "-1", "nan", "inf", "9" * 30, "9" * 5000, "x" * 100_000),
    *("TRUE", "tRuE", "yes", "1", "0", "'1'", '"1"', "1_000", "0x10", "1.5", "1,2", ",", ",,", ";"),
    *(
        "http://",
        "http://[",
        "http://a:99999",
        "https://u:hidden@h/ x",
        "ws://x",
        "//",
        "/",
        "..",
        "~",
        "$HOME",
    ),
    *(
        "\U0001f680",
        "\u202e",
        "\x1b[31m",
        "\n",
        "\r\n",
        "a\nb",
        "\t",
        "null",
        "None",
        "[]",
        "{}",
        "[",
        '{"a":1}',
    ),
    *(
        "BTC/USDT:USDT",
        "top:0",
        "top:-1",
        "top:1e9",
        "all",
        "top:",
        "all,BTCUSDT",
        "7m",
        "0d",
        "9" * 20 + "d",
    ),
    *("2026-13-01", "9999-12-31T23:59:59Z", "0001-01-01", "\udcff"),
)
NAMES = sorted(
    known_names() - OTHER_NAMES
    | {"LIQSTREAM_BINANCE_REST_URL", "LIQSTREAM_OKX_WS_URL", "LIQSTREAM_BYBIT_REGION"}
)


@pytest.fixture(autouse=True)
def _without_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("LIQSTREAM_", "WS_", "REDIS_")):
            monkeypatch.delenv(name)


def outcome(variables: dict[str, str]) -> str:
    """The line that refuses these variables, "" where they are taken; checked on the way."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        try:
            taken = load_settings()
        except BadSettingError as error:
            line = str(error)
            assert line.isprintable(), line
            assert len(line) < 1000
            # Of a setting that is no address, only its own name says what is in it.
            assert "hidden" not in line or not any("URL" in name or "PROXY" in name for name in variables)
            assert any(name in line for name in variables), line
            return line
    assert isinstance(taken, Settings)
    assert taken.symbols
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_each_setting_with_each_value(name: str) -> None:
    """No exception but the one of a line that names the variable, in which no password is."""
    lines = [outcome({name: value}) for value in VALUES]
    field = (
        next(each for each in Settings.model_fields.values() if each.validation_alias == name)
        if (name in known_names())
        else None
    )
    if field is not None and field.annotation in (int, float, bool):
        assert sum(map(bool, lines)) > len(VALUES) / 2, "hardly anything was refused: nothing was tested"


def check_some(seed: int, count: int) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        names = chance.sample(NAMES, chance.choice([1, 2, 5]))
        values = [
            chance.choice(VALUES)
            if chance.random() < 0.5
            else "".join(chance.choices(string.printable + "\u0661\u5e01\u202e", k=chance.choice([1, 5, 40])))
            for _ in names
        ]
        outcome(dict(zip(names, values, strict=True)))


def test_settings_at_random() -> None:
    """The same in each run; `make attack` looks for new ones."""
    check_some(1, 150)


@pytest.mark.attack
@pytest.mark.timeout(900)
def test_thousands_of_settings_at_random() -> None:
    """Others each time."""
    check_some(new_seed(), 20_000)


@settings(max_examples=100)
@given(text=st.binary(max_size=200))
def test_a_damaged_env_file(text: bytes) -> None:
    """Whatever its bytes, it is taken or refused in a line."""
    path = Path(".env")
    path.write_bytes(b"LIQSTREAM_PORT=8001\n" + text + b"\nWS_UPDATE_INTERVAL=7\n")
    line = ""
    try:
        load_settings()
    except BadSettingError as error:
        line = str(error)
    finally:
        path.unlink()
    assert line == "" or line.isprintable()
