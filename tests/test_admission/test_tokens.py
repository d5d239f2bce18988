"""Who has a token."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.admission.tokens import TokenFileError, TokenRing, new_token, token_line


@pytest.fixture
def token() -> str:
    """A fresh token."""
    return new_token()


@pytest.fixture
def path(tmp_path: Path, token: str) -> Path:
    """A token file that knows `token`, and one other."""
    path = tmp_path / "tokens"
    path.write_text(f"# bots\n\n{token_line('bot-1', token)}  # the first\n{token_line('b', new_token())}\n")
    return path


def _ring(path: Path) -> TokenRing:
    ring = TokenRing(path)
    ring.reload()
    return ring


def test_a_token_has_an_owner(path: Path, token: str) -> None:
    """By itself or in the header; nothing else has one."""
    ring = _ring(path)
    assert ring.required
    assert ring.owner(token) == "bot-1"
    assert ring.owner_of_header(f"Bearer {token}") == "bot-1"
    assert ring.owner_of_header(f"bearer {token}") == "bot-1"
    for header in (None, "", token, f"Basic {token}", "Bearer", f"Bearer {token}x", f"Bearer {token[:-1]}"):
        assert ring.owner_of_header(header) is None


def test_the_file_holds_no_token(path: Path, token: str) -> None:
    """Whoever reads it cannot come in with it."""
    assert token not in path.read_text()
    assert _ring(path).owner(path.read_text().split(":")[1][:64]) is None


@given(st.text(max_size=400))
def test_no_guess_breaks_it(guess: str) -> None:
    """However long, and with whatever characters."""
    assert TokenRing().owner(guess) is None


def test_a_very_long_token_is_not_hashed(path: Path) -> None:
    """A megabyte costs no more than a letter."""
    assert _ring(path).owner("x" * 1_000_000) is None


def test_without_a_file_nobody_needs_one() -> None:
    """The default."""
    assert not TokenRing().required


def test_before_the_file_is_read_nobody_comes_in(path: Path, token: str) -> None:
    """Not even who should."""
    ring = TokenRing(path)
    assert ring.required
    assert ring.owner(token) is None


def test_reload_adds_and_revokes(path: Path, token: str) -> None:
    """What the file says after the reload holds."""
    ring = _ring(path)
    fresh = new_token()
    path.write_text(token_line("c", fresh))
    ring.reload()
    assert (ring.owner(token), ring.owner(fresh)) == (None, "c")


@pytest.mark.parametrize("text", ["", "# none\n", "bot\n", "bot:123\n", "a b:" + "0" * 64])
def test_a_bad_file_is_one_line(path: Path, token: str, text: str) -> None:
    """At the start it is refused; at a reload the tokens before it stay."""
    ring = _ring(path)
    path.write_text(text)
    with pytest.raises(TokenFileError, match="new-token"):
        ring.reload()
    assert ring.owner(token) == "bot-1"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(TokenFileError, match="no-such"):
        _ring(tmp_path / "no-such")


def test_a_name_must_fit_the_file(token: str) -> None:
    """A line break in a name would be another line."""
    with pytest.raises(ValueError, match="letters"):
        token_line("a\nb", token)
