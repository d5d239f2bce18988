"""`liqstream simulate`: an exchange of its own making that speaks as Binance USD-M and Bybit v5 do."""

from __future__ import annotations

import asyncio
import signal

import click
from aiohttp import web

from liqstream.simulator.clock import MarketClock
from liqstream.simulator.server import SimulatedExchange


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
    "tick_s",
    type=click.FloatRange(0.05, 60.0),
    default=1.0,
    show_default=True,
    help="Seconds between messages.",
)
def command(host: str, port: int, symbols: str, seed: int, speed: float, tick_s: float) -> None:
    """Run a simulated exchange for `serve --exchange binance --binance-rest-url ... --binance-ws-url ...`."""
    names = tuple(dict.fromkeys(name.strip().upper() for name in symbols.split(",") if name.strip()))
    try:
        asyncio.run(_run(host, port, names, seed, speed, tick_s))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None


async def _run(
    host: str, port: int, symbols: tuple[str, ...], seed: int, speed: float, tick_s: float
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    exchange = await SimulatedExchange.open(symbols, seed=seed, clock=MarketClock(speed), tick_s=tick_s)
    runner = web.AppRunner(exchange.app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound_host, bound_port = runner.addresses[0][:2]
        click.echo(f"simulated exchange at http://{bound_host}:{bound_port} ({', '.join(symbols)})")
        await stop.wait()
    finally:
        await runner.cleanup()
