"""`liqstream backups`: a line for each, or JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

from click.testing import CliRunner

from liqstream.cli import main


def test_backups_are_listed(tmp_path: Path) -> None:
    """Newest first, with time and size; none is said on standard error."""
    options = ["--db", str(tmp_path / "market.duckdb")]
    done = CliRunner().invoke(main, ["backups", *options])
    assert (done.exit_code, done.stdout, "no backup" in done.stderr) == (0, "", True)
    path = tmp_path / "backups" / "market-20260102T030405Z.duckdb"
    path.parent.mkdir()
    path.write_bytes(bytes(1_500_000))
    os.utime(path, (1_767_323_045, 1_767_323_045))
    done = CliRunner().invoke(main, ["backups", *options])
    assert done.stdout == f"2026-01-02T03:04:05Z        1.5 MB  {path}\n"
    done = CliRunner().invoke(main, ["backups", "--json", *options])
    assert json.loads(done.stdout) == [
        {"path": str(path), "written": "2026-01-02T03:04:05Z", "size_bytes": 1_500_000}
    ]
