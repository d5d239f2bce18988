"""`liqstream restore`: by path or by name; what cannot be used is one line."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from liqstream.cli import main
from tests.test_store.test_backup_files import make_store, times_of


def test_a_backup_is_restored_by_path_or_name(tmp_path: Path) -> None:
    """It says what is in it, and where the store that was there is."""
    db = make_store(tmp_path / "market.duckdb", 1)
    copy = make_store(tmp_path / "backups" / "market-20260101T000000Z.duckdb", 7, 8)
    done = CliRunner().invoke(main, ["restore", copy.name, "--db", str(db)])
    assert done.exit_code == 0, done.output
    assert "2 funding" in done.stdout
    assert f"kept: {db}.before-restore-" in done.stdout
    assert times_of(db) == [7, 8]
    db.unlink()
    done = CliRunner().invoke(main, ["restore", str(copy), "--db", str(db)])
    assert "kept" not in done.stdout
    assert times_of(db) == [7, 8]


def test_what_is_not_there_or_no_store_is_one_line(tmp_path: Path) -> None:
    """And the store is as it was."""
    db = make_store(tmp_path / "market.duckdb", 1)
    (tmp_path / "page.html").write_text("<html>" * 1000)
    for name in ("nowhere.duckdb", str(tmp_path / "page.html")):
        done = CliRunner().invoke(main, ["restore", name, "--db", str(db)])
        assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
    assert times_of(db) == [1]
