"""`liqstream backup`: a copy of the store, made by the server that has it open, or else by the verb."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import click

from liqstream.cli.market_options import settings_for
from liqstream.store import MarketStore, StoreError, StoreLocked
from liqstream.store.backup_files import (
    BackupFile,
    backups_of,
    drop_old_backups,
    give_to_owner,
    new_backup_path,
)
from liqstream.store.open_database import backup_folder

_LOOK_EVERY_S = 0.1
_BEGINS_WITHIN_S = 30.0
"""A server that is asked has begun by then, or has refused and logged why."""


@click.command()
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Delete all but the newest N afterwards.")
def command(db_path: Path | None, keep: int | None) -> None:
    """Write a compacted copy of the store to backups/ beside it, and print its path.

    A server that runs goes on serving and writes it itself. `liqstream restore` puts one back.
    """
    db = settings_for(db_path).db_path
    try:
        try:
            written = asyncio.run(_copy(db))
            for made in (written.parent, written):
                give_to_owner(made, db)
        except StoreLocked as error:
            written = _ask(error.holder, db, str(error))
        click.echo(str(written))
        for path in drop_old_backups(db, keep) if keep else []:
            click.echo(f"deleted {path}", err=True)
    except (StoreError, OSError) as error:
        raise click.ClickException(str(error)) from None


async def _copy(db: Path) -> Path:
    store = await MarketStore.open(db)
    target = new_backup_path(db)
    try:
        await store.backup(target)
    finally:
        await store.close()
    return target


def _ask(holder: int | None, db: Path, reason: str) -> Path:
    """The backup that the server wrote. Raises ClickException for one that does not."""
    if holder is None or not _obeys(holder):
        raise click.ClickException(f"{reason} (it is no running server, which would write the backup itself)")
    before = _states(db)
    try:
        os.kill(holder, signal.SIGUSR1)
    except OSError as error:
        raise click.ClickException(f"cannot ask the server, process {holder}: {error.strerror}") from None
    quiet_since_s = time.monotonic()
    while time.monotonic() - quiet_since_s < _BEGINS_WITHIN_S and _obeys(holder):
        # Moved into its place once it is whole.
        written = _states(db).items() - before.items()
        if written:
            return max(path for path, _ in written)
        if backup_folder(db).exists():
            quiet_since_s = time.monotonic()
        time.sleep(_LOOK_EVERY_S)
    raise click.ClickException(f"the server, process {holder}, has written none; its log says why")


def _states(db: Path) -> dict[Path, tuple[int, float]]:
    return {each.path: _state(each) for each in backups_of(db)}


def _state(backup: BackupFile) -> tuple[int, float]:
    return backup.size_bytes, backup.written_s


def _obeys(process: int) -> bool:
    """Whether a process has a handler for SIGUSR1: any other would be ended by it."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signal.SIGUSR1 - 1) & 1)
