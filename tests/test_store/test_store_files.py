"""Sizes and ages of files that are there, and of some that are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from liqstream.store.database import Database
from liqstream.store.store_files import StoreFiles


def read(path: Path) -> StoreFiles:
    files = StoreFiles(path)
    files.read()
    return files


def test_the_files_of_a_store(tmp_path: Path) -> None:
    """Its size with the log, what is free beside it, and the newest of its backups."""
    database = Database(tmp_path / "x.duckdb", memory_limit="512MB")
    files = read(database.path)
    parts = [part for part in tmp_path.glob("x.duckdb*") if part.is_file()]
    assert files.size_bytes == sum(part.stat().st_size for part in parts) > 0
    assert files.last_backup_s is None
    assert 0 < (files.free_bytes or 0) <= shutil.disk_usage(tmp_path).total
    for name, written_s in (("old", 1_000_000), ("new", 2_000_000)):
        backup = tmp_path / "backups" / f"x-{name}.duckdb"
        database.backup(backup)
        os.utime(backup, (written_s, written_s))
    assert read(database.path).last_backup_s == 2_000_000
    database.close()


def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    """Neither a file nor its folder."""
    files = StoreFiles(tmp_path / "none" / "x.duckdb", size_bytes=1, free_bytes=1, last_backup_s=1.0)
    files.read()
    assert (files.size_bytes, files.free_bytes, files.last_backup_s) == (None, None, None)
