"""Which feeds the settings ask for: a replay, exchanges, or, by default, a simulated market."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from aiohttp import TraceConfig

from liqstream.feeds.demo import DemoFeed
from liqstream.feeds.exchange import ExchangeFeed
from liqstream.feeds.feed import Feed
from liqstream.feeds.frame_replay import FrameReplayFeed, is_recording
from liqstream.feeds.frames import FrameError, FrameSink
from liqstream.feeds.replay import ReplayFeed, bar_events
from liqstream.feeds.venues import VENUES
from liqstream.market import LiquidationTotal, MarketEvent
from liqstream.settings import Settings, duration_ms
from liqstream.store.archive import read_bars_file
from liqstream.store.market_store import MarketStore
from liqstream.symbols import interval_ms

FROM_STORE = "store"


class SourceError(Exception):
    """A source that cannot be used; the message is the one line to show."""


def waits_for_history(settings: Settings) -> bool:
    """Replays and simulations open the port only with a full map; live feeds at once."""
    return bool(settings.replay) or not settings.exchanges


async def make_feeds(
    settings: Settings, store: MarketStore, trace_configs: Sequence[TraceConfig] = ()
) -> list[Feed]:
    """The feeds to collect from. Raises SourceError with a sentence if there is nothing to play."""
    if settings.replay:
        path = Path(settings.replay)
        if settings.replay != FROM_STORE and is_recording(path):
            return [await asyncio.to_thread(_recording, settings, path)]
        if settings.replay != FROM_STORE:
            await asyncio.to_thread(_check_file, settings)
        return [await _replay(settings, store, symbol) for symbol in settings.symbols]
    if settings.exchanges:
        return [exchange_feed(settings, name, trace_configs) for name in settings.exchanges]
    return [
        DemoFeed(
            settings.symbols,
            interval_ms=interval_ms(settings.interval),
            venue=venue,
            trace_configs=trace_configs,
        )
        for venue in range(settings.demo_venues)
    ]


def exchange_feed(
    settings: Settings,
    name: str,
    trace_configs: Sequence[TraceConfig] = (),
    sink: FrameSink | None = None,
) -> Feed:
    """The feed of an exchange by its name; a copy of its raw traffic goes to `sink`. Raises SourceError."""
    if name not in VENUES:
        raise SourceError(f"unknown exchange {name!r}; one of {', '.join(VENUES)}")
    return ExchangeFeed(
        VENUES[name](),
        settings.symbols,
        interval_ms=interval_ms(settings.interval),
        rest_url=getattr(settings, f"{name}_rest_url"),
        ws_url=getattr(settings, f"{name}_ws_url"),
        history_days=settings.history_days,
        silence_s=settings.stale_after_s,
        trace_configs=trace_configs,
        sink=sink,
    )


async def _replay(settings: Settings, store: MarketStore, symbol: str) -> Feed:
    exchange = settings.exchanges[0] if settings.exchanges else "binance"
    step_ms = interval_ms(settings.interval)
    if settings.replay == FROM_STORE:
        events = await _stored_events(store, exchange, symbol, step_ms)
        origin = "the store"
    else:
        origin = settings.replay
        events = await asyncio.to_thread(_file_events, Path(origin), exchange, symbol, step_ms)
    try:
        return ReplayFeed(
            events,
            exchange=exchange,
            symbol=symbol,
            speed=settings.replay_speed,
            warmup_ms=duration_ms(settings.replay_warmup),
        )
    except ValueError as error:
        raise SourceError(f"{origin}: {error}") from None


def _recording(settings: Settings, path: Path) -> Feed:
    try:
        return FrameReplayFeed(
            path,
            settings.symbols,
            interval_ms=interval_ms(settings.interval),
            speed=settings.replay_speed,
            exchange=settings.exchanges[0] if settings.exchanges else "",
        )
    except FrameError as error:
        raise SourceError(str(error)) from None


def _check_file(settings: Settings) -> None:
    if not Path(settings.replay).is_file():
        raise SourceError(f"no file to replay at {settings.replay}")
    if len(settings.symbols) > 1:
        raise SourceError(f"{settings.replay} holds the bars of one symbol: name it with --symbol")


def _file_events(path: Path, exchange: str, symbol: str, step_ms: int) -> Sequence[MarketEvent]:
    events, _ = read_bars_file(path, exchange=exchange, symbol=symbol, interval_ms=step_ms)
    return events


async def _stored_events(
    store: MarketStore, exchange: str, symbol: str, step_ms: int
) -> Sequence[MarketEvent]:
    bars = await store.bars(exchange, symbol, step_ms)
    totals = await store.liquidation_totals(symbol, step_ms, exchanges=(exchange,))
    liquidated = [
        LiquidationTotal(exchange, symbol, step_ms, open_ms, long_usd, short_usd)
        for open_ms, long_usd, short_usd in zip(
            totals.open_time_ms.tolist(), totals.long_usd.tolist(), totals.short_usd.tolist(), strict=True
        )
    ]
    return [*bar_events(bars, exchange=exchange, symbol=symbol), *liquidated]
