"""`liqstream doctor`: is this machine fit to run the server? Every lack with its cure."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict

import click
import orjson
from rich.console import Console

from liqstream.cli.checkup import Check, examine
from liqstream.settings import BadSettingError, Settings, load_settings

_STYLES = {"ok": "green", "advice": "yellow", "fault": "bold red"}


@click.command()
@click.option("--exchange", "exchanges", help="Exchanges to reach, comma-separated (default: the settings').")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(exchanges: str | None, as_json: bool) -> None:
    """Check Python, limits, ports, disk, database, Redis, clock and exchanges; exit code 1 for a fault."""
    try:
        settings = load_settings(**({} if exchanges is None else {"exchanges": exchanges}))
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    checks = asyncio.run(_run(settings, show=not as_json))
    if as_json:
        click.echo(orjson.dumps([asdict(check) for check in checks], option=orjson.OPT_INDENT_2))
    sys.exit(1 if any(check.verdict == "fault" for check in checks) else 0)


async def _run(settings: Settings, *, show: bool) -> list[Check]:
    console, checks = Console(highlight=False), []
    async for check in examine(settings):
        checks.append(check)
        if show:
            console.print(f"{check.verdict:<7}", style=_STYLES[check.verdict], end="")
            console.print(f"{check.thing}: {check.finding}", soft_wrap=True)
            if check.cure:
                console.print(f"       cure: {check.cure}", style="bold", soft_wrap=True)
    return checks
