"""`liqstream new-token` and the file it writes."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from liqstream.admission.tokens import TokenRing
from liqstream.cli import main


def test_each_token_opens_the_door_and_none_is_kept(tmp_path: Path) -> None:
    """Printed once, hashed in a file only its owner can read."""
    path = tmp_path / "tokens"
    tokens = [
        CliRunner().invoke(main, ["new-token", name, "--file", str(path)]).output.strip() for name in "ab"
    ]
    ring = TokenRing(path)
    ring.reload()
    assert [ring.owner(token) for token in tokens] == ["a", "b"]
    assert not any(token in path.read_text() for token in tokens)
    assert path.stat().st_mode & 0o077 == 0


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    """A bad name, a folder that is not there, no file at all."""
    for arguments, says in (
        (["a b", "--file", str(tmp_path / "tokens")], "letters"),
        (["a", "--file", str(tmp_path / "no" / "tokens")], "No such file"),
        (["a"], "LIQSTREAM_TOKENS_FILE"),
    ):
        result = CliRunner().invoke(main, ["new-token", *arguments], env={"LIQSTREAM_TOKENS_FILE": ""})
        assert result.exit_code != 0
        assert says in result.output
