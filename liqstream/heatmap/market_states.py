"""The maps of all markets, brought up to date in the model's thread and added up by symbol."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from liqstream.heatmap.live_market import ClosedBar, LiveMarket, LiveMarkets
from liqstream.heatmap.market_map import MapModel, MarketMap
from liqstream.heatmap.model_thread import ModelThread
from liqstream.heatmap.price_grid import Grid, density_cells_usd, follow_grid
from liqstream.heatmap.symbol_state import ExchangeCells, SymbolState, add_up
from liqstream.heatmap.warmup import Warmup, read_warmup, with_waiting
from liqstream.market import DAY_MS, Bars, MarketEvent, MarketKey
from liqstream.market.data_quality import RECENT_MS
from liqstream.model.calibration import CALIBRATING_MS
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore

log = structlog.get_logger(__name__)

LOAD_AGAIN_S = 5.0
"""Between two tries to read a gap from a store that fails."""


@dataclass(frozen=True, slots=True, eq=False)
class PendingBars:
    """What the event loop hands to the model's thread for one market: what came since the last time."""

    key: MarketKey
    closed: list[ClosedBar]
    late: Mapping[int, tuple[float, float]]
    """USD liquidated in bars that were taken before it came: longs and shorts by open time."""
    forming: Bars | None
    price_usd: float
    flags: frozenset[str]
    """Quality flags that no bar shows."""


