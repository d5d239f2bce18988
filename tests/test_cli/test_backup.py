"""`liqstream backup`: with nobody around, and beside a process that must not be harmed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from liqstream.cli import main
from liqstream.store.backup_files import backups_of, rows_of
from tests.test_store.test_backup_files import make_store

SERVER = """
import duckdb, pathlib, shutil, signal, sys
db = pathlib.Path(sys.argv[1])
held = duckdb.connect(str(db))
def back_up(*_):
    part = db.parent / "part"
    part.write_bytes(b"whole")
    part.rename(db.parent / "backups" / "market-20990101T000000Z.duckdb")
if sys.argv[2] == "obeys":
    signal.signal(signal.SIGUSR1, back_up)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A store with two rates, and two backups of long ago."""
    (tmp_path / "backups").mkdir()
    for day in (1, 2):
        (tmp_path / "backups" / f"market-2020010{day}T000000Z.duckdb").touch()
    return make_store(tmp_path / "market.duckdb", 1, 2)


def test_a_store_that_nobody_has_open_is_copied_at_once(db: Path) -> None:
    """The path is printed; of the others as many are kept as is asked for."""
    done = CliRunner().invoke(main, ["backup", "--db", str(db), "--keep", "2"])
    assert done.exit_code == 0, done.output
    newest, other = backups_of(db)
    assert done.stdout.strip() == str(newest.path)
    assert rows_of(newest.path)["funding"] == 2
    assert other.path.name == "market-20200102T000000Z.duckdb"


@pytest.mark.parametrize("kind", ["obeys", "does not"])
def test_a_process_that_has_it_open_is_asked_only_if_it_obeys(db: Path, kind: str) -> None:
    """Anybody else would be ended by the signal: it lives on, and is named."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, db, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = CliRunner().invoke(main, ["backup", "--db", str(db)])
        holder.communicate()
    assert holder.returncode == 0, "it was ended by a signal"
    if kind == "obeys":
        assert done.stdout.strip() == str(db.parent / "backups" / "market-20990101T000000Z.duckdb")
    else:
        assert (done.exit_code, f"process {holder.pid}" in done.output) == (1, True)


def test_no_store_is_one_line(tmp_path: Path) -> None:
    """And no backup."""
    done = CliRunner().invoke(main, ["backup", "--db", str(tmp_path / "market.duckdb")])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert not list(tmp_path.iterdir())
