"""The newest heatmap of each symbol: stored history, brought up to date from memory, as a snapshot."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import numpy as np
import structlog

from liqstream.heatmap.live_market import LiveMarket, LiveMarkets
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.market_states import MarketStates
from liqstream.heatmap.price_track import NOTHING_PASSED, PriceSince, PriceTrack
from liqstream.heatmap.quantise import dequantise
from liqstream.heatmap.same_coin import judge
from liqstream.heatmap.snapshot import HeatmapSnapshot, SilentExchange, StreamPosition
from liqstream.heatmap.snapshot_builder import DataStatus, SnapshotBuilder
from liqstream.heatmap.symbol_state import LevelMix, LevelsNow, SymbolState
from liqstream.market import LiquidationSpan, MarketEvent, MarketKey, Source
from liqstream.model.margin import BracketTable
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore

log = structlog.get_logger(__name__)

NOT_THERE = frozenset({"not_trading", "not_listed"})
"""An exchange that has no such contract now is silent about it by right."""


class LiveMaps:
    """Every followed symbol's map, and the snapshots made of it.

    All methods are for the event loop: `apply` takes market records in microseconds, the model is stepped in
    a worker thread (heatmap/market_states.py). `epoch` is UTC ms and must be larger than any used before. A
    market is stale after `stale_after_s` without a record.
    """

    def __init__(
        self,
        store: MarketStore,
        model: MapModel,
        *,
        stale_after_s: float,
        epoch: int,
        clock_s: Callable[[], float],
    ) -> None:
        self.model = model  # what every map is made with
        self._stale_after_s = stale_after_s  # seconds without a record
        self._clock_s = clock_s  # monotonic seconds
        # The present of each market, changed by `apply` at once; maps follow when a snapshot is asked for.
        self._live = LiveMarkets(model.interval_ms, clock_s)
        # The maps; they own the model's thread.
        self._markets = MarketStates(store, self._live, model)
        # Numbers the snapshots; owns the epoch.
        self._builder = SnapshotBuilder(epoch, model.kernel.name)
        # By exchange; one that is not named is live.
        self._sources: dict[str, Source] = {}
        self._guard = store.guard  # what it refuses is flagged
        # By symbol: how many records its markets had taken, whether it was stale and which of them were
        # flagged when its last snapshot was made, and when it was last known to be of now (s). While they
        # are the same nothing can have changed. Dropped when a map is made anew.
        self._inputs_seen: dict[str, tuple[tuple[int, bool, int], float]] = {}
        # One at a time per symbol: its maps are replaced and stepped, its snapshots numbered under the lock.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.on_coin_judged: Callable[[MarketKey, bool, float], None] = lambda *_: None
        """Called with each market whose coin is judged: whether it is another one, and its price in USD."""
        # By symbol, what was passed since each of its last snapshots.
        self._tracks: defaultdict[str, PriceTrack] = defaultdict(PriceTrack)

    @property
    def interval_ms(self) -> int:
        """The interval of the bars the maps are made of."""
        return self.model.interval_ms

    @property
    def epoch(self) -> int:
        """The epoch new snapshots are numbered under."""
        return self._builder.epoch

    @property
    def loads(self) -> int:
        """How often stored history was read."""
        return self._markets.loads

    @property
    def steps(self) -> tuple[int, float]:
        """How many times a symbol's map was brought up to date, and the model thread's seconds for them."""
        return self._markets.steps, self._markets.step_seconds

    def rest_unless(self, watched_by: Callable[[], Collection[str]]) -> None:
        """The maps of all other symbols take a fraction of the memory from now on."""
        self._markets.watched_by = watched_by

    def close(self) -> None:
        """Let the model's thread end."""
        self._markets.close()

    def apply(self, records: Sequence[MarketEvent]) -> None:
        """Take a batch of market records, at once and in memory."""
        self._live.apply(records)

    def cover(self, spans: Sequence[LiquidationSpan]) -> None:
        """Take in spans in which markets' liquidations were listened to; staleness is untouched."""
        for span in spans:
            self._live.market(MarketKey(span.exchange, span.symbol)).cover(span.start_ms, span.end_ms)

    async def forget(self, market: MarketKey) -> None:
        """Drop a market that is not followed any more; a symbol's numbers go on should it return."""
        async with self._locks[market.symbol]:
            self._markets.forget(market)
            self._inputs_seen.pop(market.symbol, None)
            if not self._live.of_symbol(market.symbol):
                self._builder.forget(market.symbol)
                self._tracks.pop(market.symbol, None)

    def set_source(self, exchange: str, source: Source) -> None:
        """Set what an exchange's data is: live, replay or simulated."""
        self._sources[exchange] = source

    def set_flags(self, market: MarketKey, flags: frozenset[str]) -> None:
        """Set what a market's feed says is wrong with it; see QUALITY_FLAGS."""
        present = self._live.market(market)
        if present.flags != flags:
            present.flags = flags
            present.records += 1  # a reader would notice

    def forget_later(self, market: MarketKey, latest_ms: int) -> bool:
        """Forget what is later than a market's records can be; whether there was any: then reload its map."""
        if not self._live.market(market).forget_later(latest_ms):
            return False
        self._builder.cap_time(market.symbol, latest_ms)
        return True

    def mark_fresh(self, market: MarketKey) -> None:
        """Note that a market's source has just delivered, if only a backfill: it is not stale yet."""
        self._live.market(market).last_event_s = self._clock_s()

    def markets(self, symbol: str, exchanges: Collection[str] | None = None) -> list[LiveMarket]:
        """The present of each of a symbol's markets, or of those on some exchanges; none of another coin."""
        return [
            market
            for market in self._live.of_symbol(symbol)
            if not market.other_coin and (exchanges is None or market.key.exchange in exchanges)
        ]

    def exchanges(self, symbol: str) -> tuple[str, ...]:
        """The exchanges behind a symbol's map."""
        return tuple(market.key.exchange for market in self.markets(symbol))

    def market(self, key: MarketKey) -> LiveMarket:
        """The present of one market, made on first use."""
        return self._live.market(key)

    def set_brackets(self, table: BracketTable) -> set[MarketKey]:
        """Use an exchange's own brackets from now on; the markets to reload: their kernel is another now."""
        kernel_of = self.model.kernel_of
        before = {key: kernel_of(key.symbol, key.exchange) for key in self._live.by_key}
        self.model.own_brackets[table.exchange] = table
        return {key for key, kernel in before.items() if kernel_of(key.symbol, key.exchange) != kernel}

    def brackets_of(self, exchange: str) -> BracketTable | None:
        """An exchange's own brackets as they are used; None before any."""
        return self.model.own_brackets.get(exchange)

    def source(self, symbol: str, exchanges: Collection[str] | None = None) -> Source:
        """What a symbol's map is made of; of several sources, the least real one names it."""
        markets = self.markets(symbol, exchanges)
        sources = {self._sources.get(market.key.exchange, "live") for market in markets}
        return "simulated" if "simulated" in sources else "replay" if "replay" in sources else "live"

    def is_stale(self, symbol: str, exchanges: Collection[str] | None = None) -> bool:
        """True when none of the symbol's markets has had a record for the stale time."""
        now_s = self._clock_s()
        return all(market.age_s(now_s) > self._stale_after_s for market in self.markets(symbol, exchanges))

    def data_time_ms(self, symbol: str, exchanges: Collection[str] | None = None) -> int:
        """The newest data's own time, UTC ms; 0 if there is none."""
        return max((market.data_time_ms for market in self.markets(symbol, exchanges)), default=0)

    def has_price(self, symbol: str) -> bool:
        """True once the symbol has a map: as soon as the price of any of its markets is known."""
        return not all(np.isnan(market.price_usd) for market in self.markets(symbol))

    def checked_days(self, symbol: str) -> int | None:
        """For how many of two weeks liquidations have checked the symbol's USD; None: for all."""
        return self._markets.checked_days(market.key for market in self.markets(symbol))

    def last_snapshot(self, symbol: str) -> HeatmapSnapshot | None:
        """The snapshot made last, without making a new one."""
        return self._builder.last(symbol)

    def start_epoch(self, epoch: int) -> None:
        """Number snapshots anew under a larger epoch: each symbol's last snapshot is its first there."""
        self._builder.start_epoch(epoch)

    async def reload(
        self, market: MarketKey, end_ms: int | None = None, waiting: Sequence[MarketEvent] = ()
    ) -> None:
        """Make a market's map anew from stored bars that open before `end_ms`, if given, and from records of
        it that are `waiting` for a store that takes none. Raises StoreError."""
        self._markets.end_history_at(market, end_ms)
        async with self._locks[market.symbol]:
            await self._markets.load(market, end_ms, waiting)
            self._inputs_seen.pop(market.symbol, None)

    async def get_latest_heatmap_snapshot(self, symbol: str) -> HeatmapSnapshot | None:
        """The symbol's map now, or None while no price is known.

        A new `seq` only when anything a reader would notice has changed; else the last snapshot again.
        Where stored history has to be read first and the store fails, the last snapshot again.
        """
        async with self._locks[symbol]:
            if not self.has_price(symbol):
                return None
            self._leave_out_other_coins(symbol)
            self._note_silence(symbol)
            now_s, inputs = self._clock_s(), self._inputs(symbol)
            if self._inputs_seen.get(symbol, (None, 0.0))[0] == inputs:
                self._inputs_seen[symbol] = inputs, now_s
                return self._builder.last(symbol)
            state = await self._advanced(symbol)
            if state is None:
                return self._builder.last(symbol)
            # Not before: a failure, or a caller that gave up meanwhile, leaves no snapshot of these inputs.
            # What came while the model was stepped is not among them and makes the next snapshot.
            self._inputs_seen[symbol] = inputs, now_s
            return self._snapshot_of(symbol, state)

    async def levels_now(self, symbol: str, *, max_age_s: float = 0.0) -> LevelsNow | None:
        """The symbol's levels, without numbering a snapshot of them; None while no price is known.

        As they were up to `max_age_s` ago where a snapshot was made then: of a market that is watched
        nothing is made twice. None also where stored history has to be read first and the store fails.
        """
        async with self._locks[symbol]:
            if not self.has_price(symbol):
                return None
            self._leave_out_other_coins(symbol)
            last, seen = self._builder.last(symbol), self._inputs_seen.get(symbol)
            if last and seen and (self._clock_s() - seen[1] <= max_age_s or seen[0] == self._inputs(symbol)):
                return LevelsNow(last.grid, last.long, last.short, last.current_price)
            state = await self._advanced(symbol)
            if state is None:
                return None
            long_usd, short_usd = dequantise(state.long), dequantise(state.short)
            return LevelsNow(state.mix.grid, long_usd, short_usd, state.price_usd)

    async def _advanced(self, symbol: str) -> SymbolState | None:
        try:
            return await self._markets.advance(symbol, self._freshest_first(symbol))
        except StoreError as error:
            log.warning("map_not_advanced", symbol=symbol, reason=str(error))
            return None

    def _leave_out_other_coins(self, symbol: str) -> None:
        for market in judge(self._live.of_symbol(symbol), self._clock_s()):
            name, price_usd = market.key.exchange, market.price_usd
            self.on_coin_judged(market.key, bool(market.other_coin), price_usd)
            self._inputs_seen.pop(symbol, None)
            if market.other_coin:
                log.warning("another_coin", exchange=name, symbol=symbol, price_usd=price_usd)

    def recall_other_coin(self, market: MarketKey) -> None:
        """An earlier run has found this market to be of another coin: left out until it is judged anew."""
        self._live.market(market).other_coin = True

    def silent_exchanges(self, symbol: str) -> dict[str, float | None]:
        """The exchanges that are stale beside others that are not, with seconds since their last record.

        None for one that had none; empty while none or all of them are stale.
        """
        now_s = self._clock_s()
        markets = [market for market in self.markets(symbol) if not market.flags & NOT_THERE]
        ages = {market.key.exchange: market.age_s(now_s) for market in markets}
        silent = {name: age_s for name, age_s in ages.items() if age_s > self._stale_after_s}
        if len(silent) == len(ages):
            return {}
        return {name: age_s if math.isfinite(age_s) else None for name, age_s in silent.items()}

    def _note_silence(self, symbol: str) -> None:
        silent = self.silent_exchanges(symbol)
        for market in self.markets(symbol):
            if market.silent != (market.key.exchange in silent):
                market.silent = not market.silent
                market.records += 1  # a reader would notice

    async def snapshot_of_exchanges(
        self, symbol: str, exchanges: Collection[str] | None = None
    ) -> tuple[HeatmapSnapshot, LevelMix] | None:
        """The symbol's map now of some exchanges (None: of all), with its leverage mix; None without a price.

        Grid, epoch and seq are those of all exchanges' map at that moment; all else is of the ones named.
        """
        snapshot = await self.get_latest_heatmap_snapshot(symbol)
        if snapshot is None:
            return None
        if exchanges is None:
            return snapshot, self._builder.mix_of(symbol)
        return self._builder.snapshot_of_exchanges(symbol, exchanges, self._status(symbol, exchanges))

    def _inputs(self, symbol: str) -> tuple[int, bool, int]:
        markets = self.markets(symbol)
        flagged = sum(self._guard.is_flagged(market.key) for market in markets)
        return sum(market.records for market in markets), self.is_stale(symbol), flagged

    def _freshest_first(self, symbol: str) -> list[LiveMarket]:
        """A symbol's markets, those that have had a record lately before the others."""
        now_s = self._clock_s()
        return sorted(self.markets(symbol), key=lambda market: market.age_s(now_s) > self._stale_after_s)

    def price_track(self, symbol: str) -> PriceTrack | None:
        """The symbol's price track up to this moment; None before its first snapshot."""
        last, markets = self._builder.last(symbol), self._freshest_first(symbol)
        price_usd = next((each.price_usd for each in markets if not math.isnan(each.price_usd)), None)
        if last is None or price_usd is None:
            return None
        track = self._tracks[symbol]
        passed = {each.key.exchange: each.passed_before.and_by(*each.passed) for each in markets}
        track.note_passed(last.position, passed)
        closes = {each.key.exchange: each.close_usd for each in markets if not math.isnan(each.close_usd)}
        track.note_price(max(self.data_time_ms(symbol), last.timestamp_ms), price_usd, closes)
        return track

    def price_since(self, symbol: str, position: StreamPosition) -> PriceSince | None:
        """The symbol's newest price, and what was passed since one of its last snapshots; None if unknown."""
        return None if (track := self.price_track(symbol)) is None else track.since(position)

    def _snapshot_of(self, symbol: str, state: SymbolState) -> HeatmapSnapshot:
        before = self._builder.last(symbol)
        snapshot = self._builder.snapshot_of(symbol, state, self._status(symbol))
        if before is None or before.position != snapshot.position:
            markets = self._live.of_symbol(symbol)
            if before is not None:
                passed = {each.key.exchange: each.passed_before for each in markets}
                self._tracks[symbol].note_passed(before.position, passed)
            for market in markets:
                market.passed_before = NOTHING_PASSED
        return snapshot

    def _status(self, symbol: str, exchanges: Collection[str] | None = None) -> DataStatus:
        silent = (market for market in self.markets(symbol, exchanges) if market.silent)
        return DataStatus(
            self.data_time_ms(symbol, exchanges),
            self.is_stale(symbol, exchanges),
            self.source(symbol, exchanges),
            tuple(SilentExchange(market.key.exchange, market.data_time_ms) for market in silent),
        )
