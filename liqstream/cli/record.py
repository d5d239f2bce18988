"""`liqstream record`: keep what exchanges send, as they send it, and fill the store on the way."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click
import structlog

from liqstream.cli.exchange_url_options import exchange_url_options
from liqstream.feeds.feed import Feed, FeedError
from liqstream.feeds.raw_frames import FrameWriter
from liqstream.ingest.feed_factory import SourceError, exchange_feed
from liqstream.ingest.liquidation_spans import LiquidationSpans
from liqstream.market import MarketEvent, MarketKey
from liqstream.server.logs import configure_logs
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from liqstream.symbols import interval_ms

log = structlog.get_logger(__name__)

WRITE_EVERY_S = 1.0
"""What a crash can lose; a block this large also compresses well."""


@click.command()
@click.option("--exchange", "exchanges", required=True, help="Exchanges to record, comma-separated.")
@click.option("--symbol", "symbols", help="Symbols to follow, comma-separated.")
@click.option("--interval", help="Interval of the bars that are recorded, e.g. 5m.")
@click.option("--db", "db_path", type=click.Path(dir_okay=False, path_type=Path), help="The DuckDB file.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data/frames"),
    show_default=True,
    help="Folder the frames are written to.",
)
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), help="Stop after this many seconds.")
@exchange_url_options
def command(out: Path, seconds: float | None, **options: Any) -> None:
    """Record raw frames (zstd JSONL, a new file every 256 MiB) until a signal ends it."""
    try:
        settings = load_settings(**options)
        configure_logs(settings)
        counts = asyncio.run(_record(settings, out, seconds))
    except (BadSettingError, FeedError, SourceError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot write to {out}: {error.strerror}") from None
    for exchange, frames in counts.items():
        click.echo(f"{exchange}: {frames} frames in {out}", err=True)


async def _record(settings: Settings, out: Path, seconds: float | None) -> dict[str, int]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = await MarketStore.open(settings.db_path, retention_days=settings.retention_days)
    writers = {name: FrameWriter(out, name) for name in settings.exchanges}
    feeds: list[asyncio.Task[Any]] = [
        asyncio.create_task(_collect(exchange_feed(settings, name, sink=writer), store, settings))
        for name, writer in writers.items()
    ]
    files = [asyncio.create_task(_write(writer)) for writer in writers.values()]
    ended = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait(
            {*feeds, *files, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
    finally:
        await _end([ended, *feeds])
        await _end(files)
        await store.close()
    return {name: writer.frames for name, writer in writers.items()}


async def _collect(feed: Feed, store: MarketStore, settings: Settings) -> None:
    step_ms = interval_ms(settings.interval)
    newest = {
        MarketKey(feed.exchange, symbol): await _newest_ms(store, feed.exchange, symbol, step_ms)
        for symbol in feed.symbols
    }
    spans = LiquidationSpans()
    try:
        async with aclosing(feed.backfill(newest)) as batches:
            async for batch in batches:
                await _store(store, _admitted(feed, store, batch, past=True))
        store.guard.end_past(feed.exchange)
        async with aclosing(feed.events()) as batches:
            async for batch in batches:
                store.enqueue(spans.note(feed))
                store.enqueue(_admitted(feed, store, batch, past=False))
    finally:
        store.enqueue(spans.end(feed.exchange))
        await feed.close()


async def _newest_ms(store: MarketStore, exchange: str, symbol: str, step_ms: int) -> int | None:
    try:
        return await store.newest_bar_ms(exchange, symbol, step_ms)
    except StoreError as error:
        log.warning("store not read", reason=str(error))
        return None


async def _store(store: MarketStore, batch: Sequence[MarketEvent]) -> None:
    """Store the past at once; where that fails it waits with what happens now, and the frames go on."""
    try:
        await store.append(batch)
    except StoreError as error:
        log.warning("history not stored", reason=str(error), records=len(batch))
        store.enqueue(batch)


def _admitted(
    feed: Feed, store: MarketStore, records: Sequence[MarketEvent], *, past: bool
) -> Sequence[MarketEvent]:
    """The records that the guard does not refuse."""
    store.guard.set_clock(feed.exchange, feed.clock_ms(), feed.status.clock_skew_ms)
    return store.guard.admit_past(records) if past else store.guard.admit(records)


async def _write(writer: FrameWriter) -> None:
    try:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await asyncio.to_thread(writer.write, writer.take())
    finally:
        await asyncio.to_thread(writer.close)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
