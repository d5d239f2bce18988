"""`liqstream simulate`: a market of its own making behind the interfaces of exchanges."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import click
import orjson
from aiohttp import web

from liqstream.cli.console import announce
from liqstream.cli.market_options import UtcTime
from liqstream.market.identity import symbol_of
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.contracts import listed_name
from liqstream.simulator.exchange_server import DIALECTS, SimulatedExchange
from liqstream.simulator.fault_table import Fault


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--symbol",
    "symbols",
    default="BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT",
    show_default=True,
    help="Symbols to list, comma-separated.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed is another market.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 3600.0),
    default=1.0,
    show_default=True,
    help="Market seconds per second.",
)
@click.option(
    "--tick",
    "round_s",
    type=click.FloatRange(0.05, 60.0),
    default=1.0,
    show_default=True,
    help="Seconds between messages.",
)
@click.option(
    "--start",
    "start_ms",
    type=UtcTime(),
    envvar="LIQSTREAM_DEMO_START",
    help="UTC time at which the market starts, e.g. 2026-03-29T00:55; by default now.",
)
@click.option(
    "--faults",
    "faults_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON list of faults in force from the start, each with exchange, target and kind.",
)
@click.option(
    "--unmarked",
    is_flag=True,
    help="Do not say that it is simulated, and hold clients to the exchanges' rate limits.",
)
def command(
    host: str,
    port: int,
    symbols: str,
    seed: int,
    speed: float,
    round_s: float,
    start_ms: int | None,
    faults_path: Path | None,
    unmarked: bool,
) -> None:
    """Run a simulated market behind the interfaces of the exchanges that can be followed.

    It prints the command that serves it. `PUT /_simulator/faults` changes what fails while it runs.
    """
    names = tuple(
        dict.fromkeys(listed_name(symbol_of(name.strip())) for name in symbols.split(",") if name.strip())
    )
    try:
        faults = _read_faults(faults_path)
        clock = MarketClock(speed) if start_ms is None else MarketClock(speed, start_ms)
        opening = SimulatedExchange.open(names, seed=seed, clock=clock, round_s=round_s)
        asyncio.run(_run(host, port, opening, faults, marked=not unmarked))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _read_faults(path: Path | None) -> list[Fault]:
    if path is None:
        return []
    lines = orjson.loads(path.read_bytes())
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise ValueError(f"{path}: a list of faults is needed, each an object")
    return [Fault.read(line) for line in lines]


async def _run(
    host: str,
    port: int,
    opening: Coroutine[Any, Any, SimulatedExchange],
    faults: list[Fault],
    *,
    marked: bool,
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    exchange = await opening
    exchange.marked = marked
    exchange.table.replace(faults)
    runner = web.AppRunner(exchange.app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound_host, bound_port = runner.addresses[0][:2]
        url, symbols = f"http://{bound_host}:{bound_port}", exchange.market.symbols
        announce(f"simulated exchange at {url} ({', '.join(symbols)})")
        announce(_serve_command(f"{bound_host}:{bound_port}", symbols))
        await stop.wait()
    finally:
        await runner.cleanup()


def _serve_command(address: str, symbols: Sequence[str]) -> str:
    """What to type to serve this market from all of its exchanges."""
    options = [
        f"--{name}-{kind}-url {scheme}://{address}{dialect.prefix}"
        for name, dialect in DIALECTS.items()
        for kind, scheme in (("rest", "http"), ("ws", "ws"))
    ]
    chosen = f"liqstream serve --exchange {','.join(DIALECTS)} --symbol {','.join(symbols)}"
    return " \\\n  ".join([chosen, *options])
