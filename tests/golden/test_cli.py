"""`--help` of the command and of each of its verbs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from liqstream.cli import VERBS, main
from liqstream.settings.load import setting_variable
from liqstream.settings.table import Settings
from tests.golden.compare import check_text


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help(verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At a terminal of 100 columns, with no setting around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in Settings.model_fields:
        monkeypatch.delenv(setting_variable(name), raising=False)
    result = CliRunner().invoke(main, [verb, "--help"] if verb else ["--help"], prog_name="liqstream")
    assert result.exit_code == 0, result.output
    check_text(f"help-{verb or 'liqstream'}.txt", result.output)
