"""Addresses without their secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.client.errors import CannotConnectError
from liqstream.client.url_mask import masked

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:s3cr3t@host:1/path", "http://***@host:1/path"),
        ("redis://:s3cr3t@host/2?password=s3cr3t", "redis://***@host/2?***"),
        ("rediss://host/0?password=s3cr3t&db=1", "rediss://host/0?***"),
        ("sentinel://u:s3cr3t@a:1,b:2/main/0", "sentinel://***@a:1,b:2/main/0"),
        ("wss://s3cr3t@host", "wss://***@host"),
        ("http://u:s3/cr3t?s3cr3t#s3cr3t@host", "http://***@host"),
        ("http://u:s3cr3t@s3cr3t@host", "http://***@host"),
        ("cannot reach 'http://u:s3cr3t@host/x': no", "cannot reach 'http://***@host/x': no"),
        ("URL('wss://u:s3cr3t@h'), message=''", "URL('wss://***@h'), message=''"),
        ("cannot reach 'redis://u:s3'c\"r<3>t@host': no", "cannot reach 'redis://***@host': no"),
        ("two: http://u:s3cr3t@a http://u:s3cr3t@b", "two: http://***@a http://***@b"),
        ("LIQSTREAM_BINANCE_REST_URL=u:s3cr3t@host: must be", "LIQSTREAM_BINANCE_REST_URL=***@host: must be"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    """User, password and query, wherever in a text the address stands."""
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    ["", "no address", "12:30 @ noon",
     "http://127.0.0.1:8000/api", "redis://localhost:6379", "bot@example.com",
     "/api/heatmap/BTCUSDT/history?window=12h", "unix:///run/redis.sock", "{'a': 1}"],
)  # fmt: skip
def test_other_text_stays(text: str) -> None:
    """Addresses without secrets, mail addresses, paths."""
    assert masked(text) == text


@given(st.text(st.characters(exclude_categories=("Cs", "Z", "C")), max_size=20))
def test_whatever_the_password_holds(password: str) -> None:
    """Nothing of it is left, and masking again changes nothing."""
    shown = masked(f"at http://user:{password}@host/path, now")
    assert shown == "at http://***@host/path, now"
    assert masked(shown) == shown


def test_errors_of_the_client_are_masked() -> None:
    """They are shown to whoever runs it."""
    assert SECRET not in str(CannotConnectError(f"cannot connect to ws://u:{SECRET}@host/ws/heatmap: no"))


def test_errors_of_the_client_are_one_printable_line() -> None:
    """A server's words may be in them: close reasons, refusals."""
    assert str(CannotConnectError("no \x1b[2J\nwäy")) == r"no \x1b[2J\nwäy"
