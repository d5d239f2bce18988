"""`liqstream replay`: serve what `liqstream record` kept, as if it happened now."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from liqstream.cli.console import announce
from liqstream.feeds.raw_frame_replay import recorded_symbols
from liqstream.feeds.raw_frames import FrameError
from liqstream.market.identity import symbol_of
from liqstream.server.logs import configure_logs
from liqstream.server.run import run
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.symbols import INTERVALS_MS, SUPPORTED_SYMBOLS, interval_ms

_MOST_SYMBOLS = 10


@click.command()
@click.argument("frames", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--speed", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="How fast.")
@click.option("--exchange", default="", help="Whose frames they are, if the file does not say.")
@click.option("--symbol", "symbols", default="", help="Symbols, comma-separated; default: those recorded.")
@click.option(
    "--interval",
    type=click.Choice(list(INTERVALS_MS)),
    default="1m",
    show_default=True,
    help="Bars of the model; built of trades where none of this interval were recorded.",
)
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
def command(
    frames: Path,
    speed: float,
    exchange: str,
    symbols: str,
    interval: str,
    host: str | None,
    port: int | None,
    db_path: Path | None,
) -> None:
    """Play FRAMES, a recording of raw exchange frames, through the connector of its exchange."""
    try:
        names = [symbol_of(name.strip()) for name in symbols.split(",") if name.strip()] or recorded_symbols(
            frames, interval_ms=interval_ms(interval), exchange=exchange
        )
        if not names:
            raise click.ClickException(f"{frames} tells nothing of any market we can follow")
        names = names[:_MOST_SYMBOLS]
        settings = load_settings(
            replay=str(frames),
            replay_speed=speed,
            exchanges=exchange,
            symbols=",".join(names),
            extra_symbols=",".join(name for name in names if name not in SUPPORTED_SYMBOLS),
            interval=interval,
            host=host,
            port=port,
            db_path=db_path,
        )
    except (BadSettingError, FrameError) as error:
        raise click.ClickException(str(error)) from None
    configure_logs(settings)
    sys.exit(run(settings, announce=_announce))


def _announce(address: str) -> None:
    announce(f"liqstream is at {address}")
