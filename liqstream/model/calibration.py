"""From the model's USD to realised USD: one amplitude per side, learned from past bars alone.

amplitude = (prior x first + EWMA realised) / (prior + EWMA predicted), half-life a week. Without it USD are
off by a factor of two and drift. The prior of 5e6 USD was fitted where open interest was 8e9 USD; it is kept
in that proportion, so that a small market calibrates as quickly as a large one. `first` is what a market
starts from (model/amplitude_prior.py); 1 where a score must know nothing.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from liqstream.market import DAY_MS, HOUR_MS, FloatArray

HALF_LIFE_MS = 168 * HOUR_MS
PRIOR_PER_OPEN_INTEREST = 5e6 / 8e9
CALIBRATING_MS = 14 * DAY_MS
"""Realised liquidations of so long are needed before an amplitude is trusted."""

DISPLAY_TOLERANCE = 0.05
"""The displayed amplitude sets out only when it is off by more: every move changes every level."""

MOST_DISPLAY_MOVE = math.log(1.01)
"""The displayed amplitude moves by 1 % a bar at most: bands that brighten at once read as new positions."""


def decay_of(interval_ms: int) -> float:
    """What one interval leaves of the averages' weight."""
    return float(0.5 ** (interval_ms / HALF_LIFE_MS))


@dataclass(slots=True)
class Amplitude:
    """The calibration of one side: decayed sums of realised and predicted USD, and the factor on display."""

    interval_ms: int
    realised_usd: float = 0.0
    predicted_usd: float = 0.0
    prior_usd: float = 0.0
    known_ms: int = 0
    first: float = 1.0
    """The factor before any realised liquidations are known."""
    displayed: float = field(init=False)
    heading_for: float = field(init=False)
    """The factor the displayed one is on its way to."""

    def __post_init__(self) -> None:
        self.displayed = self.heading_for = self.first

    def copy(self) -> Amplitude:
        """An independent copy."""
        return copy(self)

    @property
    def factor(self) -> float:
        """Realised USD per predicted USD, as known from past bars; `first` before any."""
        if self.prior_usd <= 0.0:
            return self.first
        return (self.prior_usd * self.first + self.realised_usd) / (self.prior_usd + self.predicted_usd)

    @property
    def calibrating(self) -> bool:
        """True until realised liquidations of two weeks have been seen."""
        return self.known_ms < CALIBRATING_MS

    def learn(self, realised_usd: float, predicted_usd: float, open_interest_usd: float) -> None:
        """Take in one bar whose realised liquidations are known."""
        keep = decay_of(self.interval_ms)
        if open_interest_usd > 0.0:
            self.prior_usd = PRIOR_PER_OPEN_INTEREST * open_interest_usd
        self.realised_usd = keep * self.realised_usd + realised_usd
        self.predicted_usd = keep * self.predicted_usd + predicted_usd
        self.known_ms += self.interval_ms
        if abs(math.log(self.factor / self.heading_for)) > DISPLAY_TOLERANCE:
            self.heading_for = self.factor
        self.fade(1)

    def amend(self, realised_usd: float, bars_ago: int) -> None:
        """Add what was realised in a bar that was learned from so many ago, and is known only now."""
        self.realised_usd += decay_of(self.interval_ms) ** bars_ago * realised_usd

    def fade(self, bars: int) -> None:
        """Let so many bars pass: the displayed amplitude comes nearer to where it is heading."""
        way = math.log(self.heading_for / self.displayed)
        most = bars * MOST_DISPLAY_MOVE
        arrives = abs(way) <= most
        self.displayed = self.heading_for if arrives else self.displayed * math.exp(math.copysign(most, way))


def priors_before(open_interest_usd: FloatArray) -> FloatArray:
    """USD of the prior before each interval: by the last open interest that was known, 0 before any."""
    last = np.maximum.accumulate(np.where(open_interest_usd > 0, np.arange(len(open_interest_usd)), -1))
    held = np.where(last >= 0, open_interest_usd[last], 0.0)
    priors: FloatArray = PRIOR_PER_OPEN_INTEREST * np.concatenate(([0.0], held[:-1]))
    return priors


def past_amplitudes(
    realised_usd: FloatArray, predicted_usd: FloatArray, open_interest_usd: FloatArray, interval_ms: int
) -> FloatArray:
    """The amplitude each interval would have been predicted with: that of the intervals before it.

    The same recursion as `Amplitude`, for whole columns without gaps in `realised_usd`.
    """
    keep = decay_of(interval_ms)
    realised, predicted = (
        np.array([0.0, *accumulate(column.tolist(), lambda so_far, usd: keep * so_far + usd)][: len(column)])
        for column in (realised_usd, predicted_usd)
    )
    prior = priors_before(open_interest_usd)
    known = prior + predicted
    factors: FloatArray = np.ones(len(known))
    np.divide(prior + realised, known, out=factors, where=(known > 0) & (prior + realised > 0))
    return factors
