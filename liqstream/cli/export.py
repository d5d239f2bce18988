"""`liqstream export`: any span of the store as a Parquet or CSV file, for notebooks and other databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import duckdb
import numpy as np
from click.core import ParameterSource

from liqstream.cli.market_options import market_options, open_store, settings_for
from liqstream.positions.collector import EXCHANGE as MEASURED_EXCHANGE
from liqstream.positions.measured import Coverage
from liqstream.positions.messages import shortened
from liqstream.store import MarketStore, StoreError
from liqstream.store.results import LiquidationColumns
from liqstream.symbols import INTERVALS_MS

MEASURED_KINDS = ("positions", "coverage")
"""Of measured positions, which are of one exchange."""
KINDS = ("bars", "liquidations", "totals", "funding", *MEASURED_KINDS)

Columns = dict[str, np.ndarray[Any, Any]]


@click.command(name="export")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@market_options
@click.option("--interval", type=click.Choice(list(INTERVALS_MS)), default="5m", show_default=True)
@click.option("--addresses", is_flag=True, help="Of positions: whole addresses instead of 0x1234..abcd.")
@click.pass_context
def command(
    context: click.Context,
    kind: str,
    file: Path,
    db_path: Path | None,
    exchange: str,
    symbol: str,
    from_ms: int | None,
    to_ms: int | None,
    interval: str,
    addresses: bool,
) -> None:
    """Write bars with open interest, single liquidations, totals per interval, funding, each change of a
    measured position, or their coverage every five minutes to FILE.

    A FILE named .csv or .csv.gz is written as CSV, any other as Parquet; `liqstream import` reads both, of
    bars, liquidations and totals.

    Times are UTC, prices and totals USD, quantities base coin, funding a fraction per funding interval. Equal
    liquidations, which one message can hold, are numbered by `occurrence`.
    Positions are Hyperliquid's, which serve --positions measures; size 0: closed.
    """
    exchange = _exchange_of(context, kind, exchange)
    if addresses and kind != "positions":
        raise click.UsageError("--addresses is of positions")
    settings = settings_for(db_path)

    async def read() -> Columns:
        """The columns, with the store open for as long as that takes."""
        async with open_store(settings) as store:
            span = from_ms, to_ms
            if kind == "positions":
                return await _positions(store, symbol, span, whole=addresses)
            if kind == "coverage":
                return await _coverage(store, symbol, span)
            return await _columns(store, kind, exchange, symbol, INTERVALS_MS[interval], span)

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


def _exchange_of(context: click.Context, kind: str, exchange: str) -> str:
    """Whose records are written. Raises UsageError for another exchange's positions."""
    if kind not in MEASURED_KINDS:
        return exchange
    is_default = context.get_parameter_source("exchange") is ParameterSource.DEFAULT
    if not is_default and exchange not in (MEASURED_EXCHANGE, f"{MEASURED_EXCHANGE}-measured"):
        raise click.UsageError(f"only {MEASURED_EXCHANGE}'s positions are public; {exchange} has no {kind}")
    return MEASURED_EXCHANGE


async def _positions(
    store: MarketStore, symbol: str, span: tuple[int | None, int | None], *, whole: bool
) -> Columns:
    """Each change of a position: side and margin are None where it was closed, the margin where unknown."""
    found = await store.position_changes(symbol, start_ms=span[0], end_ms=span[1])
    size, known = found.size_base, np.isfinite(found.leverage)
    side = np.where(size > 0, "long", "short").astype(object)
    side[size == 0] = None
    margin = np.where(found.is_isolated, "isolated", "cross").astype(object)
    margin[~known] = None
    shown = found.address.tolist() if whole else [shortened(each) for each in found.address.tolist()]
    return {
        "time": found.time_ms,
        "address": np.array(shown, dtype=object),
        "side": side,
        "size_base": np.abs(size),
        "entry_usd": found.entry,
        "level_usd": found.level,
        "margin": margin,
        "leverage": found.leverage,
    }


async def _coverage(store: MarketStore, symbol: str, span: tuple[int | None, int | None]) -> Columns:
    """Shares of each side's open interest at each look, and what is to be known of them."""
    looks = await store.measured_coverage(symbol, start_ms=span[0], end_ms=span[1])
    proof = await store.one_sided_proof()
    names = ("long_share", "short_share", "long_with_level", "short_with_level", "median_age_ms")
    shares = {name: _floats(getattr(look, name) for look in looks) for name in names}
    parts = [
        Coverage(
            look.long_share,
            look.short_share,
            look.long_with_level,
            look.short_with_level,
            look.median_age_ms,
            None,
        )
        for look in looks
    ]
    time_ms = np.array([look.time_ms for look in looks], dtype=np.int64)
    return {
        "time": time_ms,
        **shares,
        "open_interest_base": _floats(look.open_interest_base for look in looks),
        "accounts": np.array([look.accounts for look in looks], dtype=np.int64),
        "liquidation_capture": _floats(look.liquidation_capture for look in looks),
        "if_one_sided": np.full(len(looks), fill_value=True) if proof is None else time_ms < proof[1],
        "partial": np.array([each.is_partial for each in parts], dtype=np.bool_),
        "unsound": np.array([each.is_unsound for each in parts], dtype=np.bool_),
    }


def _floats(values: Iterable[float | None]) -> np.ndarray[Any, Any]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


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
                "occurrence": _occurrences(events),
            }
        case "totals":
            totals = await store.liquidation_totals(
                symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, exchanges=(exchange,)
            )
            return {"time": totals.open_time_ms, "long_usd": totals.long_usd, "short_usd": totals.short_usd}
        case _:
            rates = await store.funding(exchange, symbol, start_ms=start_ms, end_ms=end_ms)
            return {"time": rates.time_ms, "rate": rates.rate}


def _occurrences(events: LiquidationColumns) -> np.ndarray[Any, Any]:
    """0, and 1, 2 ... for those equal to the one before: an import takes equal ones without it for one."""
    rows = np.arange(len(events))
    columns = (events.time_ms, events.is_long, events.price_usd, events.quantity_base)
    is_first = np.ones(len(events), dtype=np.bool_)
    is_first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return rows - np.maximum.accumulate(np.where(is_first, rows, 0))


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
