"""All horizons' forecasts of one symbol over the exchanges followed, fed with closed bars.

What stands is added up over the exchanges, and so are realised liquidations; prices are those of the first
exchange, or while its bars stay away those of the next that has some. One object per symbol, not thread-safe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from liqstream.market import DAY_MS, Bars, FloatArray
from liqstream.model.estimator import Estimator
from liqstream.model.forecast import HorizonForecast, HorizonForecaster
from liqstream.model.forecast_features import CELLS, HORIZONS, PriceHistory, masses_by_distance
from liqstream.model.forecast_priors import HorizonPrior
from liqstream.model.kernel import Kernel

_LONGEST_MS = max(horizon.length_ms for horizon in HORIZONS.values())

MISSED_BARS = 2
"""Once another exchange has so many newer bars, the one whose bars are the moments is not waited for."""

KNOWN_WITHIN_MS = DAY_MS
"""An exchange whose liquidations were known so lately belongs to the sum: without it a bar is unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeBars:
    """One exchange's closed bars, ascending, with USD liquidated in each; NaN where nothing is known."""

    bars: Bars
    realised_long_usd: FloatArray
    realised_short_usd: FloatArray

    def usd_in(self, open_time_ms: int) -> FloatArray | None:
        """USD of longs and shorts liquidated in the bar of a time, NaN where unknown; None without it."""
        row = int(np.searchsorted(self.bars.open_time_ms, open_time_ms))
        if row == len(self.bars) or int(self.bars.open_time_ms[row]) != open_time_ms:
            return None
        return np.array([self.realised_long_usd[row], self.realised_short_usd[row]])


