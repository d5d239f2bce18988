"""`liqstream selftest [URL]`: ten promises put to the test, on a server of one's own or on any other."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict

import click
import orjson
from rich.console import Console

from liqstream.cli.console import make_console
from liqstream.client import ClientError
from liqstream.selftest.promise import Result
from liqstream.selftest.run import PROMISES, put_to_the_test, target_of

_STYLES = {"kept": "green", "broken": "bold red", "not applicable": "dim"}


@click.command()
@click.argument("url", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--token", envvar="LIQSTREAM_TOKEN", help="Bearer token (or LIQSTREAM_TOKEN).")
def command(url: str | None, as_json: bool, token: str | None) -> None:
    """Put ten promises to the test, against URL or a simulated server of our own.

    Exit code 0 if none is broken. Without URL it also stops and kills the server it started.
    """
    try:
        results = asyncio.run(_run(url, token, show=not as_json))
    except ClientError as error:
        raise click.ClickException(str(error)) from None
    broken = sum(result.verdict == "broken" for result in results)
    if as_json:
        click.echo(orjson.dumps([asdict(result) for result in results], option=orjson.OPT_INDENT_2))
    else:
        kept = sum(result.verdict == "kept" for result in results)
        click.echo(f"{kept} kept, {broken} broken, {len(results) - kept - broken} not applicable")
    sys.exit(1 if broken else 0)


async def _run(url: str | None, token: str | None, *, show: bool) -> list[Result]:
    results: list[Result] = []
    console = make_console()
    if show:
        console.print(f"{url or 'a simulated server of our own'}: {len(PROMISES)} promises", style="dim")
    async with target_of(url, token) as target:
        async for result in put_to_the_test(target):
            results.append(result)
            if show:
                _show(console, len(results), result)
    return results


def _show(console: Console, number: int, result: Result) -> None:
    console.print(f"{number:>2}. {result.promise}: ", style="bold", end="")
    console.print(result.verdict, style=_STYLES[result.verdict], end="")
    console.print(f" ({result.seconds:.1f} s)", style="dim")
    console.print(f"    expected: {result.expectation}", style="dim", soft_wrap=True)
    console.print(f"    observed: {result.observation}", soft_wrap=True)
