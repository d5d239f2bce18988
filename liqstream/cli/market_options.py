"""What `score` and `fit` ask alike: which store, which market, which span."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from liqstream.market.identity import symbol_of
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings
from liqstream.settings.utc_time import utc_ms
from liqstream.store import MarketStore
from liqstream.symbols import is_symbol

_Command = TypeVar("_Command", bound=Callable[..., Any])


class UtcTime(click.ParamType[int]):
    """A UTC date, date and time, or epoch milliseconds, as epoch milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """UTC ms of the text; fails in one line for what is no time."""
        if isinstance(value, int):
            return value
        try:
            return utc_ms(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _symbol(_: click.Context, __: click.Parameter, value: str) -> str:
    name = symbol_of(value)
    if not is_symbol(name):
        raise click.BadParameter(f"{value!r} is no symbol; capital letters and digits, e.g. BTCUSDT")
    return name


def _symbols(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = [name for name in map(str.strip, value.split(",")) if name]
    return tuple(dict.fromkeys(_symbol(context, parameter, name) for name in names or [value]))


def market_options(command: _Command) -> _Command:
    """Add --db, --exchange, --symbol, --from and --to."""
    symbol = click.option(
        "--symbol", default="BTCUSDT", show_default=True, callback=_symbol, help="The symbol."
    )
    return _with_options(command, symbol)


def markets_options(command: _Command) -> _Command:
    """Add --db, --exchange, --symbol (one or several, as a tuple `symbols`), --from and --to."""
    symbols = click.option(
        "--symbol",
        "symbols",
        default="BTCUSDT",
        show_default=True,
        callback=_symbols,
        help="Symbols, comma-separated.",
    )
    return _with_options(command, symbols)


def _with_options(command: _Command, symbol: Callable[[_Command], _Command]) -> _Command:
    for option in (
        click.option("--to", "to_ms", type=UtcTime(), help="Up to this UTC time (exclusive)."),
        click.option("--from", "from_ms", type=UtcTime(), help="From this UTC time on."),
        symbol,
        click.option("--exchange", default="binance", show_default=True, help="Whose market it is."),
        click.option(
            "--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file."
        ),
    ):
        command = option(command)
    return command


def settings_for(db_path: Path | None, **overrides: Any) -> Settings:
    """The settings, with a store that is there. Raises ClickException in one line."""
    try:
        settings = load_settings(db_path=db_path, **overrides)
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    if not settings.db_path.is_file():
        raise click.ClickException(
            f"there is no store at {settings.db_path}; make one with `liqstream import`, or name it with --db"
        )
    return settings


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[MarketStore]:
    """The store, closed at the end; nothing in it expires by looking at it."""
    store = await MarketStore.open(settings.db_path)
    try:
        yield store
    finally:
        await store.close()
