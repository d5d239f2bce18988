"""`liqstream backups`: the backups of the store."""

from __future__ import annotations

import time
from pathlib import Path

import click
import orjson

from liqstream.settings.load import BadSettingError, load_settings
from liqstream.store.backup_files import backups_of


@click.command()
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(db_path: Path | None, as_json: bool) -> None:
    """List the store's backups, newest first: time in UTC, size, path."""
    try:
        db = load_settings(db_path=db_path).db_path
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    found = [
        {
            "path": str(each.path),
            "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each.written_s)),
            "size_bytes": each.size_bytes,
        }
        for each in backups_of(db)
    ]
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for row in found:
        click.echo(f"{row['written']}  {int(str(row['size_bytes'])) / 1e6:>9,.1f} MB  {row['path']}")
    if not found:
        click.echo(f"no backup of {db}; `liqstream backup` writes one", err=True)
