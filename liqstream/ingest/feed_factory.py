"""Which feeds the settings ask for: a replay, exchanges, or, by default, a simulated market."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog
from aiohttp import TraceConfig
from yarl import URL

from liqstream.feeds.bar_replay import ReplayFeed, bar_events
from liqstream.feeds.coin_venue import by_coin
from liqstream.feeds.demo import DEMO_EXCHANGE, DEMO_HISTORY_DAYS, DemoFeed
from liqstream.feeds.exchange_access import Endpoints, Observers
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.feed import Feed
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.raw_frame_replay import FrameReplayFeed, is_recording
from liqstream.feeds.raw_frames import FrameError, FrameSink
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue_state import socket_host, state_path
from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.file_import.reader import read_bars_file
from liqstream.heatmap.warmup import read_bars
from liqstream.market import LiquidationTotal, MarketEvent, MarketKey
from liqstream.settings.load import duration_ms, exchange_url_variable, setting_variable
from liqstream.settings.table import Settings
from liqstream.settings.utc_time import utc_ms
from liqstream.simulator.clock import MarketClock
from liqstream.store.market_store import MarketStore
from liqstream.symbols import INTERVALS_MS, interval_ms

log = structlog.get_logger(__name__)

FROM_STORE = "store"
MEASURED_EXCHANGE = "hyperliquid"
"""The exchange whose accounts are public."""


class SourceError(Exception):
    """A source that cannot be used; the message is the one line to show."""


def check_exchange_urls(settings: Settings) -> None:
    """Raise SourceError for an address or region of no known exchange, or a region it does not have."""
    for field in ("exchange_rest_urls", "exchange_ws_urls", "exchange_regions"):
        for name in getattr(settings, field):
            if name not in VENUES:
                variable = exchange_url_variable(setting_variable(field), name)
                raise SourceError(f"{variable}: no exchange {name!r}; one of {', '.join(VENUES)}")
    for name, region in settings.exchange_regions.items():
        if region not in VENUES[name].regions:
            variable = exchange_url_variable(setting_variable("exchange_regions"), name)
            known = ", ".join(VENUES[name].regions)
            right = f"one of {known}" if known else f"{name} has the same addresses everywhere"
            raise SourceError(f"{variable}={region}: {right}")


def exchange_endpoints(settings: Settings, name: str) -> Endpoints:
    """Where an exchange is asked: at the addresses set for it, else its region's, else its own."""
    venue = VENUES[name]
    region = venue.regions.get(settings.exchange_regions.get(name, ""))
    rest_url, ws_url = (region.rest_url, region.ws_url) if region else (venue.rest_url, venue.ws_url)
    return Endpoints(
        settings.exchange_rest_urls.get(name, rest_url),
        settings.exchange_ws_urls.get(name, ws_url),
        settings.proxy,
        state_path(settings.db_path),
    )


def exchange_hosts(settings: Settings) -> set[str]:
    """The hosts of the exchanges that are followed, of REST and of the sockets, as bans are kept by."""
    found = [exchange_endpoints(settings, name) for name in settings.exchanges if name in VENUES]
    return {host for at in found for host in (URL(at.rest_url).host or "", socket_host(at.ws_url))}


def address_warnings(settings: Settings) -> dict[str, str]:
    """What is known to be wrong with the addresses of the exchanges that are followed, by exchange."""
    found = {}
    for name in settings.exchanges:
        if name in VENUES:
            at = exchange_endpoints(settings, name)
            found[name] = VENUES[name].address_warning(at.rest_url, at.ws_url)
    return {name: warning for name, warning in found.items() if warning}


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
        for name, warning in address_warnings(settings).items():
            log.warning("address does not work", exchange=name, reason=warning)
        return [exchange_feed(settings, name, trace_configs) for name in settings.exchanges]
    clock = await _demo_clock(settings, store)
    return [
        DemoFeed(
            settings.symbols,
            interval_ms=interval_ms(settings.interval),
            number=number,
            history_days=min(warmup_days(settings), DEMO_HISTORY_DAYS),
            clock=clock,
            trace_configs=trace_configs,
        )
        for number in range(settings.demo_venues)
    ]


async def _demo_clock(settings: Settings, store: MarketStore) -> MarketClock:
    if not settings.demo_start:
        return MarketClock()
    # After a restart the market goes on where the store ends: it must not live the same minutes twice.
    step_ms = interval_ms(settings.interval)
    newest = [await store.newest_bar_ms(DEMO_EXCHANGE, symbol, step_ms) for symbol in settings.symbols]
    ends_ms = [open_ms + step_ms for open_ms in newest if open_ms is not None]
    return MarketClock(start_ms=max((utc_ms(settings.demo_start), *ends_ms)))


def warmup_days(settings: Settings) -> int:
    """Days of bars that maps begin with: no more than the store keeps, or a restart would change them."""
    return min(settings.history_days, settings.retention_days)


def exchange_feed(
    settings: Settings,
    name: str,
    trace_configs: Sequence[TraceConfig] = (),
    sink: FrameSink | None = None,
) -> ExchangeFeed:
    """The feed of an exchange by its name; a copy of its raw traffic goes to `sink`. Raises SourceError."""
    check_exchange_urls(settings)
    if name not in VENUES:
        raise SourceError(f"unknown exchange {name!r}; one of {', '.join(VENUES)}")
    venue = by_coin(VENUES[name])()
    if interval_ms(settings.interval) not in venue.intervals_ms:
        offered = ", ".join(text for text, ms in INTERVALS_MS.items() if ms in venue.intervals_ms)
        raise SourceError(
            f"{setting_variable('interval')}={settings.interval}: {name} has no such bars; it has {offered}"
        )
    return ExchangeFeed(
        venue,
        settings.symbols,
        interval_ms=interval_ms(settings.interval),
        history_days=warmup_days(settings),
        endpoints=exchange_endpoints(settings, name),
        timing=FeedTiming(stale_after_s=settings.stale_after_s, ledger=_shared_ledger(settings, name)),
        observers=Observers(trace_configs, sink),
    )


def _shared_ledger(settings: Settings, name: str) -> WeightLedger | None:
    """The weight that an exchange's feed shares with the reads of positions, where both ask one host."""
    if name != MEASURED_EXCHANGE or not settings.positions or settings.positions_url:
        return None
    return WeightLedger(float(settings.positions_weight))


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
            plays_store=settings.replay == FROM_STORE,
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
    """Bars with what was liquidated in each, a total of several bars with the last of them: it was not known
    before."""
    market = MarketKey(exchange, symbol)
    stored = await read_bars(store, market, interval_ms=step_ms, start_ms=None, end_ms=None)
    opens_ms, of_ms = stored.bars.open_time_ms, np.maximum(stored.totals_ms, step_ms)
    is_last, bars_of_total = (opens_ms + step_ms) % of_ms == 0, of_ms // step_ms
    sides = [
        np.where(is_last, bars_of_total, 0) * usd
        for usd in (stored.realised_long_usd, stored.realised_short_usd)
    ]
    liquidated = [
        LiquidationTotal(exchange, symbol, step_ms, open_ms, long_usd, short_usd)
        for open_ms, long_usd, short_usd in zip(
            opens_ms.tolist(), *(usd.tolist() for usd in sides), strict=True
        )
        if math.isfinite(long_usd)
    ]
    return [*bar_events(stored.bars, exchange=exchange, symbol=symbol), *liquidated]