@dataclass(slots=True)
class _Moment:
    """What was liquidated in the bar that ended at a time, over the exchanges that know it.

    `waits_for` are those whose bar, or what was liquidated in it, was not known yet, and whether the sum is
    unknown without them.
    """

    end_ms: int
    sums: FloatArray = field(default_factory=lambda: np.zeros(2))
    is_known: bool = False
    waits_for: dict[str, bool] = field(default_factory=dict)

    @property
    def usd(self) -> FloatArray:
        """USD of longs and shorts, NaN where unknown."""
        is_sum = self.is_known and not any(self.waits_for.values())
        return self.sums if is_sum else np.full(2, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class IssuedForecasts:
    """What was issued at one moment: per horizon, for the exchanges whose bars had closed by then.

    `price_usd` is the close the distances are from, `masses` what stood by cell of distance, before
    calibration, shape (2, CELLS).
    """

    time_ms: int
    price_usd: float
    exchanges: tuple[str, ...]
    masses: FloatArray
    horizons: dict[str, HorizonForecast]


class MarketForecast:
    """The forecasters of every horizon the bars divide, and the maps they rest on."""

    def __init__(self, kernel: Kernel, interval_ms: int, priors: Mapping[str, HorizonPrior]) -> None:
        self.interval_ms = interval_ms
        self._kernel = kernel  # of every exchange's map
        self._history = PriceHistory(interval_ms)  # of the exchange whose bars are the moments
        self._moments_of = ""  # its name; "" before the first bar
        self._estimators: dict[str, Estimator] = {}  # by exchange, made with its first bars
        # Open interest in USD by exchange, as of its last bar.
        self._open_interest_usd: dict[str, float] = {}
        # By exchange, the close (UTC ms) of its last bar whose liquidations were known.
        self._known_ms: dict[str, int] = {}
        # Realised USD of the newest bars, as long as the longest horizon.
        self._realised: deque[_Moment] = deque(maxlen=_LONGEST_MS // interval_ms)
        # One per horizon that the bars divide.
        self._forecasters = [
            HorizonForecaster(horizon, prior=priors.get(horizon.name))
            for horizon in HORIZONS.values()
            if horizon.length_ms % interval_ms == 0
        ]

    @property
    def end_ms(self) -> int | None:
        """Close time of the last bar taken in; None before any."""
        return self._history.end_ms

    def next_open_ms(self, exchange: str) -> int | None:
        """The earliest open time of an exchange's bars that were not taken in; None before its first."""
        estimator = self._estimators.get(exchange)
        last_ms = None if estimator is None else estimator.last_open_time_ms
        return None if last_ms is None else last_ms + 1

    def windows(self) -> dict[str, int]:
        """By horizon, how many windows with known liquidations were learned from."""
        return {each.horizon.name: each.ridge.windows for each in self._forecasters}

    def advance(self, exchanges: Mapping[str, ExchangeBars]) -> IssuedForecasts | None:
        """Take in bars newer than the last, by exchange; what is issued at the last one's close.

        The first exchange's bars are the moments: another's that have not closed by then wait for the next
        call and must be given again, as may be older ones: what was liquidated in them may be known by now.
        Where the first has missed MISSED_BARS, the next that has them gives the moments until it is back.
        Aligned windows on the way are learned from. None without new bars, or while nothing can be forecast.
        """
        first = self._first_of(exchanges)
        if first is None:
            return None
        self._take_late(exchanges)
        issued: IssuedForecasts | None = None
        # What the history has already passed was another exchange's when that one came first.
        start = int(np.searchsorted(first.bars.open_time_ms, self.end_ms or 0))
        for row in range(start, len(first.bars)):
            end_ms = int(first.bars.open_time_ms[row]) + self.interval_ms
            self._take_prices(first.bars, row)
            self._realised.append(self._realised_in(exchanges, end_ms - self.interval_ms))
            for forecaster in self._forecasters:
                length_ms = forecaster.horizon.length_ms
                window = self._history.window(end_ms, length_ms)
                forecaster.observe(end_ms, window, self._sum(end_ms, length_ms))
            is_last = row == len(first.bars) - 1
            due = [each for each in self._forecasters if is_last or end_ms % each.horizon.length_ms == 0]
            if due:
                issued = self._issue(exchanges, end_ms, due)
        return issued

    def _first_of(self, exchanges: Mapping[str, ExchangeBars]) -> ExchangeBars | None:
        """The bars that are the moments; None where there are no new ones, or others' must wait for them."""
        after_ms = self.end_ms or 0
        new = {
            name: len(given.bars) - int(np.searchsorted(given.bars.open_time_ms, after_ms))
            for name, given in exchanges.items()
        }
        names = list(exchanges)
        name = next((name for name in names if new[name]), None)
        if name is None:
            return None
        before = self._moments_of
        if before in names and names.index(name) > names.index(before) and new[name] < MISSED_BARS:
            return None
        self._moments_of = name
        return exchanges[name]

    def _take_prices(self, bars: Bars, row: int) -> None:
        open_, high, low, close = (
            float(prices[row]) for prices in (bars.open, bars.high, bars.low, bars.close)
        )
        self._history.append(int(bars.open_time_ms[row]), (open_, high, low, close))

    def _issue(
        self, exchanges: Mapping[str, ExchangeBars], end_ms: int, due: list[HorizonForecaster]
    ) -> IssuedForecasts | None:
        price_usd = self._history.extremes((1.0,)).close
        masses = np.zeros((2, CELLS))
        current = []
        for name, given in exchanges.items():
            masses += self._standing(name, given.bars, end_ms, price_usd)
            if self._estimators[name].last_open_time_ms == end_ms - self.interval_ms:
                current.append(name)
        open_interest_usd = sum(self._open_interest_usd.values())
        found = {}
        for forecaster in due:
            if end_ms % forecaster.horizon.step_ms:
                continue
            forecast = forecaster.issue(self._history, masses[None], open_interest_usd)
            if forecast is not None:
                found[forecaster.horizon.name] = forecast
        return IssuedForecasts(end_ms, price_usd, tuple(current), masses, found) if found else None

    def _standing(self, name: str, bars: Bars, end_ms: int, price_usd: float) -> FloatArray:
        """What stands on an exchange once its bars up to a moment are taken in."""
        estimator = self._estimators.get(name)
        if estimator is None:
            estimator = self._estimators[name] = Estimator(self._kernel, interval_ms=self.interval_ms)
        last_ms = estimator.last_open_time_ms
        start = 0 if last_ms is None else int(np.searchsorted(bars.open_time_ms, last_ms + 1))
        stop = int(np.searchsorted(bars.open_time_ms, end_ms - self.interval_ms + 1))
        if start < stop:
            predicted = estimator.advance(bars[start:stop])
            self._open_interest_usd[name] = float(predicted.open_interest_usd[-1])
        density = estimator.standing(by_group=False)
        sides = (density.long_usd[0], density.short_usd[0])
        return masses_by_distance(density.low_log_price, density.bin_width, sides, price_usd)

    def _sum(self, end_ms: int, length_ms: int) -> FloatArray | None:
        """Realised USD of the window that ends now; None where a bar's is unknown."""
        count = length_ms // self.interval_ms
        if (
            len(self._realised) < count
            or self._realised[-count].end_ms != end_ms - length_ms + self.interval_ms
        ):
            return None
        sums: FloatArray = np.array([self._realised[at].usd for at in range(-count, 0)]).sum(axis=0)
        return sums if np.isfinite(sums).all() else None

    def _take_late(self, exchanges: Mapping[str, ExchangeBars]) -> None:
        """Add what was not known yet when its moment came."""
        known = {name for name, given in exchanges.items() if np.isfinite(given.realised_long_usd).any()}
        for moment in self._realised:
            for name in moment.waits_for.keys() & known:
                usd = exchanges[name].usd_in(moment.end_ms - self.interval_ms)
                if usd is not None and np.isfinite(usd).all():
                    self._count(moment, name, usd)

    def _realised_in(self, exchanges: Mapping[str, ExchangeBars], open_time_ms: int) -> _Moment:
        """What was liquidated in a bar; unknown where an exchange that belongs to the sum does not know it.

        An outage must not read as a calm market. An exchange whose bar is just late is added when it comes,
        and one without a bar in between had no trade.
        """
        moment = _Moment(open_time_ms + self.interval_ms)
        for name, given in exchanges.items():
            usd = given.usd_in(open_time_ms)
            if usd is None:
                newest_ms = self._newest_ms(name, given)
                if newest_ms < open_time_ms:
                    is_out = newest_ms < open_time_ms - self.interval_ms
                    moment.waits_for[name] = is_out and self._belongs(name, moment.end_ms)
            elif np.isfinite(usd).all():
                self._count(moment, name, usd)
            else:
                moment.waits_for[name] = self._belongs(name, moment.end_ms)
        return moment

    def _count(self, moment: _Moment, name: str, usd: FloatArray) -> None:
        moment.waits_for.pop(name, None)
        moment.sums += usd
        moment.is_known = True
        self._known_ms[name] = max(moment.end_ms, self._known_ms.get(name, 0))

    def _belongs(self, name: str, end_ms: int) -> bool:
        return end_ms - self._known_ms.get(name, -KNOWN_WITHIN_MS) <= KNOWN_WITHIN_MS

    def _newest_ms(self, name: str, given: ExchangeBars) -> int:
        """Open time of an exchange's newest bar, of those given or taken in; -1 before any."""
        estimator = self._estimators.get(name)
        taken_ms = None if estimator is None else estimator.last_open_time_ms
        given_ms = int(given.bars.open_time_ms[-1]) if len(given.bars) else -1
        return max(given_ms, -1 if taken_ms is None else taken_ms)
