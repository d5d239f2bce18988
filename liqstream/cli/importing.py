"""`liqstream import`: fill the store from files, and say what became of every row."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import click
from rich import progress as bars
from rich.console import Console
from rich.table import Table

from liqstream.cli.console import make_console, text_column
from liqstream.file_import.formats import Kind
from liqstream.file_import.importer import FileReport, ImportReport, Progress, import_files
from liqstream.market import DAY_MS
from liqstream.market.identity import canonical, contract_name
from liqstream.positions.fill_file import import_fill_files
from liqstream.server.logs import configure_logs
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings
from liqstream.store import MarketStore, MarketSummary, StoreError
from liqstream.symbols import INTERVALS_MS, interval_name, is_symbol

BAD_ROWS_SHOWN = 5
GAPS_SHOWN = 3
MARKETS_SHOWN = 40
HYPERLIQUID_FILLS = "hyperliquid-fills"


def _exchange(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{2,20}", value):
        raise click.BadParameter(f"{value!r} is no exchange's name; small letters, e.g. binance")
    return value


def _symbol(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    # Not its coin's symbol: the rows are of the contract that is named, and are read in its amounts.
    name = None if value is None else contract_name(value)
    if name is not None and not is_symbol(name):
        raise click.BadParameter(f"{value!r} is no symbol; capital letters and digits, e.g. BTCUSDT")
    return name


@click.command(name="import")
@click.argument("kind", type=click.Choice(get_args(Kind)))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--exchange", default="binance", show_default=True, callback=_exchange, help="Whose market it is."
)
@click.option("--symbol", callback=_symbol, help="E.g. BTCUSDT; may be left out where the file tells it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", HYPERLIQUID_FILLS]),
    default="csv",
    show_default=True,
    help="Of the files; hyperliquid-fills: what a Hyperliquid node writes, for liquidations.",
)
@click.option("--interval", type=click.Choice(list(INTERVALS_MS)), help="Of bars or totals; else found out.")
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def command(
    kind: str,
    files: tuple[Path, ...],
    exchange: str,
    symbol: str | None,
    form: str,
    interval: str | None,
    db_path: Path | None,
    as_json: bool,
) -> None:
    """Fill the store from CSV files, zips of them, Parquet files, or folders of these.

    \b
    KIND says what the files hold:
      bars          open_time,open,high,low,close and, where there are, volume,
                    open interest, funding_rate, long_usd and short_usd
      klines        Binance's archive of bars, with or without a header
      metrics       Binance's archive of open interest
      funding       time,funding_rate
      liquidations  single ones (time,side,price,quantity), totals
                    (open_time,long_usd,short_usd), or captured force orders

    With --format hyperliquid-fills, liquidations are read from the fills that a
    Hyperliquid node writes (node_fills_by_block, unpacked): every one of them.

    Times are UTC: epoch s, ms or us, or a date and time. A NAME.CHECKSUM beside a file is verified. Good
    rows are kept and bad ones named. Importing a file twice changes nothing. Exits with 1 if any file was
    refused.
    """
    try:
        settings = load_settings(db_path=db_path)
        configure_logs(settings)
        if form == HYPERLIQUID_FILLS:
            report = _import_fills(settings, kind, files, symbol)
        else:
            report = _import(settings, cast("Kind", kind), files, exchange, symbol, interval)
    except (BadSettingError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    if not report.files:
        raise click.ClickException(f"no .csv, .csv.gz, .zip or .parquet file in {', '.join(map(str, files))}")
    click.echo(json.dumps(_as_json(report), indent=1)) if as_json else _show(report)
    _warn_of_retention(report, settings)
    if report.refused:
        raise click.exceptions.Exit(1)


def _import_fills(settings: Settings, kind: str, files: tuple[Path, ...], symbol: str | None) -> ImportReport:
    if kind != "liquidations":
        raise click.UsageError(f"--format {HYPERLIQUID_FILLS} holds liquidations, not {kind}")
    wanted = None if symbol is None else canonical(symbol)
    return asyncio.run(import_fill_files(files, wanted, lambda: MarketStore.open(settings.db_path)))


def _import(
    settings: Settings,
    kind: Kind,
    files: tuple[Path, ...],
    exchange: str,
    symbol: str | None,
    interval: str | None,
) -> ImportReport:
    console = make_console(stderr=True)
    columns = (
        text_column("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        text_column("{task.fields[rows]:,} rows"),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        task = display.add_task("files", total=None, rows=0)

        def on_progress(now: Progress) -> None:
            """Show how far the import is."""
            display.update(
                task, description=now.path.name, completed=now.done, total=now.total, rows=now.rows
            )

        with _ending_at_interrupts(display):
            return asyncio.run(
                import_files(
                    files,
                    kind,
                    exchange=exchange,
                    symbol=symbol,
                    interval_ms=INTERVALS_MS[interval] if interval else None,
                    open_store=lambda: MarketStore.open(settings.db_path),
                    on_progress=on_progress,
                )
            )


@contextmanager
def _ending_at_interrupts(display: bars.Progress) -> Iterator[None]:
    """End the process at once on SIGINT: the reading thread cannot be stopped, what is committed survives."""

    def end(*_: object) -> None:
        """Say what became of the import, and end."""
        display.stop()
        sys.stderr.write("interrupted; what was imported until then stays, import again for the rest\n")
        sys.stderr.flush()
        os._exit(128 + signal.SIGINT)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _show(report: ImportReport) -> None:
    console = make_console(pipe_width=160)
    for file in report.files:
        _show_file(console, file)
    if report.store:
        _show_store(console, report.store)


def _show_file(console: Console, file: FileReport) -> None:
    if file.refused:
        console.print(f"{file.path}: refused: {file.refused}", soft_wrap=True)
        return
    counts = {
        "new": file.new,
        "known already": file.duplicates,
        "replaced": file.replaced,
        "of other symbols": file.other_symbols,
        "bad": len(file.bad_rows),
    }
    outcome = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    kinds = [f"{count:,} {name.replace('_', ' ')}" for name, count in file.new_by_kind.items() if count]
    if len(kinds) > 1:
        outcome = outcome.replace(" new", f" new ({', '.join(kinds)})", 1)
    checked = ", checksum verified" if file.checksum_verified else ""
    console.print(f"{file.path}: {file.rows:,} rows of {file.form}: {outcome}{checked}", soft_wrap=True)
    for bad in file.bad_rows[:BAD_ROWS_SHOWN]:
        console.print(f"  line {bad.line}: {bad.reason}", soft_wrap=True)
    if len(file.bad_rows) > BAD_ROWS_SHOWN:
        console.print(f"  and {len(file.bad_rows) - BAD_ROWS_SHOWN:,} more")


def _show_store(console: Console, markets: tuple[MarketSummary, ...]) -> None:
    table = Table(title="In the store now", title_justify="left", box=None, pad_edge=False)
    for heading in ("market", "interval", "from (UTC)", "to (UTC)"):
        table.add_column(heading, no_wrap=True)
    for heading in ("bars", "missing", "open interest", "liquidations", "totals"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("gaps (bars)", no_wrap=True)
    for market in markets[:MARKETS_SHOWN]:
        table.add_row(
            f"{market.exchange} {market.symbol}",
            _interval(market),
            _minute(market.first_ms),
            _minute(market.last_ms),
            f"{market.rows:,}",
            f"{market.missing_bars:,}",
            f"{market.open_interest_rows:,}",
            f"{market.liquidation_rows:,}",
            f"{market.liquidation_total_rows:,}",
            _gaps(market),
        )
    console.print(table)
    if len(markets) > MARKETS_SHOWN:
        console.print(f"and {len(markets) - MARKETS_SHOWN:,} more; --json shows all")


def _gaps(market: MarketSummary) -> str:
    interval_ms = market.interval_ms or 1
    gaps = [f"{_minute(start)} ({(end - start) // interval_ms:,})" for start, end in market.gaps[:GAPS_SHOWN]]
    if len(market.gaps) > GAPS_SHOWN:
        gaps.append(f"and {len(market.gaps) - GAPS_SHOWN:,} more")
    return "\n".join(gaps) or "none"


def _interval(market: MarketSummary) -> str:
    return interval_name(market.interval_ms) if market.interval_ms else "-"


def _minute(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def _iso(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _as_json(report: ImportReport) -> dict[str, Any]:
    return {
        "files": [_file_json(file) for file in report.files],
        "store": [_market_json(market) for market in report.store],
    }


def _file_json(file: FileReport) -> dict[str, Any]:
    return {
        "file": str(file.path),
        "refused": file.refused or None,
        "form": file.form or None,
        "interval": interval_name(file.interval_ms) if file.interval_ms else None,
        "rows": file.rows,
        "new": file.new,
        "new_by_kind": file.new_by_kind,
        "duplicates": file.duplicates,
        "replaced": file.replaced,
        "other_symbols": file.other_symbols,
        "bad": len(file.bad_rows),
        "first_bad": [{"line": bad.line, "reason": bad.reason} for bad in file.bad_rows[:BAD_ROWS_SHOWN]],
        "checksum_verified": file.checksum_verified,
    }


def _market_json(market: MarketSummary) -> dict[str, Any]:
    return {
        "exchange": market.exchange,
        "symbol": market.symbol,
        "interval": interval_name(market.interval_ms) if market.interval_ms else None,
        "from": _iso(market.first_ms),
        "to": _iso(market.last_ms),
        "rows": market.rows,
        "missing_bars": market.missing_bars,
        "gaps": [{"from": _iso(start), "to": _iso(end)} for start, end in market.gaps],
        "open_interest_rows": market.open_interest_rows,
        "liquidation_rows": market.liquidation_rows,
        "liquidation_total_rows": market.liquidation_total_rows,
    }


def _warn_of_retention(report: ImportReport, settings: Settings) -> None:
    kept_from_ms = int(time.time() * 1000) - settings.retention_days * DAY_MS
    oldest = min((market.first_ms for market in report.store), default=kept_from_ms)
    if oldest < kept_from_ms:
        click.echo(
            f"What is older than {_minute(kept_from_ms)} UTC will be deleted by the server: "
            f"LIQSTREAM_RETENTION_DAYS={settings.retention_days}",
            err=True,
        )
