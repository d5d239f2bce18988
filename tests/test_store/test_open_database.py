"""liqstream/store/open_database.py: opening a real file, and every way it fails."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from liqstream.store.errors import StoreError, StoreLocked
from liqstream.store.open_database import backup_folder, open_connection
from liqstream.store.schema import SCHEMA_VERSION

HOLDS_IT = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def test_a_new_file_has_the_tables_in_a_folder_that_is_made(tmp_path: Path) -> None:
    """And an empty file, left by a kill in its first moment, is as good as none."""
    path = tmp_path / "new" / "market.duckdb"
    path.parent.mkdir()
    path.touch()
    connection, recoveries = open_connection(path, memory_limit="256MB")
    assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    assert recoveries == 0
    connection.close()


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    """A pipe, as a device, has no bytes and is no file that a kill left behind; a folder is none either."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(StoreError, match="is no file"):
            open_connection(path, memory_limit="256MB")
    assert pipe.is_fifo()


@pytest.mark.parametrize("room", [0, 20_000, 60_000])
def test_a_new_file_for_which_there_is_no_room_is_one_line(tmp_path: Path, room: int) -> None:
    """Here a limit on the size of files; a full disk and a quota say the same at the same places."""
    path = tmp_path / "market.duckdb"
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, most[1]))
    try:
        with pytest.raises(StoreError, match="there is no room for it") as caught:
            open_connection(path, memory_limit="256MB")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert len(str(caught.value).splitlines()) == 1
    connection, _ = open_connection(path, memory_limit="256MB")
    assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    connection.close()


def test_an_empty_file_behind_a_link_stays_behind_it(tmp_path: Path) -> None:
    """The link leads to the store afterwards."""
    link, path = tmp_path / "link.duckdb", tmp_path / "market.duckdb"
    path.touch()
    link.symlink_to(path)
    connection, _ = open_connection(link, memory_limit="256MB")
    connection.close()
    assert link.is_symlink()
    assert path.stat().st_size


@pytest.mark.parametrize(
    "sql",
    [
        "COPY candles TO '/tmp/liqstream-stolen.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '64GB'",
    ],
)
def test_sql_reaches_neither_files_nor_settings(tmp_path: Path, sql: str) -> None:
    """But for the folder backups are made in."""
    path = tmp_path / "market.duckdb"
    connection, _ = open_connection(path, memory_limit="256MB")
    with pytest.raises(duckdb.Error):
        connection.execute(sql)
    backup_folder(path).mkdir()
    connection.execute(f"COPY candles TO '{backup_folder(path)}/candles.csv'")
    connection.close()


def test_a_file_in_use_is_refused_with_its_holder(tmp_path: Path) -> None:
    """By its process id: that is the one to stop."""
    path = tmp_path / "market.duckdb"
    command = [sys.executable, "-c", HOLDS_IT, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreLocked, match=f"process {holder.pid}"):
            open_connection(path, memory_limit="256MB")
        holder.communicate()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """In one line that says what to do."""
    path = tmp_path / "market.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="is not a DuckDB file; move it away") as refused:
        open_connection(path, memory_limit="256MB")
    assert "\n" not in str(refused.value)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot make"):
        open_connection(tmp_path / "file" / "market.duckdb", memory_limit="256MB")
