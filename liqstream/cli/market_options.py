"""What `score` and `fit` ask alike: which store, which market, which span."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from liqstream.settings import BadSettingError, Settings, load_settings
from liqstream.store import MarketStore
from liqstream.symbols import is_symbol

_Command = TypeVar("_Command", bound=Callable[..., Any])


class UtcTime(click.ParamType[int]):
    """A UTC date, date and time, or epoch milliseconds, as epoch milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if re.fullmatch(r"\d{12,14}", value):
            return int(value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time; a UTC date (2026-01-31), date and time, or epoch ms", param, ctx
            )
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return int(utc.timestamp() * 1000)


def _symbol(_: click.Context, __: click.Parameter, value: str) -> str:
    if not is_symbol(value.upper()):
        raise click.BadParameter(f"{value!r} is no symbol; capital letters and digits, e.g. BTCUSDT")
    return value.upper()


def market_options(command: _Command) -> _Command:
    """Add --db, --exchange, --symbol, --from and --to."""
    for option in (
        click.option("--to", "to_ms", type=UtcTime(), help="Up to this UTC time (exclusive)."),
        click.option("--from", "from_ms", type=UtcTime(), help="From this UTC time on."),
        click.option("--symbol", default="BTCUSDT", show_default=True, callback=_symbol, help="The symbol."),
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
