"""`liqstream show-config`: every setting, its value, and where the value comes from."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from liqstream.settings import BadSettingError, Settings, load_settings, setting_variable

_SECRETS = {"REDIS_URL"}


def _shown(variable: str, value: Any) -> str:
    if variable in _SECRETS and "@" in str(value):
        scheme, _, rest = str(value).partition("://")
        return f"{scheme}://***@{rest.rpartition('@')[2]}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _rows(settings: Settings) -> list[dict[str, str]]:
    rows = []
    for name, field in Settings.model_fields.items():
        variable, value = setting_variable(name), getattr(settings, name)
        origin = "environment" if variable in os.environ else "default" if value == field.default else ".env"
        unit = field.json_schema_extra["unit"] if isinstance(field.json_schema_extra, dict) else ""
        rows.append(
            {
                "setting": variable,
                "value": _shown(variable, value),
                "unit": str(unit),
                "from": origin,
                "meaning": str(field.description),
            }
        )
    return rows


@click.command(name="show-config")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Show every setting, its value, and where the value comes from."""
    try:
        rows = _rows(load_settings())
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        json.dump(rows, sys.stdout, indent=1)
        click.echo()
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "unit", "from", "meaning"):
        table.add_column(heading, no_wrap=heading == "setting")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
