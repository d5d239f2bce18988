"""`liqstream doctor`: is this machine fit to run the server? Every lack with its cure."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, replace

import click
import orjson
from rich.console import Console

from liqstream.cli.console import make_console
from liqstream.cli.doctor_checks import Check, examine
from liqstream.cli.live_check import channels_check, keep_verdicts, listen, live_table
from liqstream.cli.positions_check import positions_checks
from liqstream.client.url_mask import masked
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue_state import clear_bans, state_path
from liqstream.ingest.feed_factory import exchange_hosts
from liqstream.server.logs import configure_logs
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings

_STYLES = {"ok": "green", "advice": "yellow", "fault": "bold red"}


@click.command()
@click.option("--exchange", "exchanges", help="Exchanges to reach, comma-separated (default: the settings').")
@click.option(
    "--live",
    "live_s",
    type=click.FloatRange(1.0, 3600.0),
    metavar="SECONDS",
    help="Listen to the exchanges for so long and print a table of what they sent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--retry-banned",
    is_flag=True,
    help="Forget the exchanges' bans: a running server asks them again within 30 s.",
)
def command(exchanges: str | None, live_s: float | None, as_json: bool, retry_banned: bool) -> None:
    """Check Python, limits, ports, disk, database, Redis, clock and exchanges; exit code 1 for a fault.

    Every channel of every exchange is opened and waited for, and what it sends is compared with REST.
    """
    try:
        settings = load_settings(**({} if exchanges is None else {"exchanges": exchanges}))
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    configure_logs(settings)  # to standard error: what the feeds log must not stand among the findings
    if retry_banned:
        _retry_banned(settings)
        return
    checks = asyncio.run(_run(settings, live_s, show=not as_json))
    if as_json:
        click.echo(orjson.dumps([asdict(check) for check in checks], option=orjson.OPT_INDENT_2))
    sys.exit(1 if any(check.verdict == "fault" for check in checks) else 0)


def _retry_banned(settings: Settings) -> None:
    path = state_path(settings.db_path)
    try:
        cleared = clear_bans(path, exchange_hosts(settings))
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    for key in cleared:
        click.echo(f"ban forgotten: {key}")
    if not cleared:
        click.echo(f"no ban of {', '.join(settings.exchanges) or 'any exchange'} in {path}")


async def _all_checks(settings: Settings) -> AsyncIterator[Check]:
    async for found in examine(settings):
        yield found
    for found in await positions_checks(settings):
        yield found


async def _run(settings: Settings, live_s: float | None, *, show: bool) -> list[Check]:
    console, checks = make_console(), []
    async for found in _all_checks(settings):
        check = replace(found, finding=masked(found.finding), cure=masked(found.cure))
        checks.append(check)
        if show:
            _print(console, check)
    # One that does not answer at all is a fault already: nothing is learnt from waiting for its channels.
    dead = {check.thing for check in checks if check.verdict == "fault"}
    names = [name for name in settings.exchanges if name in VENUES and name not in dead]
    if not names or any(check.thing == "exchange addresses" and check.verdict == "fault" for check in checks):
        return checks
    reports = await listen(settings, names, live_s)
    if show and live_s is not None:
        console.print(live_table(reports, live_s))
    for name in names:
        of_it = [report for report in reports if report.exchange == name]
        both = (channels_check(name, of_it), await keep_verdicts(settings, name, of_it))
        for each in both:
            if each is not None:
                checks.append(each)
                if show:
                    _print(console, each)
    return checks


def _print(console: Console, check: Check) -> None:
    console.print(f"{check.verdict:<7}", style=_STYLES[check.verdict], end="")
    console.print(f"{check.thing}: {check.finding}", soft_wrap=True)
    if check.cure:
        console.print(f"       cure: {check.cure}", style="bold", soft_wrap=True)
