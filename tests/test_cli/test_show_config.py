"""`liqstream show-config`: every setting once, with its value and where that comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from liqstream.cli import main
from liqstream.cli.show_config import env_template, markdown_table, setting_rows
from liqstream.feeds.registry import VENUES
from liqstream.settings.load import load_settings, setting_variable
from liqstream.settings.table import Settings


def test_every_setting_and_two_addresses_per_exchange(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Environment before `.env` before the default; a password is not shown."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LIQSTREAM_OKX_WS_URL=ws://there\n")
    monkeypatch.setenv("LIQSTREAM_OKX_REST_URL", "http://here")
    monkeypatch.setenv("REDIS_URL", "redis://me:secret@there:1")
    monkeypatch.setenv("LIQSTREAM_PROXY", "http://me:secret@there:1")
    monkeypatch.setenv("LIQSTREAM_HYPERLIQUID_REST_URL", "http://me:secret@there:1")
    monkeypatch.setenv("LIQSTREAM_HYPERLIQUID_WS_URL", "ws://me:secret@there:1")
    rows = {row.setting: row for row in setting_rows(load_settings())}
    own = {setting_variable(name) for name in Settings.model_fields if not name.startswith("exchange_")}
    addresses = {f"LIQSTREAM_{name.upper()}_{kind}_URL" for name in VENUES for kind in ("REST", "WS")}
    regions = {f"LIQSTREAM_{name.upper()}_REGION" for name, venue in VENUES.items() if venue.regions}
    assert set(rows) == own | addresses | regions
    found = {
        name: (rows[f"LIQSTREAM_{name}_URL"].value, rows[f"LIQSTREAM_{name}_URL"].origin)
        for name in ("OKX_REST", "OKX_WS", "BYBIT_WS")
    }
    assert found == {
        "OKX_REST": ("http://here", "environment"),
        "OKX_WS": ("ws://there", ".env"),
        "BYBIT_WS": (VENUES["bybit"].ws_url, "default"),
    }
    assert rows["REDIS_URL"].value == "redis://***@there:1"
    for variable in ("LIQSTREAM_PROXY", "LIQSTREAM_HYPERLIQUID_REST_URL", "LIQSTREAM_HYPERLIQUID_WS_URL"):
        assert rows[variable].value.endswith("://***@there:1")
    assert "{" not in "".join(row.meaning for row in rows.values())


def test_the_files_made_of_the_rows_have_each() -> None:
    """`.env.template` and the table of docs/configuration.md."""
    rows = setting_rows(Settings(_env_file=None))
    template, table = env_template(rows), markdown_table(rows)
    for row in rows:
        assert f"#{row.setting}={row.default}\n" in template
        assert f"| `{row.setting}` |" in table


def test_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`NAME=value  # origin`, whatever its length and whatever it looks like."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")
    origins = ",".join(f"https://page-{number}.example" for number in range(40))
    monkeypatch.setenv("LIQSTREAM_ALLOWED_ORIGINS", origins)
    monkeypatch.setenv("LIQSTREAM_ALERTS_FILE", "[bold]:x:")
    result = CliRunner().invoke(main, ["show-config"])
    lines = result.output.splitlines()
    assert f"LIQSTREAM_ALLOWED_ORIGINS={origins}  # environment" in lines
    assert "LIQSTREAM_ALERTS_FILE=[bold]:x:  # environment" in lines
    assert "LIQSTREAM_BRACKETS=  # default" in lines
    assert len(lines) == len(setting_rows(load_settings()))
    assert all(re.fullmatch(r"[A-Z_0-9]+=.*  # (default|environment|\.env)", line) for line in lines)


def test_a_terminal_gets_a_table_that_cuts_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is too long for its column goes on in the next line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LIQSTREAM_ALERTS_FILE", "x" * 150)
    shown = CliRunner().invoke(main, ["show-config"]).output
    assert "meaning" in shown.splitlines()[0]
    assert shown.count("x") > 150
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
