"""`liqstream tail`: a server's stream in the terminal, or as JSON lines for a pipe."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import click
import orjson
from rich.console import Group
from rich.live import Live
from rich.text import Text

from liqstream.cli.console import make_console
from liqstream.cli.forecast_line import forecast_line
from liqstream.cli.terminal_map import cluster_line, head_line, map_lines
from liqstream.client import ClientError, Forecast, HeatmapClient, Snapshot
from liqstream.market.identity import symbol_of
from liqstream.supervision.error_log import in_one_line

DEFAULT_URL = "ws://127.0.0.1:8000"
_REDRAW_S = 0.25
_FORECAST_S = 30.0


@dataclass(slots=True)
class _Shown:
    snapshot: Snapshot
    received_s: float


@click.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option(
    "--url", envvar="LIQSTREAM_URL", default=DEFAULT_URL, show_default=True, help="Or LIQSTREAM_URL."
)
@click.option(
    "--interval", "interval_s", type=click.IntRange(1, 60), default=1, show_default=True, help="Seconds."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line per snapshot.")
@click.option("--count", type=click.IntRange(1), help="End after so many snapshots.")
@click.option("--token", envvar="LIQSTREAM_TOKEN", help="Bearer token (or LIQSTREAM_TOKEN).")
def command(
    symbols: tuple[str, ...], url: str, interval_s: int, as_json: bool, count: int | None, token: str | None
) -> None:
    """Follow symbols of a server: a live map on a terminal, a line per snapshot in a pipe."""
    names = [name for name in map(str.strip, ",".join(symbols).split(",")) if name]
    wanted = tuple(dict.fromkeys(map(symbol_of, names or symbols)))
    tail = _Tail(wanted, interval_s, as_json=as_json, count=count)
    try:
        asyncio.run(tail.follow(url, token))
    except ClientError as error:
        raise click.ClickException(str(error)) from None
    except BrokenPipeError:
        # What is still buffered must not be written to the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass


class _Tail:
    def __init__(
        self, symbols: tuple[str, ...], interval_s: int, *, as_json: bool, count: int | None
    ) -> None:
        self._symbols = symbols  # in the order they are shown
        self._interval_s = interval_s  # seconds between a symbol's snapshots
        self._as_json = as_json  # a line of JSON per snapshot instead of a picture
        self._left = count  # snapshots still to come; None is without end
        self._shown: dict[str, _Shown] = {}  # the newest snapshot of each symbol
        self._forecasts: dict[str, Forecast] = {}  # the newest of each symbol that has one
        self._console = make_console()  # of stdout

    async def follow(self, url: str, token: str | None) -> None:
        """Show the stream until it ends, is interrupted, or `count` snapshots have come."""
        async with HeatmapClient(url, token=token, on_warning=_print_notice) as client:
            if self._as_json or not self._console.is_terminal:
                await self._read(client)
                return
            with Live(console=self._console, auto_refresh=False, screen=self._left is None) as live:
                drawing = asyncio.create_task(self._redraw(live, client))
                asking = asyncio.create_task(self._ask_forecasts(client))
                try:
                    await self._read(client)
                finally:
                    drawing.cancel()
                    asking.cancel()
                    live.update(self._picture(client), refresh=True)  # what came since the last drawing

    async def _read(self, client: HeatmapClient) -> None:
        # Lines are of snapshots alone; a picture shows the price of now.
        ticks = self._console.is_terminal and not self._as_json
        async for snapshot in client.subscribe(
            *self._symbols, update_interval_s=self._interval_s, ticks=ticks
        ):
            self._take(snapshot)
            if self._left is not None and snapshot.tick is None:
                self._left -= 1
                if not self._left:
                    return

    def _take(self, snapshot: Snapshot) -> None:
        if self._as_json:
            sys.stdout.buffer.write(orjson.dumps(json_line(snapshot), option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()
        elif not self._console.is_terminal:
            age_s = time.time() - snapshot.time.timestamp()
            line = head_line(snapshot, age_s=max(0.0, age_s), width=10_000).append("  ")
            print(line.append_text(cluster_line(snapshot)).plain, flush=True)  # noqa: T201
        self._shown[snapshot.symbol] = _Shown(snapshot, time.monotonic())

    async def _redraw(self, live: Live, client: HeatmapClient) -> None:
        while True:
            live.update(self._picture(client), refresh=True)
            await asyncio.sleep(_REDRAW_S)

    async def _ask_forecasts(self, client: HeatmapClient) -> None:
        while True:
            for symbol in self._symbols:
                try:
                    self._forecasts[symbol] = await client.forecast(symbol)
                except ClientError:  # an older server, or none issued yet: the map is shown without
                    self._forecasts.pop(symbol, None)
            await asyncio.sleep(_FORECAST_S)

    def _picture(self, client: HeatmapClient) -> Group:
        size, lines = self._console.size, [self._status_line(client)]
        rows = max(3, (size.height - 2) // len(self._symbols) - 4)
        for symbol in self._symbols:
            shown = self._shown.get(symbol)
            if shown is None:
                lines.append(Text(f"{symbol}  waiting for the first snapshot", "dim"))
                continue
            age_s = time.monotonic() - shown.received_s
            lines.append(head_line(shown.snapshot, age_s=age_s, width=size.width))
            lines.append(cluster_line(shown.snapshot))
            if symbol in self._forecasts:
                lines.append(forecast_line(self._forecasts[symbol]))
            ascii_only = self._console.options.ascii_only
            lines += map_lines(shown.snapshot, width=size.width, rows=rows, ascii_only=ascii_only)
        return Group(*lines)

    def _status_line(self, client: HeatmapClient) -> Text:
        status = client.status
        if status.state == "open":
            return Text(f"connected  dropped {client.dropped}", "green", no_wrap=True, overflow="ellipsis")
        why = f" ({status.code} {in_one_line(status.reason)})" if status.code else ""
        return Text(f"disconnected, trying again{why}", "bold red", no_wrap=True, overflow="ellipsis")


def _print_notice(code: str, message: str) -> None:
    """On stderr: a pipe gets snapshots alone."""
    if code in ("NO_DATA_YET", "MARKET_ENDED"):
        click.echo(in_one_line(message), err=True)


def json_line(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as the object of one JSON line; levels as columns on the grid p0, p0 + step, ... in USD."""
    return {
        "symbol": snapshot.symbol,
        "timestamp": snapshot.time.isoformat().replace("+00:00", "Z"),
        "epoch": snapshot.epoch,
        "seq": snapshot.seq,
        "skipped": snapshot.skipped,
        "stale": snapshot.stale,
        "source": snapshot.source,
        "quality": snapshot.quality,
        "current_price": snapshot.current_price,
        "positions_created": snapshot.positions_created,
        "positions_consumed": snapshot.positions_consumed,
        "p0": snapshot.grid.p0,
        "step": snapshot.grid.step,
        "long": snapshot.long_usd.astype(int).tolist(),
        "short": snapshot.short_usd.astype(int).tolist(),
    }
