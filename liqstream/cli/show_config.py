"""`liqstream show-config`: every setting, its value, and where the value comes from.

The same table makes `.env.template` (`--env`) and the one in docs/configuration.md (`--markdown`).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.table import Table

from liqstream.cli.console import make_console
from liqstream.client.url_mask import masked
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue import Venue
from liqstream.ingest.feed_factory import SourceError, check_exchange_urls
from liqstream.settings.load import (
    IN_FILES,
    BadSettingError,
    exchange_url_variable,
    load_settings,
    setting_variable,
)
from liqstream.settings.symbol_names import ChosenSymbols
from liqstream.settings.table import Settings

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
    """Every setting in the table's order, those per exchange among them; passwords in URLs are not shown."""
    rows = []
    for name, field in Settings.model_fields.items():
        if name == "exchange_rest_urls":
            rows += [row for venue in VENUES.values() for row in _exchange_rows(settings, venue)]
        elif name not in ("exchange_ws_urls", "exchange_regions"):  # beside the same exchange's REST address
            extra = field.json_schema_extra
            rows.append(
                _row(
                    setting_variable(name),
                    getattr(settings, name),
                    field.default,
                    str(extra["unit"]) if isinstance(extra, dict) else "",
                    str(field.description).replace("{exchanges}", ", ".join(VENUES)),
                )
            )
    return rows


def _exchange_rows(settings: Settings, venue: type[Venue]) -> list[SettingRow]:
    rows = []
    regions = ", ".join(venue.regions)
    defaults = {"exchange_rest_urls": venue.rest_url, "exchange_ws_urls": venue.ws_url}
    for name, default in (defaults | ({"exchange_regions": ""} if regions else {})).items():
        variable = exchange_url_variable(setting_variable(name), venue.name)
        text = str(Settings.model_fields[name].description)
        meaning = text.format(display_name=venue.display_name, regions=regions)
        rows.append(_row(variable, getattr(settings, name).get(venue.name, default), default, "", meaning))
    return rows


def _row(variable: str, value: Any, default: Any, unit: str, meaning: str) -> SettingRow:
    if variable in os.environ:
        origin = "environment"
    elif variable in map(setting_variable, IN_FILES) and f"{variable}_FILE" in os.environ:
        origin = f"{variable}_FILE"
    else:
        origin = "default" if value == default else ".env"
    return SettingRow(variable, masked(_text(value)), _text(default), unit, origin, meaning)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, ChosenSymbols):
        return str(value.choice)
    return ",".join(value) if isinstance(value, tuple) else str(value)


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
    """A table at a terminal; elsewhere a line each, which nothing cuts or wraps."""
    console = make_console()
    if not console.is_terminal:
        click.echo("".join(f"{row.setting}={row.value}  # {row.origin}\n" for row in rows), nl=False)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "unit", "from", "meaning"):
        table.add_column(heading, no_wrap=heading == "setting", overflow="fold")
    for row in rows:
        table.add_row(row.setting, row.value, row.unit, row.origin, row.meaning)
    console.print(table)


@click.command(name="show-config")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--env", "form", flag_value="env", help="Print the text of .env.template.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the table of docs/configuration.md.")
def command(form: str | None) -> None:
    """Show every setting, its value, and where the value comes from."""
    try:
        settings = load_settings()
        check_exchange_urls(settings)
    except (BadSettingError, SourceError) as error:
        raise click.ClickException(str(error)) from None
    rows = setting_rows(settings)
    match form:
        case "json":
            click.echo(json.dumps([asdict(row) for row in rows], indent=1))
        case "env":
            click.echo(env_template(rows), nl=False)
        case "markdown":
            click.echo(markdown_table(rows), nl=False)
        case _:
            _show(rows)
