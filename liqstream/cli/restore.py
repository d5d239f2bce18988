"""`liqstream restore FILE`: a backup in the store's place, while the server is stopped."""

from __future__ import annotations

from pathlib import Path

import click

from liqstream.settings.load import BadSettingError, load_settings
from liqstream.store.backup_files import restore
from liqstream.store.errors import StoreError
from liqstream.store.store_files import BACKUPS


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
def command(file: Path, db_path: Path | None) -> None:
    """Put FILE in the store's place: a backup, by path or by its name alone, or a copy of before an upgrade.

    FILE is read whole first. The store that was there is kept beside the new one, which gets its owner.
    """
    try:
        db = load_settings(db_path=db_path).db_path
        copy = next((path for path in (file, db.parent / BACKUPS / file.name) if path.is_file()), None)
        if copy is None:
            raise click.ClickException(f"there is no {file}; `liqstream backups` lists the backups")
        rows, kept = restore(copy, db)
    except (BadSettingError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in rows.items() if count)
    click.echo(f"{db} is {copy}: {counts or 'no rows'}")
    if kept is not None:
        click.echo(f"kept: {kept}")
