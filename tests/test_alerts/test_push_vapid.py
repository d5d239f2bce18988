"""The server's key and its tokens (RFC 8292)."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature

from liqstream.alerts.push_vapid import TOKEN_S, VapidKey, VapidTokens
from tests.support.push_host import bytes_of, token_claims

ORIGIN = "https://push.example.net"
# RFC 8292, 2.4.
RFC_HEADER = (
    "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE"
    "0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpi"
    "UfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SD"
    "Yic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
)
RFC_CLAIMS = {"aud": ORIGIN, "exp": 1453523768, "sub": "mailto:push@example.com"}


def test_the_check_of_these_tests_takes_the_rfcs_example() -> None:
    assert token_claims(RFC_HEADER) == RFC_CLAIMS
    with pytest.raises(InvalidSignature):
        token_claims(RFC_HEADER.replace("i3CYb7t4", "i3CYb7t5"))


def test_a_token_is_written_as_in_the_rfcs_example() -> None:
    """The signature has chance in it; all that is signed is the same to the byte."""
    tokens = VapidTokens(VapidKey.new(), "mailto:push@example.com", lambda: 1453523768 - TOKEN_S)
    header = tokens.header(ORIGIN)
    assert header.rpartition(".")[0] == RFC_HEADER.rpartition(".")[0]
    assert token_claims(header) == RFC_CLAIMS


def test_a_token_is_used_for_hours_and_made_anew_before_it_ends() -> None:
    now_s = 1e9
    tokens = VapidTokens(VapidKey.new(), "https://example.com", lambda: now_s)
    first = tokens.header(ORIGIN)
    now_s += TOKEN_S - 3601
    assert tokens.header(ORIGIN) == first
    now_s += 2
    second = tokens.header(ORIGIN)
    assert token_claims(second)["exp"] == now_s + TOKEN_S
    now_s -= 10 * TOKEN_S  # the clock was set back: a token of tomorrow would be refused
    assert token_claims(tokens.header(ORIGIN))["exp"] == now_s + TOKEN_S
    assert token_claims(tokens.header("https://other.example"))["aud"] == "https://other.example"


def test_a_key_is_kept_and_read_again() -> None:
    key = VapidKey.new()
    again = VapidKey.from_text(key.to_text())
    assert again.public == key.public
    assert bytes_of(key.public)[0] == 4
    assert len(bytes_of(key.public)) == 65
    assert VapidKey.new().public != key.public


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "_" * 43, "é"])
def test_a_damaged_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="none of ours") as raised:
        VapidKey.from_text(text)
    assert not text or text not in str(raised.value)


def test_a_key_does_not_show_itself() -> None:
    key = VapidKey.new()
    assert key.to_text() not in f"{key} {key!r}"
