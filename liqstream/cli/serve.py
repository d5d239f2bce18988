"""`liqstream serve`: run the server until a signal or a fault ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from liqstream.cli.console import announce
from liqstream.cli.exchange_url_options import exchange_url_options
from liqstream.ingest.feed_factory import FROM_STORE
from liqstream.server.logs import configure_logs
from liqstream.server.run import run
from liqstream.settings.load import BadSettingError, load_settings


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
@click.option("--symbol", "symbols", help="Symbols to follow, comma-separated.")
@click.option("--interval", help="Bar interval of the model, e.g. 5m.")
@click.option("--exchange", "exchanges", help="Exchanges to follow, comma-separated.")
@click.option("--demo", is_flag=True, help="A simulated market, whatever LIQSTREAM_EXCHANGES says.")
@click.option("--positions", is_flag=True, default=None, help="Measure positions on Hyperliquid.")
@click.option(
    "--replay",
    is_flag=False,
    flag_value=FROM_STORE,
    help="Play a bars file; without a file, the store's bars.",
)
@click.option("--speed", "replay_speed", type=float, help="Market seconds per second of a replay.")
@click.option("--warmup", "replay_warmup", help="First part of a replay, loaded at once (e.g. 3d).")
@exchange_url_options
def command(demo: bool, **options: Any) -> None:
    """Start the server."""
    if demo:
        options |= {"exchanges": "", "replay": "", "positions": True}
    try:
        settings = load_settings(**options)
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    configure_logs(settings)
    raise SystemExit(run(settings, announce=_announce, loop_factory=_fastest_loop()))


def _announce(address: str) -> None:
    announce(f"liqstream is at {address}")


def _fastest_loop() -> Any:
    """uvloop where it is installed (`pip install liqstream[speed]`), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
