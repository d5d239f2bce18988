"""The newest heatmap of each symbol: stored history, brought up to date from memory, as a snapshot."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import structlog

from liqstream.heatmap.kernel import Kernel
from liqstream.heatmap.ladder import to_usd
from liqstream.heatmap.live import ClosedBar, LiveMarket, LiveMarkets
from liqstream.heatmap.margin import BracketTable
from liqstream.heatmap.market_kernel import kernel_of_market
from liqstream.heatmap.market_map import MarketMap
from liqstream.heatmap.model import Estimator
from liqstream.heatmap.quality import RECENT_MS
from liqstream.heatmap.snapshot import HeatmapSnapshot, hash_snapshot
from liqstream.heatmap.symbol_state import LevelMix, SymbolState, VenueCells, add_up, changes
from liqstream.heatmap.warmup import Warmup, read_warmup
from liqstream.heatmap.wire_state import Grid, cells_usd, follow_grid
from liqstream.market import DAY_MS, Bars, MarketEvent, MarketKey, Source
from liqstream.store.market_store import MarketStore

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _News:
    """What the event loop hands to the model's thread for one market."""

    key: MarketKey
    closed: list[ClosedBar]
    forming: Bars | None
    price_usd: float
    disordered: bool


class LiveMaps:
    """Every followed symbol's map, and the snapshots made of it.

    `apply` takes market records on the event loop; the model is stepped in one worker thread, which alone
    touches the estimators. `epoch` is UTC ms and must be larger than any used before. `brackets` cap the
    leverage of each symbol's tiers. `steps` and `step_seconds` count new maps and the thread's time for
    them, `loads` the times stored history was read.
    """

    def __init__(
        self,
        store: MarketStore,
        kernel: Kernel,
        *,
        interval_ms: int,
        history_days: int,
        stale_after_s: float,
        epoch: int,
        clock_s: Callable[[], float],
        brackets: BracketTable | None = None,
    ) -> None:
        self.kernel = kernel
        self._brackets = brackets
        self.interval_ms = interval_ms
        self.epoch = epoch
        self.loads = 0
        self.steps = 0
        self.step_seconds = 0.0
        self._store = store
        self._history_ms = history_days * DAY_MS
        self._stale_after_s = stale_after_s
        self._clock_s = clock_s
        self._live = LiveMarkets(interval_ms, clock_s)
        self._sources: dict[str, Source] = {}
        self._end_ms: dict[MarketKey, int | None] = {}
        self._maps: dict[MarketKey, MarketMap] = {}
        self._states: dict[str, SymbolState] = {}
        self._before: dict[str, SymbolState] = {}
        self._last: dict[str, HeatmapSnapshot] = {}
        self._heard: dict[str, tuple[int, bool]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    def close(self) -> None:
        """Let the model's thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Take a batch of market records, at once and in memory."""
        self._live.apply(events)

    def set_source(self, exchange: str, source: Source) -> None:
        """Say what an exchange's data is: live, replay or simulated."""
        self._sources[exchange] = source

    def note_life(self, market: MarketKey) -> None:
        """The market's source has just delivered, if only its past: it is not stale yet."""
        self._live.market(market).last_event_s = self._clock_s()

    def markets(self, symbol: str, exchanges: Collection[str] | None = None) -> list[LiveMarket]:
        """The present of each of a symbol's markets, or of those on some exchanges."""
        markets = self._live.of_symbol(symbol)
        return [market for market in markets if exchanges is None or market.key.exchange in exchanges]

    def exchanges(self, symbol: str) -> tuple[str, ...]:
        """The venues behind a symbol's map."""
        return tuple(market.key.exchange for market in self.markets(symbol))

    def market(self, key: MarketKey) -> LiveMarket:
        """The present of one market."""
        return self._live.market(key)

    def source(self, symbol: str, exchanges: Collection[str] | None = None) -> Source:
        """What a symbol's map is made of; of several sources, the least real one names it."""
        markets = self.markets(symbol, exchanges)
        sources = {self._sources.get(market.key.exchange, "live") for market in markets}
        return "simulated" if "simulated" in sources else "replay" if "replay" in sources else "live"

    def is_stale(self, symbol: str, exchanges: Collection[str] | None = None) -> bool:
        """True when none of the symbol's markets has spoken for the stale time."""
        now_s = self._clock_s()
        return all(market.age_s(now_s) > self._stale_after_s for market in self.markets(symbol, exchanges))

    def data_time_ms(self, symbol: str, exchanges: Collection[str] | None = None) -> int:
        """The newest data's own time, UTC ms; 0 if there is none."""
        return max((market.data_time_ms for market in self.markets(symbol, exchanges)), default=0)

    def last_snapshot(self, symbol: str) -> HeatmapSnapshot | None:
        """The snapshot made last, without making a new one."""
        return self._last.get(symbol)

    def start_epoch(self, epoch: int) -> None:
        """Say everything anew under a larger epoch: each symbol's last snapshot is its first there."""
        self.epoch = epoch
        self._last = {symbol: replace(last, epoch=epoch, seq=1) for symbol, last in self._last.items()}

    async def reload(self, market: MarketKey, end_ms: int | None = None) -> None:
        """Make a market's map anew from stored history: bars that open before `end_ms`, if given."""
        self._end_ms[market] = end_ms
        async with self._locks[market.symbol]:
            await self._load(market, end_ms)

    async def _load(self, market: MarketKey, end_ms: int | None) -> None:
        warmup = await read_warmup(
            self._store, market, interval_ms=self.interval_ms, span_ms=self._history_ms, end_ms=end_ms
        )
        self._maps[market] = await self._in_thread(lambda: self._made_from(market, warmup))
        self.loads += 1
        self._heard.pop(market.symbol, None)
        present = self._live.market(market)
        present.liquidations_known |= warmup.knows_liquidations
        if len(warmup.bars):
            present.start_from(warmup.bars)
        log.info("map_loaded", exchange=market.exchange, symbol=market.symbol, bars=len(warmup.bars))

    def kernel_of(self, symbol: str) -> Kernel:
        """The kernel as it stands for a symbol: without the leverages its brackets do not offer."""
        return kernel_of_market(self.kernel, symbol, self._brackets) if self._brackets else self.kernel

    def _made_from(self, market: MarketKey, warmup: Warmup) -> MarketMap:
        made = MarketMap(Estimator(self.kernel_of(market.symbol), interval_ms=self.interval_ms))
        if len(warmup.bars):
            made.load(warmup.bars, warmup.realised_long_usd, warmup.realised_short_usd)
        return made

    async def get_latest_heatmap_snapshot(self, symbol: str) -> HeatmapSnapshot | None:
        """The symbol's map now, or None while no price is known.

        A new `seq` only when anything a reader would notice has changed; else the last snapshot again.
        """
        async with self._locks[symbol]:
            if all(np.isnan(market.price_usd) for market in self.markets(symbol)):
                return None
            heard = (sum(market.records for market in self.markets(symbol)), self.is_stale(symbol))
            if self._heard.get(symbol) == heard:
                return self._last[symbol]
            news = [await self._news(market) for market in self._freshest_first(symbol)]
            self._heard[symbol] = heard
            return self._said(symbol, await self._in_thread(lambda: self._stepped(symbol, news)))

    async def of_venues(
        self, symbol: str, exchanges: Collection[str] | None = None
    ) -> tuple[HeatmapSnapshot, LevelMix] | None:
        """The symbol's map now of some venues (None: of all), with its leverage mix; None without a price.

        Grid, epoch and seq are those of all venues' map at that moment; all else is of the venues alone.
        """
        snapshot = await self.get_latest_heatmap_snapshot(symbol)
        if snapshot is None:
            return None
        state = self._states[symbol]
        if exchanges is None:
            return snapshot, state.mix
        some = state.only(exchanges)
        if some is None:
            return None
        before = self._before.get(symbol)
        created, consumed = changes(before.only(exchanges) if before else None, some)
        snapshot = replace(
            snapshot,
            timestamp_ms=self.data_time_ms(symbol, exchanges),
            long=to_usd(some.long),
            short=to_usd(some.short),
            current_price=some.price_usd,
            positions_created=created,
            positions_consumed=consumed,
            stale=self.is_stale(symbol, exchanges),
            source=self.source(symbol, exchanges),
            quality=some.quality,
        )
        return snapshot, some.mix

    def _freshest_first(self, symbol: str) -> list[LiveMarket]:
        """A symbol's markets, those that have spoken lately before the others."""
        now_s = self._clock_s()
        return sorted(self.markets(symbol), key=lambda market: market.age_s(now_s) > self._stale_after_s)

    async def _news(self, market: LiveMarket) -> _News:
        """What a market has told since the last time; a hole before it is first mended from the store."""
        made = self._maps.get(market.key)
        if made is None or self._hole_before(market, made):
            await self._store.flush()
            first_ms = market.closed[0].candle.open_time_ms if market.closed else None
            end_ms = self._end_ms.get(market.key) if first_ms is None else first_ms
            await self._load(market.key, end_ms)
        disordered = market.disordered_ms >= 0 and market.data_time_ms - market.disordered_ms <= RECENT_MS
        return _News(market.key, market.take_closed(), market.forming_bars(), market.price_usd, disordered)

    def _hole_before(self, market: LiveMarket, made: MarketMap) -> bool:
        last_ms = made.estimator.last_open_time_ms
        if not market.closed or last_ms is None:
            return False
        return market.closed[0].candle.open_time_ms > last_ms + self.interval_ms

    # In the model's thread

    def _stepped(self, symbol: str, news: list[_News]) -> SymbolState:
        started_s = time.perf_counter()
        for market in news:
            self._maps[market.key].take(market.closed)
        half_range = max(self._maps[market.key].half_range() for market in news)
        previous = self._states.get(symbol)
        price_usd = next(market.price_usd for market in news if not np.isnan(market.price_usd))
        grid = follow_grid(previous.mix.grid if previous else None, price_usd, half_range)
        state = add_up([self._cells(market, grid) for market in news], grid)
        assert state is not None  # one of them has a price
        self.steps += 1
        self.step_seconds += time.perf_counter() - started_s
        return state

    def _cells(self, market: _News, grid: Grid) -> VenueCells:
        made = self._maps[market.key]
        density = made.standing(market.forming)
        return VenueCells(
            market.key.exchange,
            market.price_usd,
            cells_usd(density.long_usd, density.low_log_price, density.bin_width, grid),
            cells_usd(density.short_usd, density.low_log_price, density.bin_width, grid),
            frozenset((*made.quality(), *(("out_of_order",) if market.disordered else ()))),
        )

    # On the event loop again

    def _said(self, symbol: str, state: SymbolState) -> HeatmapSnapshot:
        last, previous = self._last.get(symbol), self._states.get(symbol)
        self._states[symbol] = state
        created, consumed = changes(previous, state)
        snapshot = HeatmapSnapshot(
            symbol=symbol,
            timestamp_ms=max(self.data_time_ms(symbol), last.timestamp_ms if last else 0),
            epoch=self.epoch,
            seq=last.seq + 1 if last else 1,
            grid=state.mix.grid,
            long=to_usd(state.long),
            short=to_usd(state.short),
            current_price=state.price_usd,
            positions_created=created,
            positions_consumed=consumed,
            stale=self.is_stale(symbol),
            source=self.source(symbol),
            quality=state.quality,
            kernel=self.kernel.name,
        )
        if last is not None and hash_snapshot(snapshot) == hash_snapshot(last):
            return last
        if previous is not None:
            self._before[symbol] = previous
        self._last[symbol] = snapshot
        return snapshot

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