class MarketStates:
    """The map of every market, and the state of a symbol they add up to.

    All methods are for the event loop; the model is stepped in one worker thread, which alone touches the
    estimators. The caller sees to it that nothing runs twice at once for a symbol. `steps` and
    `step_seconds` count new states and the thread's time for them, `loads` the times stored history was read.
    """

    def __init__(self, store: MarketStore, live: LiveMarkets, model: MapModel) -> None:
        self.loads = 0
        self.steps = 0
        self.step_seconds = 0.0
        self.watched_by: Callable[[], Collection[str] | None] = lambda: None
        """The symbols somebody looks at; the maps of others rest between their steps. None: of all."""
        self._store = store  # read before a map is begun, and where bars are missing
        # The present of each market: a map that is loaded says there where its history ended.
        self._live = live
        self._model = model  # what every map is made with
        self._history_ms = model.history_days * DAY_MS  # how much of it a map is begun on
        # Until when a market's stored history may be read (UTC ms, exclusive; None: to its end): a replay's
        # store holds what is the future to it. It holds for all loads to come.
        self._end_ms: dict[MarketKey, int | None] = {}
        # Replaced on the event loop, changed in the model's thread alone.
        self._maps: dict[MarketKey, MarketMap] = {}
        # Each symbol's price grid of the last state, for the next one to keep if it can.
        self._grids: dict[str, Grid] = {}
        # Maps that a failing store could not fill a gap of, and when that is tried again, in s.
        self._not_loaded: dict[MarketKey, float] = {}
        # One, so that no estimator is stepped twice at once.
        self._thread = ModelThread()

    def close(self) -> None:
        """Let the model's thread end; a step that waits is dropped, one under way runs to its end."""
        self._thread.close()

    def end_history_at(self, market: MarketKey, end_ms: int | None) -> None:
        """From now on read only a market's stored bars that open before `end_ms`; None: all of them."""
        self._end_ms[market] = end_ms

    def forget(self, market: MarketKey) -> None:
        """Drop what is kept of a market that is not followed any more, its present too."""
        self._live.forget(market)
        self._maps.pop(market, None)
        self._end_ms.pop(market, None)
        self._not_loaded.pop(market, None)
        if not any(key.symbol == market.symbol for key in self._maps):
            self._grids.pop(market.symbol, None)

    def checked_days(self, markets: Iterable[MarketKey]) -> int | None:
        """Whole days of realised liquidations that the best known of some markets was calibrated on.

        None once it is two weeks, from when on they are trusted.
        """
        known = [self._maps[key].estimator.checked_ms for key in markets if key in self._maps]
        best_ms = max(known, default=0)
        return None if best_ms >= CALIBRATING_MS else best_ms // DAY_MS

    async def load(self, market: MarketKey, end_ms: int | None, waiting: Sequence[MarketEvent] = ()) -> None:
        """Make a market's map anew from stored history: bars that open before `end_ms`, if given.

        `waiting` are records of it that the store does not take just now.
        The market's present goes on where that history ends. Raises StoreError; the map is then the one
        there was.
        """
        warmup = await read_warmup(
            self._store, market, interval_ms=self._model.interval_ms, span_ms=self._history_ms, end_ms=end_ms
        )
        warmup = with_waiting(warmup, waiting, end_ms=end_ms)
        rests = self._rests(market.symbol)
        self._maps[market] = await self._thread.run(lambda: self._made_from(market, warmup, rests=rests))
        self.loads += 1
        self._not_loaded.pop(market, None)
        present = self._live.market(market)
        await self._store.check_rows(market)
        if len(warmup.bars):
            present.start_from(warmup.bars)
        log.info("map_loaded", exchange=market.exchange, symbol=market.symbol, bars=len(warmup.bars))

    async def advance(self, symbol: str, markets: Sequence[LiveMarket]) -> SymbolState:
        """Take what came in the symbol's markets, and add their levels up.

        `markets` are all of the symbol's, those whose price is to be trusted first; one of them has a price.
        A gap in a market's bars is filled from the store before, as soon as the store can. Raises StoreError
        for a market whose map is not there yet.
        """
        pending = [await self._pending_bars(market) for market in markets]
        rests = self._rests(symbol)
        state = await self._thread.run(lambda: self._advance(symbol, pending, rests=rests))
        self._grids[symbol] = state.mix.grid
        return state

    async def _pending_bars(self, market: LiveMarket) -> PendingBars:
        """What came in a market since the last time; a gap before it is first filled from the store."""
        known = self._maps.get(market.key)
        if known is None or self._has_gap(market, known) or market.key in self._not_loaded:
            await self._load_missing(market, known)
        disordered = market.disordered_ms >= 0 and market.data_time_ms - market.disordered_ms <= RECENT_MS
        present = {
            "out_of_order": disordered,
            "exchange_silent": market.silent,
            "other_coin": any(each.other_coin for each in self._live.of_symbol(market.key.symbol)),
            "refused_data": self._store.guard.is_flagged(market.key),
        }
        flags = market.flags | {flag for flag, is_set in present.items() if is_set}
        came = market.take_closed(), market.take_late(), market.forming_bars()
        return PendingBars(market.key, *came, market.price_usd, flags)

    async def _load_missing(self, market: LiveMarket, known: MarketMap | None) -> None:
        """Fill a gap from the store; while the store fails, a map that is there goes on without."""
        now_s = self._live.clock_s()
        if known is not None and now_s < self._not_loaded.get(market.key, now_s):
            return
        try:
            await self._store.flush()
            first_ms = market.closed[0].candle.open_time_ms if market.closed else None
            end_ms = self._end_ms.get(market.key) if first_ms is None else first_ms
            await self.load(market.key, end_ms)
        except StoreError as error:
            if known is None:
                raise
            self._not_loaded[market.key] = now_s + LOAD_AGAIN_S
            log.warning("gap_not_loaded", exchange=market.key.exchange, reason=str(error))

    def _has_gap(self, market: LiveMarket, known: MarketMap) -> bool:
        """Whether bars are missing between the map's last one and the first that waits to be taken."""
        last_ms = known.estimator.last_open_time_ms
        if not market.closed or last_ms is None:
            return False
        return market.closed[0].candle.open_time_ms > last_ms + self._model.interval_ms

    def _rests(self, symbol: str) -> bool:
        watched = self.watched_by()
        return watched is not None and symbol not in watched

    @property
    def nbytes(self) -> dict[MarketKey, int]:
        """Of the arrays of each market's map."""
        return {key: map_.nbytes for key, map_ in self._maps.items()}

    # In the model's thread

    def _made_from(self, market: MarketKey, warmup: Warmup, *, rests: bool) -> MarketMap:
        made = self._model.new_map(market)
        if len(warmup.bars):
            made.load(warmup.bars, warmup.realised_long_usd, warmup.realised_short_usd)
        if rests:
            made.rest()
        return made

    def _advance(self, symbol: str, pending: list[PendingBars], *, rests: bool) -> SymbolState:
        started_s = time.perf_counter()
        for market in pending:
            self._maps[market.key].amend(market.late)
            self._maps[market.key].take(market.closed)
            if rests:
                self._maps[market.key].rest()
        half_range = max(self._maps[market.key].half_range() for market in pending)
        price_usd = next(market.price_usd for market in pending if not np.isnan(market.price_usd))
        grid = follow_grid(self._grids.get(symbol), price_usd, half_range)
        state = add_up([self._cells(market, grid) for market in pending], grid)
        assert state is not None  # one of them has a price
        self.steps += 1
        self.step_seconds += time.perf_counter() - started_s
        return state

    def _cells(self, market: PendingBars, grid: Grid) -> ExchangeCells:
        map_ = self._maps[market.key]
        long_usd, short_usd = density_cells_usd(map_.standing(market.forming), grid)
        return ExchangeCells(
            market.key.exchange,
            market.price_usd,
            long_usd,
            short_usd,
            market.flags | frozenset(map_.quality()),
        )
