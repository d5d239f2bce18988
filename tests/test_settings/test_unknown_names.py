"""A name that was meant to be a setting is refused with the one that was meant; others are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.unknown_names import edits, known_names, unknown_names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LIQSTREAM_EXCHANGE", "LIQSTREAM_EXCHANGES"),
        ("LIQSTREAM_SYMBOL", "LIQSTREAM_SYMBOLS"),
        ("LIQSTREAM_TOKEN_FIEL", "LIQSTREAM_TOKENS_FILE"),
        ("LIQSTREAM_TLS_CERTIFICATE", "LIQSTREAM_TLS_CERT"),
        ("LIQSTREAM_REDIS_URL", "REDIS_URL"),
        ("LIQSTREAM_WS_ENABLED", "WS_ENABLED"),
        ("liqstream_port", "LIQSTREAM_PORT"),
        ("LIQSTREAM_okx_REGION", "LIQSTREAM_OKX_REGION"),
        ("WS_ENABLE", "WS_ENABLED"),
        ("ws_enabled", "WS_ENABLED"),
        ("WS_UPDATE_INTREVALS", "WS_UPDATE_INTERVAL"),
        ("REDIS_URI", "REDIS_URL"),
        ("REDIS_ENABELD", "REDIS_ENABLED"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(name: str, meant: str) -> None:
    """In either case of letters, with or without our prefix."""
    assert unknown_names({name: "x"}) == [f"{name}: no such setting; did you mean {meant}?"]


def test_a_name_of_ours_that_resembles_none_is_refused_too() -> None:
    """With where all of them are."""
    (complaint,) = unknown_names({"LIQSTREAM_COFFEE_MACHINE": "on"})
    assert complaint == "LIQSTREAM_COFFEE_MACHINE: no such setting; `liqstream show-config` lists them all"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WS_PORT", "1"),
        ("WS_MAX_SOMETHING_ELSE", "1"),
        ("REDIS_HOST", "there"),
        ("REDIS_PASSWORD", "x"),
        ("redis_uri", "x"),
        ("EXCHANGES", "binance"),
        ("LIQSTREAM_TOKEN", "x"),
        ("LIQSTREAM_OKX_WS_URL", "ws://there"),
        ("LIQSTREAM_SERVICE_HOST", "10.0.0.1"),
        ("LIQSTREAM_SERVICE_PORT", "8000"),
        ("LIQSTREAM_SERVICE_PORT_HTTP", "8000"),
        ("LIQSTREAM_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("LIQSTREAM_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("LIQSTREAM_REDIS_PORT", "tcp://10.0.0.2:6379"),
        ("REDIS_PORT", "tcp://10.0.0.2:6379"),
        ("LIQSTREAM_TEST_DATA", "/somewhere"),
    ],
)
def test_what_belongs_to_others_passes(name: str, value: str) -> None:
    """Other programs' names, the links Kubernetes makes, and what the tests are told."""
    assert unknown_names({name: value}) == []


@pytest.mark.parametrize("name", sorted(known_names()))
def test_what_is_read_passes(name: str) -> None:
    """Every setting, and the token of the verbs."""
    assert unknown_names({name: "x"}) == []


def test_a_slip_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the environment and in `.env`, all of them in one line."""
    monkeypatch.setenv("LIQSTREAM_EXCHANGE", "binance")
    (tmp_path / ".env").write_text("# mine\nexport WS_ENABLE=false\nPOSTGRES_URL=x\n")
    with pytest.raises(BadSettingError) as refused:
        load_settings()
    line = str(refused.value)
    assert "did you mean LIQSTREAM_EXCHANGES?" in line
    assert ".env: WS_ENABLE: no such setting; did you mean WS_ENABLED?" in line
    assert "POSTGRES" not in line
    assert "\n" not in line


@pytest.mark.parametrize("name", ["LIQSTREAM_PORT", "LIQSTREAM_METRICS_PORT"])
def test_a_service_of_our_name_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Kubernetes overwrites what is one of our ports; with the port on the command line it does no harm."""
    monkeypatch.setenv(name, "tcp://10.0.0.1:8000")
    with pytest.raises(BadSettingError, match="enableServiceLinks: false"):
        load_settings()
    assert load_settings(port=1, metrics_port=2).port == 1


def test_edits_are_counted() -> None:
    """Put in, left out, replaced, swapped."""
    assert [edits("abcd", other) for other in ("abcd", "abxcd", "abd", "abxd", "acbd", "dcba", "")] == [
        0, 1, 1, 1, 1, 3, 4,
    ]  # fmt: skip
