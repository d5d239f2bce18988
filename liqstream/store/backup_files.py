"""The copies of a store: where backups lie, how one is checked and put in the store's place."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from liqstream.store.errors import StoreError, StoreLocked, StoreTooNew
from liqstream.store.schema import SCHEMA_VERSION, stored_version
from liqstream.store.store_files import BACKUPS
from liqstream.store.wal_recovery import log_path


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One backup of a store."""

    path: Path
    size_bytes: int
    written_s: float
    """UTC seconds."""


def new_backup_path(db: Path) -> Path:
    """Where a backup made now is written."""
    return db.parent / BACKUPS / f"{db.stem}-{_stamp()}.duckdb"


def _stamp() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def backups_of(db: Path) -> list[BackupFile]:
    """The backups of a store, newest first; files of other names are somebody else's."""
    name = re.compile(rf"{re.escape(db.stem)}-\d{{8}}T\d{{6}}Z\.duckdb")
    found = []
    with suppress(FileNotFoundError):
        for path in (db.parent / BACKUPS).iterdir():
            if name.fullmatch(path.name):
                state = path.stat()
                found.append(BackupFile(path, state.st_size, state.st_mtime))
    return sorted(found, key=lambda each: each.path.name, reverse=True)


def drop_old_backups(db: Path, keep: int) -> list[Path]:
    """Delete all backups of a store but the newest `keep`; returns those."""
    dropped = [each.path for each in backups_of(db)[keep:]]
    for path in dropped:
        path.unlink()
    return dropped


def give_to_owner(path: Path, like: Path) -> None:
    """Give a file to whoever owns `like`: what root made must be the server's. Others own what they make."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def rows_of(copy: Path) -> dict[str, int]:
    """Rows by table of a copy, every one of which is read. Raises StoreError for one that cannot be used."""
    try:
        with duckdb.connect(str(copy), read_only=True) as connection:
            version = stored_version(connection, copy)
            if version is None:
                raise StoreError(f"{copy} is empty")
            if version > SCHEMA_VERSION:
                raise StoreTooNew(
                    f"{copy} was written by a newer liqstream "
                    f"(schema {version}, this one knows {SCHEMA_VERSION})"
                )
            names = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
            return {name: _read_whole(connection, name) for (name,) in names if name != "schema_version"}
    except duckdb.Error as error:
        raise StoreError(f"{copy} cannot be used: {str(error).splitlines()[0]}") from error


def _read_whole(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    sql = f"SELECT count(*), bit_xor(hash(t)) FROM {table} AS t"  # noqa: S608  names are of the file
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0


def restore(copy: Path, db: Path) -> tuple[dict[str, int], Path | None]:
    """Put a copy in the store's place; returns its rows by table, and where the store that was there is kept.

    The copy is read whole first, and stays where it is; the store is replaced in one step, and the new file
    is the old one's owner's. Raises StoreError, and then nothing has changed; StoreLocked if it is in use.
    """
    db = db.resolve()
    part = db.with_name(f"{db.name}.restoring")
    try:
        with _unused(db):
            shutil.copyfile(copy, part)
            rows = rows_of(part)
            give_to_owner(part, db if db.exists() else db.parent)
            if db.exists():
                part.chmod(db.stat().st_mode & 0o777)
            _sync(part)
            kept = _keep(db)
            part.replace(db)
            _sync(db.parent)
    except OSError as error:
        raise StoreError(f"cannot restore {copy}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
        log_path(part).unlink(missing_ok=True)
    return rows, kept


@contextmanager
def _unused(db: Path) -> Iterator[None]:
    """Hold the lock that DuckDB takes, so that no server runs or starts meanwhile."""
    if not db.exists():
        yield
        return
    with db.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreLocked(f"{db} is in use; stop the server first") from None
        yield


def _keep(db: Path) -> Path | None:
    """Give the store and its log a second name; the store itself is there until it is replaced."""
    log = log_path(db)
    if not db.exists() and not log.exists():
        return None
    kept = db.with_name(f"{db.name}.before-restore-{_stamp()}")
    if db.exists():
        os.link(db, kept)
    if log.exists():
        log.rename(log_path(kept))
    return kept


def keep_before_migration(db: Path, reserve_bytes: int) -> Path:
    """Copy a store, closed and whole in one file, before it is brought to this version's schema.

    Raises StoreError, also where the copy would not leave `reserve_bytes` of the disk.
    """
    kept = db.with_name(f"{db.name}.before-v{SCHEMA_VERSION}")
    part = kept.with_name(f"{kept.name}.part")
    need = db.stat().st_size + reserve_bytes
    free = shutil.disk_usage(db.parent).free
    if free < need:
        raise StoreError(
            f"{db} must be brought to schema {SCHEMA_VERSION}, and a copy of it needs {need >> 20} MiB: "
            f"free the disk ({free >> 20} MiB free)"
        )
    try:
        shutil.copyfile(db, part)
        shutil.copystat(db, part)
        give_to_owner(part, db)
        _sync(part)
        part.replace(kept)
        _sync(db.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"cannot keep a copy of {db}: {error.strerror or error}") from error
    return kept


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
