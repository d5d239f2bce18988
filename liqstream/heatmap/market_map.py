"""One market's map: its estimator, with the recent bars its grid and its quality are judged by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from liqstream.heatmap.live_market import ClosedBar, bars_of
from liqstream.market import DAY_MS, HOUR_MS, Bars, FloatArray, MarketKey, TimeArray, join_bars
from liqstream.market.data_quality import quality_of
from liqstream.model.amplitude_prior import AmplitudePrior
from liqstream.model.density import LevelDensity
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import Kernel, kernel_of_market
from liqstream.model.margin import BracketTable

_WEEK_MS = 7 * DAY_MS
_JUDGED_MS, _JUDGED_BARS = DAY_MS + HOUR_MS, 5
"""What quality flags are judged by: the last day's bars, and at least so many."""
_DAILY_DEVIATIONS = 5.0
"""The map reaches this many daily standard deviations to either side: beyond it nothing is near."""
_NARROWEST, _WIDEST = 0.04, 0.40


@dataclass(frozen=True, slots=True)
class MapModel:
    """What every market's map is made with.

    `interval_ms` is that of the bars, `history_days` the stored history a map is warmed up on. Brackets cap
    the leverage of a market's tiers: the user's own (`brackets.given`), else its exchange's (`own_brackets`,
    by exchange), else the bundled ones (`brackets`), else another exchange's; without any nothing is capped.
    """

    kernel: Kernel
    interval_ms: int
    history_days: int
    brackets: BracketTable | None = None
    own_brackets: dict[str, BracketTable] = field(default_factory=dict)
    amplitude: AmplitudePrior | None = None
    """What calibrates a market of which no liquidations are known; None: nothing does."""

    def kernel_of(self, symbol: str, exchange: str = "") -> Kernel:
        """The kernel for a symbol of an exchange: without the leverages that its brackets do not offer."""
        table = next((each for each in self._tables(symbol, exchange) if symbol in each.symbols), None)
        return self.kernel if table is None else kernel_of_market(self.kernel, symbol, table)

    def _tables(self, symbol: str, exchange: str) -> Iterator[BracketTable]:
        """Those that may have the symbol, the one that counts most first."""
        base, own = self.brackets, self.own_brackets
        if base is not None and symbol in base.given:
            yield base
        if exchange in own:
            yield own[exchange]
        if base is not None:
            yield base
        yield from (own[name] for name in sorted(own))

    def new_map(self, market: MarketKey) -> MarketMap:
        """A map of the market that has taken no bar yet."""
        return MarketMap(self.new_estimator(market, self.interval_ms))

    def new_estimator(self, market: MarketKey, bar_ms: int) -> Estimator:
        """An estimator of the market, for bars of that length, that has taken none yet."""
        kernel = self.kernel_of(market.symbol, market.exchange)
        first = (1.0, 1.0) if self.amplitude is None else self.amplitude.first_amplitudes(bar_ms)
        return Estimator(kernel, interval_ms=bar_ms, first_amplitudes=first)


@dataclass(slots=True)
class MarketMap:
    """What stands in one market; touched by the model's thread alone."""

    estimator: Estimator
    recent: Bars | None = None
    """The last day's bars, which quality flags are judged by."""
    closes: FloatArray = field(default_factory=lambda: np.empty(0))
    """Closes of the last week, by whose changes the range is chosen."""
    bars_taken: int = 0
    # What was found of the bars so far; None where bars have come since.
    _half_range: float | None = None
    _quality: tuple[str, ...] | None = None
    # Open times of `closes`.
    _times_ms: TimeArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def load(self, bars: Bars, realised_long_usd: FloatArray, realised_short_usd: FloatArray) -> None:
        """Take stored history (not empty, ascending); the realised totals are NaN where nothing is known.

        Raises ValueError for bars no market could have made, and takes none of them.
        """
        self.estimator.advance(
            bars, realised_long_usd=realised_long_usd, realised_short_usd=realised_short_usd
        )
        self._remember(bars)

    def take(self, closed: list[ClosedBar]) -> None:
        """Take bars that just closed; those the map already holds are passed over."""
        last_ms = self.estimator.last_open_time_ms
        new = [bar for bar in closed if last_ms is None or bar.candle.open_time_ms > last_ms]
        if new:
            self.load(*bars_of(new, new[0].candle.interval_ms))

    def amend(self, late: Mapping[int, tuple[float, float]]) -> None:
        """Learn long and short USD by open time of bars that the map holds already."""
        for open_time_ms, (long_usd, short_usd) in late.items():
            self.estimator.amend(open_time_ms, long_usd, short_usd)

    def _remember(self, bars: Bars) -> None:
        self.bars_taken += len(bars)
        self._half_range = self._quality = None
        joined = bars if self.recent is None else join_bars(self.recent, bars)
        last_ms = int(joined.open_time_ms[-1])
        first = int(np.searchsorted(joined.open_time_ms, last_ms - _JUDGED_MS))
        # Copies: a part of the arrays would keep the whole of a month's history.
        self.recent = joined[max(0, min(first, len(joined) - _JUDGED_BARS)) :].copy()
        times_ms = np.concatenate((self._times_ms, bars.open_time_ms))
        first = int(np.searchsorted(times_ms, last_ms - _WEEK_MS))
        self._times_ms = times_ms[first:].copy()
        self.closes = np.concatenate((self.closes, bars.close))[first:].copy()

    def rest(self) -> None:
        """Take less memory until the next bar closes: nobody looks at it."""
        self.estimator.rest()

    @property
    def nbytes(self) -> int:
        """Of all its arrays."""
        recent = 0 if self.recent is None else self.recent.nbytes
        return self.estimator.nbytes + recent + self.closes.nbytes + self._times_ms.nbytes

    def standing(self, forming: Bars | None) -> LevelDensity:
        """Calibrated USD that stands, the forming bar applied provisionally."""
        return self.estimator.standing(forming)

    def quality(self) -> tuple[str, ...]:
        """What a reader should know of the data this map rests on; flags of market/data_quality.py."""
        if self.recent is None:
            return ("no_open_interest", "warming_up", "calibrating")
        if self._quality is None:
            history_ms = self.bars_taken * self.recent.interval_ms
            calibrating = self.estimator.calibrating
            self._quality = quality_of(self.recent, history_ms=history_ms, calibrating=calibrating)
        return self._quality

    def half_range(self) -> float:
        """How far from the price, as a fraction of it, the map is worth showing."""
        if self.recent is None or len(self.closes) < 3:
            return _NARROWEST * 2
        if self._half_range is None:
            returns = np.diff(np.log(self.closes))
            daily = float(np.std(returns)) * math.sqrt(DAY_MS / self.recent.interval_ms)
            self._half_range = min(_WIDEST, max(_NARROWEST, _DAILY_DEVIATIONS * daily))
        return self._half_range
