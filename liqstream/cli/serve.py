"""`liqstream serve`: run the server until a signal or a fault ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import click
import structlog
from aiohttp import web

from liqstream.app import FATAL, make_app
from liqstream.feeds.feed import FeedError
from liqstream.heatmap.kernel import KernelError
from liqstream.logs import configure_logs
from liqstream.settings import BadSettingError, Settings, load_settings
from liqstream.sources import FROM_STORE, SourceError
from liqstream.store.archive_files import ArchiveError
from liqstream.store.errors import StoreError

log = structlog.get_logger(__name__)

SHUTDOWN_TIMEOUT_S = 5.0
"""For handlers to end; the sockets were closed before, so nothing honest takes this long."""

_ONE_LINE_ERRORS = (ArchiveError, BadSettingError, FeedError, KernelError, SourceError, StoreError)


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
@click.option("--symbol", "symbols", help="Symbols to follow, comma-separated.")
@click.option("--interval", help="Bar interval of the model, e.g. 5m.")
@click.option("--exchange", "exchanges", help="Exchanges to follow, comma-separated.")
@click.option("--demo", is_flag=True, help="A simulated market, whatever LIQSTREAM_EXCHANGES says.")
@click.option(
    "--replay",
    is_flag=False,
    flag_value=FROM_STORE,
    help="Play a bars file; without a file, the store's bars.",
)
@click.option("--speed", "replay_speed", type=float, help="Market seconds per second of a replay.")
@click.option("--warmup", "replay_warmup", help="First part of a replay, loaded at once (e.g. 3d).")
def command(demo: bool, **options: Any) -> None:
    """Start the server."""
    if demo:
        options |= {"exchanges": "", "replay": ""}
    try:
        settings = load_settings(**options)
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    configure_logs(settings)
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        sys.exit(runner.run(_serve(settings)))


def _fastest_loop() -> Any:
    """uvloop where it is installed (`pip install liqstream[speed]`), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT (0) or a fault (1)."""
    app = make_app(settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    stop = _stop_on_signals()
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port, backlog=2048)
        await site.start()
        click.echo(f"liqstream is at {_address(runner)}")
        await asyncio.wait((stop, app[FATAL]), return_when=asyncio.FIRST_COMPLETED)
        return _outcome(app[FATAL])
    except _ONE_LINE_ERRORS as error:
        log.error("cannot start", reason=str(error))
    except OSError as error:
        log.error(
            "cannot start", reason=f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        )
    finally:
        await runner.cleanup()
    return 1


def _stop_on_signals() -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def on_signal(number: int) -> None:
        if not stop.done():
            log.info("stopping", signal=signal.Signals(number).name)
            stop.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def _outcome(fatal: asyncio.Future[None]) -> int:
    if not fatal.done():
        return 0
    error = fatal.exception()
    log.critical("a background task died", reason=f"{type(error).__name__}: {error}", exc_info=error)
    return 1


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
