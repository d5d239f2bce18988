"""`liqstream mcp` where it cannot begin; tests/test_assistant/test_tools.py has what it answers."""

from __future__ import annotations

import importlib.util

import pytest
from click.testing import CliRunner

from liqstream.cli import main


def test_what_keeps_it_from_answering_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is none, named by the variable too; the protocol's package not installed."""
    result = CliRunner().invoke(main, ["mcp"], env={"LIQSTREAM_URL": "ftp://nowhere"})
    assert (result.exit_code, result.stdout) == (1, "")
    assert "'ftp://nowhere' is no address" in result.stderr
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    result = CliRunner().invoke(main, ["mcp"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "pip install 'liqstream[mcp]'" in result.stderr
