"""Backups and copies: listed, pruned, checked before they take the store's place, kept before a migration."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from liqstream.store.backup_files import backups_of, drop_old_backups, new_backup_path, restore, rows_of
from liqstream.store.errors import StoreError, StoreLocked, StoreTooNew
from liqstream.store.open_database import open_connection
from liqstream.store.schema import SCHEMA_VERSION

FUNDING = "INSERT INTO funding (exchange, symbol, time_ms, rate) VALUES ('okx', 'BTCUSDT', ?, 0.1)"
HOLDS_IT = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def make_store(path: Path, *times_ms: int) -> Path:
    """A store with a funding rate at each time."""
    connection, _ = open_connection(path, memory_limit="256MB")
    for time_ms in times_ms:
        connection.execute(FUNDING, [time_ms])
    connection.close()
    return path


def times_of(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [
            time_ms for (time_ms,) in connection.execute("SELECT time_ms FROM funding ORDER BY 1").fetchall()
        ]


def test_backups_are_listed_newest_first_and_pruned(tmp_path: Path) -> None:
    """Only those of this store; a file of any other name is left alone."""
    db = tmp_path / "market.duckdb"
    assert backups_of(db) == []
    folder = new_backup_path(db).parent
    folder.mkdir()
    names = [f"market-2026010{day}T000000Z.duckdb" for day in (2, 3, 1)]
    for name in (*names, "other-20260101T000000Z.duckdb", "market-mine.duckdb"):
        (folder / name).write_bytes(b"x")
    assert [each.path.name[13:15] for each in backups_of(db)] == ["03", "02", "01"]
    assert drop_old_backups(db, 2) == [folder / names[2]]
    assert len(list(folder.iterdir())) == 4


def test_a_copy_takes_the_stores_place_and_the_store_is_kept(tmp_path: Path) -> None:
    """With its log and its mode; the copy stays."""
    db, copy = make_store(tmp_path / "market.duckdb", 1, 2), make_store(tmp_path / "copy.duckdb", 7)
    db.chmod(0o640)
    (tmp_path / "market.duckdb.wal").write_bytes(b"")
    rows, kept = restore(copy, db)
    assert rows["funding"] == 1
    assert kept is not None
    assert (times_of(db), times_of(copy), db.stat().st_mode & 0o777) == ([7], [7], 0o640)
    assert not (tmp_path / "market.duckdb.wal").exists()
    assert (tmp_path / f"{kept.name}.wal").exists()
    (tmp_path / f"{kept.name}.wal").unlink()
    assert times_of(kept) == [1, 2]
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_store_that_is_gone_is_restored_too(tmp_path: Path) -> None:
    """Then nothing has to be kept."""
    copy = make_store(tmp_path / "copy.duckdb", 7)
    assert restore(copy, tmp_path / "market.duckdb")[1] is None
    assert times_of(tmp_path / "market.duckdb") == [7]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_restores_belongs_to_the_stores_owner(tmp_path: Path) -> None:
    """Or to the folder's, where there is no store."""
    copy, folder = make_store(tmp_path / "copy.duckdb", 7), tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 10001, 10002)
    for _ in range(2):
        restore(copy, folder / "market.duckdb")
        state = (folder / "market.duckdb").stat()
        assert (state.st_uid, state.st_gid) == (10001, 10002)


def damaged(path: Path) -> Path:
    make_store(path, *range(5000))
    body = bytearray(path.read_bytes())
    body[len(body) // 2 :] = bytes(len(body) - len(body) // 2)
    path.write_bytes(body)
    return path


def too_new(path: Path) -> Path:
    make_store(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE schema_version SET version = ?", [SCHEMA_VERSION + 1])
    return path


def foreign(path: Path) -> Path:
    path.write_bytes(b"x" * 4096)
    return path


@pytest.mark.parametrize("make", [pytest.param(damaged, marks=pytest.mark.long), too_new, foreign])
def test_a_copy_that_cannot_be_used_changes_nothing(tmp_path: Path, make: type) -> None:
    """One line; the store stays as it was."""
    db, copy = make_store(tmp_path / "market.duckdb", 1), make(tmp_path / "copy.duckdb")
    with pytest.raises(StoreError) as refused:
        restore(copy, db)
    assert "\n" not in str(refused.value)
    assert (isinstance(refused.value, StoreTooNew)) == (make is too_new)
    assert times_of(db) == [1]
    assert {path.name for path in tmp_path.iterdir()} == {"market.duckdb", "copy.duckdb"}


def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    """Another process has it: a server, or any other."""
    db, copy = make_store(tmp_path / "market.duckdb", 1), make_store(tmp_path / "copy.duckdb", 7)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_IT, db], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreLocked, match="stop the server first"):
            restore(copy, db)
        holder.communicate()
    assert times_of(db) == [1]


def older(path: Path) -> Path:
    """A store of the version before this one, of which something is still in the log."""
    make_store(path, 1)
    connection = duckdb.connect(str(path))
    connection.execute("UPDATE schema_version SET version = ?", [SCHEMA_VERSION - 1])
    connection.close()
    return path


def test_a_store_is_kept_before_it_is_migrated_and_can_be_had_back(tmp_path: Path) -> None:
    """As it was, of the old version; putting it back is a restore."""
    db = older(tmp_path / "market.duckdb")
    connection, _ = open_connection(db, memory_limit="256MB")
    connection.execute(FUNDING, [2])
    connection.close()
    kept = tmp_path / f"market.duckdb.before-v{SCHEMA_VERSION}"
    assert (times_of(kept), times_of(db)) == ([1], [1, 2])
    restore(kept, db)
    with duckdb.connect(str(db), read_only=True) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION - 1,)]
    make_store(db)
    assert rows_of(db)["funding"] == 1


def test_a_store_that_leaves_no_room_for_its_copy_is_not_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how much is needed, and the store stays of the old version."""
    db = older(tmp_path / "market.duckdb")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(StoreError, match=r"needs .* MiB: free the disk"):
        open_connection(db, memory_limit="256MB")
    with duckdb.connect(str(db), read_only=True) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION - 1,)]
