"""Issues every symbol's forecasts as its bars close, stores them as they were issued, and serves the newest.

The forecasters are fed from the store, so that what is issued is what a recomputation of the same bars gives.
They are stepped in a worker thread; the event loop only hears of closed bars.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.warmup import read_bars
from liqstream.market import DAY_MS, HOUR_MS, Candle, MarketEvent, MarketKey, Source
from liqstream.model.forecast_content import content_of
from liqstream.model.forecast_features import HORIZONS
from liqstream.model.forecast_priors import HorizonPrior
from liqstream.model.forecast_rows import COMBINATION
from liqstream.model.market_forecast import ExchangeBars, IssuedForecasts, MarketForecast
from liqstream.store import StoreError
from liqstream.store.forecasts import StoredForecast
from liqstream.store.market_store import MarketStore

log = structlog.get_logger(__name__)

HISTORY_MS = 45 * DAY_MS
"""Stored history a symbol's forecasters learn from when they are made; what comes later is added."""

LONGEST_TOTAL_MS = HOUR_MS
"""Bars of so long ago are read again: a total of several bars is known once it has ended."""

GRACE_S = 5.0
"""How long the forecast waits for the other exchanges' bars once the first has closed."""


ASK_AGAIN_S = 2.0
"""A server that does not lead looks so often whether it does by now."""

OnIssued = Callable[[dict[str, Any], Sequence[StoredForecast]], Awaitable[None]]

REBUILD_AFTER_S = 600.0
"""Where history came after forecasters were made (a backfill, a filled gap), they are made anew so often."""


@dataclass(slots=True)
class _Symbol:
    """One symbol's forecasters, when they were made (monotonic s), and how many stored histories the maps had
    read by then."""

    forecast: MarketForecast
    loads: int
    made_s: float


