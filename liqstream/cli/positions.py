"""`liqstream positions`: what a server has measured on Hyperliquid, and accounts to follow from a file."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson
from rich.table import Table

from liqstream.cli.console import make_console
from liqstream.client import ClientError
from liqstream.client.rest import fetch
from liqstream.client.urls import Addresses
from liqstream.market.identity import symbol_of
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.store import MarketStore, StoreError
from liqstream.store.positions import PositionsBatch, StoredAccount

DEFAULT_URL = "http://127.0.0.1:8000"
PIPE_WIDTH = 120
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{40}\b")


@click.group(invoke_without_command=True)
@click.option(
    "--url", envvar="LIQSTREAM_URL", default=DEFAULT_URL, show_default=True, help="Or LIQSTREAM_URL."
)
@click.option("--symbol", default="BTCUSDT", show_default=True, help="The symbol.")
@click.option("--top", type=click.IntRange(1, 200), default=10, show_default=True, help="Positions at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--token", envvar="LIQSTREAM_TOKEN", help="Bearer token (or LIQSTREAM_TOKEN).")
@click.pass_context
def command(
    context: click.Context, url: str, symbol: str, top: int, as_json: bool, token: str | None
) -> None:
    """Show measured positions of a server that measures them, the largest first, with coverage and age."""
    if context.invoked_subcommand is not None:
        return
    try:
        body = asyncio.run(_asked(url, symbol_of(symbol), top, token))
    except ClientError as error:
        raise click.ClickException(str(error)) from None
    click.echo(body) if as_json else _print(orjson.loads(body))


async def _asked(url: str, symbol: str, top: int, token: str | None) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = Addresses.of(url).resource("/api/positions/{symbol}", symbol=symbol)
    async with aiohttp.ClientSession(headers=headers) as session:
        return await fetch(session, address.update_query(limit=str(top)))


def _print(found: dict[str, Any]) -> None:
    console = make_console(pipe_width=PIPE_WIDTH)
    simulated = " (simulated)" if found["source"] == "simulated" else ""
    console.print(
        f"{found['symbol']}, measured on Hyperliquid{simulated}: {found.get('sentence', 'nothing yet')}"
    )
    if "liquidations" in found:
        console.print(found["liquidations"]["sentence"])
    if "deadline_factor" in found:
        console.print(f"deadlines of reads are stretched by {found['deadline_factor']}")
    table = Table(box=None, pad_edge=False)
    for name in ("account", "side", "USD at level", "entry", "level", "margin", "age"):
        table.add_column(name, justify="left" if name in ("account", "side", "margin") else "right")
    for row in found["data"]:
        moves = ", moves with its other positions" if row["moves_with_others"] else ""
        entry = "" if row["entry"] is None else f"{row['entry']:,.8g}"
        cells = (f"{row['usd']:,}", entry, f"{row['level']:,.8g}", row["margin"] + moves)
        table.add_row(row["address"], row["side"], *cells, f"{row['age_ms'] / 1000:,.0f} s")
    console.print(table)


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
def add(file: Path, db_path: Path | None) -> None:
    """Add the accounts a text file names (0x and 40 digits, anywhere in it) to those that are read.

    While no server has the store: it is read at the start.
    """
    addresses = list(
        dict.fromkeys(found.lower() for found in _ADDRESS.findall(file.read_text("utf-8", "replace")))
    )
    if not addresses:
        raise click.ClickException(f"{file} names no account: 0x and 40 hexadecimal digits are needed")
    try:
        db = load_settings(db_path=db_path).db_path
        new = asyncio.run(_added(db, addresses))
    except (BadSettingError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{len(addresses)} accounts in {file}, {new} of them new")


async def _added(db: Path, addresses: list[str]) -> int:
    store = await MarketStore.open(db)
    try:
        known = {account.address for account in (await store.known_positions())[0]}
        now_ms = time.time_ns() // 1_000_000
        new = [
            StoredAccount(address, "file", now_ms, now_ms, 0, opaque=False)
            for address in addresses
            if address not in known
        ]
        await store.append_positions(PositionsBatch(accounts=new))
        return len(new)
    finally:
        await store.close()
