"""The settings: their variables, limits and defaults, and what `liqstream show-config` prints of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from liqstream.cli import main
from liqstream.cli.show_config import setting_rows
from liqstream.settings.load import setting_variable
from liqstream.settings.table import Settings
from tests.docs.doc_blocks import ROOT
from tests.golden.compare import check_json, check_text

COLUMNS = "160"
CHANGED = {
    "LIQSTREAM_PORT": "81",
    "REDIS_URL": "redis://user:secret@redis:6379/1",
    "LIQSTREAM_EXCHANGES": "okx,bybit",
}


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's: settings, terminal, colours."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(setting_variable(name), raising=False)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", COLUMNS)
    monkeypatch.setenv("TERM", "dumb")


def show_config(*options: str) -> str:
    """What is printed."""
    result = CliRunner().invoke(main, ["show-config", *options], prog_name="liqstream")
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_of_settings() -> None:
    """Variable, type, default and limits of each."""
    schema = Settings.model_json_schema(by_alias=True)
    # An enum stands apart and is referred to; here its values stand with the setting.
    enums = {f"#/$defs/{name}": enum for name, enum in schema.get("$defs", {}).items()}
    settings = {name: enums.get(row.get("$ref"), {}) | row for name, row in schema["properties"].items()}
    left_out = {"title", "description", "$ref"}  # show-config.txt has the texts
    check_json(
        "settings.json",
        {
            name: {key: row[key] for key in sorted(row) if key not in left_out}
            for name, row in settings.items()
        },
    )


def test_show_config() -> None:
    """The table of a person who has set nothing."""
    lines = [line.rstrip() for line in show_config().splitlines()]
    check_text("show-config.txt", "\n".join(lines) + "\n")


def test_show_config_as_a_file() -> None:
    """`.env.template`, and the table in docs/configuration.md."""
    assert show_config("--env") == (ROOT / ".env.template").read_text()
    assert show_config("--markdown") in (ROOT / "docs" / "configuration.md").read_text()


def test_show_config_where_values_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As JSON, with variables and a `.env`; the password is not shown. Only what is not the default."""
    for name, value in CHANGED.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".env").write_text("LIQSTREAM_HOST=::1\nLIQSTREAM_PORT=1\n")
    rows = json.loads(show_config("--json"))
    assert [row["setting"] for row in rows] == [row.setting for row in setting_rows(Settings(_env_file=None))]
    check_json("show-config-json.json", [row for row in rows if row["origin"] != "default"])