class ForecastLoop:
    """Runs beside the pipeline; `take` is one of its listeners, `run` a task of its own."""

    def __init__(
        self,
        store: MarketStore,
        maps: LiveMaps,
        symbols: Sequence[str],
        *,
        priors: Mapping[str, HorizonPrior],
        clock_s: Callable[[], float],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store  # bars in, forecasts out
        self._maps = maps  # which exchanges a symbol has, and its kernel
        self._symbols = symbols  # others' bars are passed over; the list may change
        self._priors = priors  # where a new market starts, by horizon
        self._clock_s = clock_s  # monotonic seconds
        self._leads = leads  # whether this server issues; in a fleet one does
        self.on_issued: OnIssued | None = None  # called with what was issued and stored
        self._forecasts: dict[str, _Symbol] = {}  # made with a symbol's first closed bar
        self._newest: dict[str, dict[str, Any]] = {}  # what was issued last, by symbol, ready to serve
        # Close time (UTC ms) of each exchange's newest bar, by symbol.
        self._closed: dict[str, dict[str, int]] = {}
        self._due_s: dict[str, float] = {}  # by symbol, when its forecast no longer waits for other exchanges
        self._woken = asyncio.Event()  # set when a bar has closed
        self.switched_off: set[tuple[str, str]] = set()  # (symbol, horizon) served without the map
        self.issued = 0
        self.failed = 0

    def take(self, records: Sequence[MarketEvent]) -> None:
        """Note the closed bars among some records; never waits."""
        for record in records:
            if not isinstance(record, Candle) or not record.closed or record.symbol not in self._symbols:
                continue
            if record.interval_ms != self._maps.interval_ms:
                continue
            closes = self._closed.setdefault(record.symbol, {})
            closes[record.exchange] = record.open_time_ms + record.interval_ms
            followed = set(self._maps.exchanges(record.symbol))
            all_closed = set(closes) >= followed and len(set(closes.values())) == 1
            grace_s = 0.0 if all_closed else GRACE_S
            due_s = self._clock_s() + grace_s
            self._due_s[record.symbol] = min(due_s, self._due_s.get(record.symbol, due_s))
            self._woken.set()

    def begin(self) -> None:
        """Issue for every symbol from the history there is, without waiting for a bar to close."""
        for symbol in self._symbols:
            if self._maps.exchanges(symbol):
                self._due_s.setdefault(symbol, self._clock_s())
        self._woken.set()

    def forget(self, symbol: str) -> None:
        """Drop what is kept of a symbol that is not followed any more; what was issued stays in the store."""
        for kept in (self._forecasts, self._newest, self._closed, self._due_s):
            kept.pop(symbol, None)

    def source(self, symbol: str) -> Source:
        """Whether a symbol's bars are live, replayed or simulated: each is graded by its own alone."""
        return self._maps.source(symbol)

    def followed(self, symbol: str) -> frozenset[str]:
        """The exchanges a symbol's forecasts are of now."""
        return frozenset(self._maps.exchanges(symbol))

    def newest(self, symbol: str) -> dict[str, Any] | None:
        """What was issued last for a symbol, None before anything was."""
        return self._newest.get(symbol)

    async def run(self) -> None:
        """Issue until cancelled; a symbol whose data cannot be read or stored is tried again next bar."""
        while True:
            due = [symbol for symbol, due_s in self._due_s.items() if due_s <= self._clock_s()]
            if due and not self._leads():
                # Who leads next issues at once what is due by then.
                self._due_s |= dict.fromkeys(due, self._clock_s() + ASK_AGAIN_S)
                due = []
            for symbol in due:
                if self._due_s.pop(symbol, None) is not None:
                    await self._issue_safely(symbol)
            if not due:
                await self._wait()

    async def _wait(self) -> None:
        next_s = min(self._due_s.values(), default=None)
        timeout_s = None if next_s is None else max(0.0, next_s - self._clock_s())
        try:
            await asyncio.wait_for(self._woken.wait(), timeout_s)
        except TimeoutError:
            return
        self._woken.clear()

    async def _issue_safely(self, symbol: str) -> None:
        try:
            await self.issue(symbol)
        except (StoreError, ValueError) as error:
            # Bars that go back in time, or that the store does not give now: made anew with the next bar.
            self.failed += 1
            self._forecasts.pop(symbol, None)
            log.warning("forecast_failed", symbol=symbol, error=str(error))
        except Exception:
            # Begun anew by whoever runs this; the other symbols are due already.
            self.failed += 1
            self._forecasts.pop(symbol, None)
            raise

    async def issue(self, symbol: str) -> None:
        """Issue a symbol's forecasts at its newest closed bar and store them.

        Raises StoreError where bars cannot be read or forecasts not stored, ValueError for impossible bars.
        """
        await self._store.flush()
        state = self._state(symbol)
        given = await self._bars(symbol, state)
        issued = await asyncio.to_thread(state.forecast.advance, given)
        if issued is None or self._is_known(symbol, issued.time_ms):
            return
        contents = {
            name: content_of(
                issued,
                name,
                HORIZONS[name].length_ms,
                served="N2" if (symbol, name) in self.switched_off else COMBINATION,
            )
            | {"source": self.source(symbol)}
            for name in issued.horizons
        }
        records = _stored(symbol, issued, contents)
        await self._store.append_forecasts(records)
        self.issued += len(contents)
        before = self._newest.get(symbol, {"horizons": {}})["horizons"]
        still_open = {name: each for name, each in before.items() if each["until_ms"] > issued.time_ms}
        self._newest[symbol] = {
            "symbol": symbol,
            "time_ms": issued.time_ms,
            "exchanges": list(issued.exchanges),
            "windows": state.forecast.windows(),
            "horizons": {
                **still_open,
                **{name: {"time_ms": issued.time_ms, **content} for name, content in contents.items()},
            },
        }
        if self.on_issued is not None:
            await self.on_issued(self._newest[symbol], records)

    async def adopt(self, newest: dict[str, Any], records: Sequence[StoredForecast]) -> None:
        """Store and serve what the fleet's leader issued, if it is newer than what is served.

        Raises StoreError; then it is not served either.
        """
        symbol = newest["symbol"]
        if symbol not in self._symbols or self._is_known(symbol, newest["time_ms"]):
            return
        await self._store.append_forecasts(records)
        self._newest[symbol] = newest

    def _is_known(self, symbol: str, time_ms: int) -> bool:
        """Whether what is served is of that time or a later one: a forecast is issued once."""
        served = self._newest.get(symbol)
        return served is not None and served["time_ms"] >= time_ms

    def _state(self, symbol: str) -> _Symbol:
        """A symbol's forecasters; made anew where stored history has grown behind them, now and then."""
        state = self._forecasts.get(symbol)
        now_s = self._clock_s()
        if state is None or (state.loads != self._maps.loads and now_s - state.made_s >= REBUILD_AFTER_S):
            kernel = self._maps.model.kernel_of(symbol)
            forecast = MarketForecast(kernel, self._maps.interval_ms, self._priors)
            state = self._forecasts[symbol] = _Symbol(forecast, self._maps.loads, now_s)
        return state

    async def _bars(self, symbol: str, state: _Symbol) -> dict[str, ExchangeBars]:
        """Each exchange's stored bars that the forecasters lack."""
        interval_ms = self._maps.interval_ms
        # A replay's store holds what is the future to it: no bar beyond those that were played.
        until_ms = max(self._closed.get(symbol, {}).values(), default=self._maps.data_time_ms(symbol))
        until_ms -= until_ms % interval_ms
        given = {}
        for exchange in sorted(self._maps.exchanges(symbol)):
            start_ms = state.forecast.next_open_ms(exchange)
            if start_ms is not None:
                start_ms -= LONGEST_TOTAL_MS
            else:
                newest_ms = await self._store.newest_bar_ms(exchange, symbol, interval_ms)
                start_ms = (
                    until_ms - HISTORY_MS if newest_ms is None else min(newest_ms, until_ms) - HISTORY_MS
                )
            found = await read_bars(
                self._store,
                MarketKey(exchange, symbol),
                interval_ms=interval_ms,
                start_ms=start_ms,
                end_ms=until_ms,
            )
            if len(found.bars) or state.forecast.end_ms is not None:
                given[exchange] = ExchangeBars(found.bars, found.realised_long_usd, found.realised_short_usd)
        return given


def _stored(
    symbol: str, issued: IssuedForecasts, contents: dict[str, dict[str, Any]]
) -> list[StoredForecast]:
    exchanges = ",".join(issued.exchanges)
    return [
        StoredForecast(symbol, name, issued.time_ms, exchanges, content["method"], json.dumps(content))
        for name, content in contents.items()
    ]
