"""`liqstream show-config`: every setting, its value, and where the value comes from.

The same table makes `.env.template` (`--env`) and the one in docs/configuration.md (`--markdown`).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from liqstream.settings import BadSettingError, Settings, load_settings, setting_variable

_SECRETS = {"REDIS_URL"}

_ENV_HEAD = """\
# Copy to .env and change what you need; every line shows the default.
# docs/configuration.md tells more. Made by `liqstream show-config --env`.
"""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as shown to a person."""

    setting: str
    value: str
    default: str
    unit: str
    origin: str
    meaning: str


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Every setting in the table's order; passwords in URLs are not shown."""
    rows = []
    for name, field in Settings.model_fields.items():
        variable, value = setting_variable(name), getattr(settings, name)
        origin = "environment" if variable in os.environ else "default" if value == field.default else ".env"
        unit = field.json_schema_extra["unit"] if isinstance(field.json_schema_extra, dict) else ""
        rows.append(
            SettingRow(
                variable,
                _without_password(variable, _text(value)),
                _text(field.default),
                str(unit),
                origin,
                str(field.description),
            )
        )
    return rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _without_password(variable: str, value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if variable not in _SECRETS or "@" not in rest:
        return value
    return f"{scheme}{separator}***@{rest.rpartition('@')[2]}"


def env_template(rows: list[SettingRow]) -> str:
    """The text of `.env.template`."""
    lines = [_ENV_HEAD]
    for row in rows:
        unit = f" [{row.unit}]" if row.unit else ""
        lines.append(f"# {row.meaning}{unit}\n#{row.setting}={row.default}\n")
    return "\n".join(lines)


def markdown_table(rows: list[SettingRow]) -> str:
    """The table of docs/configuration.md."""
    lines = ["| variable | default | unit | meaning |", "|---|---|---|---|"]
    for row in rows:
        default = f"`{row.default}`" if row.default else "(empty)"
        meaning = row.meaning.replace("|", "\\|")
        lines.append(f"| `{row.setting}` | {default} | {row.unit} | {meaning} |")
    return "\n".join(lines) + "\n"


def _show(rows: list[SettingRow]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "unit", "from", "meaning"):
        table.add_column(heading, no_wrap=heading == "setting")
    for row in rows:
        table.add_row(row.setting, row.value, row.unit, row.origin, row.meaning)
    Console().print(table)


@click.command(name="show-config")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--env", "form", flag_value="env", help="Print the text of .env.template.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the table of docs/configuration.md.")
def command(form: str | None) -> None:
    """Show every setting, its value, and where the value comes from."""
    try:
        rows = setting_rows(load_settings())
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    match form:
        case "json":
            click.echo(json.dumps([asdict(row) for row in rows], indent=1))
        case "env":
            click.echo(env_template(rows), nl=False)
        case "markdown":
            click.echo(markdown_table(rows), nl=False)
        case _:
            _show(rows)
