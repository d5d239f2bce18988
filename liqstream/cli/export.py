"""`liqstream export`: any span of the store as a Parquet or CSV file, for notebooks and other databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import duckdb
import numpy as np

from liqstream.cli.market_options import market_options, open_store, settings_for
from liqstream.store import MarketStore, StoreError
from liqstream.symbols import INTERVALS_MS

KINDS = ("bars", "liquidations", "totals", "funding")

Columns = dict[str, np.ndarray[Any, Any]]


@click.command(name="export")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@market_options
@click.option("--interval", type=click.Choice(list(INTERVALS_MS)), default="5m", show_default=True)
def command(
    kind: str,
    file: Path,
    db_path: Path | None,
    exchange: str,
    symbol: str,
    from_ms: int | None,
    to_ms: int | None,
    interval: str,
) -> None:
    """Write bars with open interest, single liquidations, totals per interval, or funding to FILE.

    A FILE named .csv or .csv.gz is written as CSV, any other as Parquet; `liqstream import` reads both.

    Times are UTC, prices and totals USD, quantities base coin, funding a fraction per funding interval.
    """
    settings = settings_for(db_path)

    async def read() -> Columns:
        """The columns, with the store open for as long as that takes."""
        async with open_store(settings) as store:
            return await _columns(store, kind, exchange, symbol, INTERVALS_MS[interval], (from_ms, to_ms))

    try:
        columns = asyncio.run(read())
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    rows = len(columns["time"])
    if not rows:
        raise click.ClickException(f"the store has no {kind} of {exchange} {symbol} in that span")
    try:
        write_file(columns, file)
    except (OSError, duckdb.IOException) as error:
        raise click.ClickException(f"cannot write {file}: {str(error).splitlines()[0]}") from None
    click.echo(f"{rows} rows of {kind} in {file}", err=True)


async def _columns(
    store: MarketStore,
    kind: str,
    exchange: str,
    symbol: str,
    interval_ms: int,
    span: tuple[int | None, int | None],
) -> Columns:
    start_ms, end_ms = span
    match kind:
        case "bars":
            bars = await store.bars(exchange, symbol, interval_ms, start_ms=start_ms, end_ms=end_ms)
            names = ("open", "high", "low", "close", "volume_base", "taker_buy_base", "open_interest_base")
            one_sided = np.full(len(bars), fill_value=True)
            return {
                "time": bars.open_time_ms,
                **{name: getattr(bars, name) for name in names},
                "one_sided": one_sided,
            }
        case "liquidations":
            events = await store.liquidations(
                symbol, start_ms=start_ms or 0, end_ms=end_ms or 2**62, exchanges=(exchange,)
            )
            side = np.where(events.is_long, "long", "short").astype(object)
            return {
                "time": events.time_ms,
                "side": side,
                "price_usd": events.price_usd,
                "quantity_base": events.quantity_base,
            }
        case "totals":
            totals = await store.liquidation_totals(
                symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, exchanges=(exchange,)
            )
            return {"time": totals.open_time_ms, "long_usd": totals.long_usd, "short_usd": totals.short_usd}
        case _:
            rates = await store.funding(exchange, symbol, start_ms=start_ms, end_ms=end_ms)
            return {"time": rates.time_ms, "rate": rates.rate}


def write_file(columns: Columns, file: Path) -> None:
    """Write columns of equal length by the name's suffix; `time` (UTC ms) becomes a timestamp, NaN NULL.

    An existing file is replaced only once the new one is whole. A database of its own writes it: the store's
    may touch no other file. Raises OSError or duckdb.IOException.
    """
    part = file.with_name(file.name + ".part")
    chosen = ["make_timestamp(time * 1000) AS time"]
    for name, values in columns.items():
        if name != "time":
            number = values.dtype.kind == "f"
            chosen.append(f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {name}" if number else name)
    target = str(part).replace("'", "''")
    with duckdb.connect() as connection:
        connection.register("columns", columns)
        query = f"SELECT {', '.join(chosen)} FROM columns"  # noqa: S608  the names are ours
        connection.execute(f"COPY ({query}) TO '{target}' ({_format_of(file)})")
    part.replace(file)


def _format_of(file: Path) -> str:
    name = file.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return f"FORMAT csv, HEADER, COMPRESSION {'gzip' if name.endswith('.gz') else 'none'}"
    return "FORMAT parquet, COMPRESSION zstd"
