"""Which kernel, and which calibration, predicted best lately: two kernels mixed online.

A kernel fitted on one market and bar length is wrong on another in how much it puts near the price. Beside it
runs the same kernel with masses flat to 10 % from entry. Of five shares of the flat one, each calibrated by
its sums and, as a second stage, by its newest logs too, the one with the least squared log error of the last
week is taken. All is learned from windows that have ended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from liqstream.market import HOUR_MS, FloatArray
from liqstream.model.calibration import PRIOR_PER_OPEN_INTEREST

FLAT_SHARES: FloatArray = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
"""Shares of the flat kernel that compete."""

START = 2
"""The candidate before anything is known: half of each kernel, calibrated by sums alone."""

CANDIDATES = tuple(range(2 * len(FLAT_SHARES)))
"""Indices of FLAT_SHARES, calibrated by sums alone, then the same with two stages."""

SUMS_HALF_LIFE_H = 336.0
LOGS_HALF_LIFE_H = 24.0
LOGS_PRIOR_H = 6.0
ERRORS_HALF_LIFE_H = 168.0
LOG_OFFSET_USD = 10_000.0
FLAT_TO = 0.10


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """What the chosen candidates predicted: USD of shape (sides, windows), and what was chosen per window.

    `flat_share` is the flat kernel's share, `second_stage` whether the newest logs calibrated too.
    """

    usd: FloatArray
    flat_share: FloatArray
    second_stage: FloatArray


class MixedCalibration:
    """Ten candidates for one market, and the one that did best: five shares, each with one stage and two.

    `candidates` are those that may be chosen: all, but where a part of this is judged by leaving it out.
    Figures of windows are arrays: realised USD of shape (sides,), predicted raw USD of shape (kernels,
    sides), the fitted kernel first.
    """

    __slots__ = (
        "_candidates",
        "_errors",
        "_hours",
        "_log_sums",
        "_log_weight",
        "_predicted",
        "_prior",
        "_realised",
        "known_ms",
    )

    def __init__(self, window_ms: int, candidates: tuple[int, ...] = CANDIDATES) -> None:
        self._candidates = np.array(candidates)  # indices of CANDIDATES that may be chosen
        self._hours = window_ms / HOUR_MS  # length of a window
        self._realised: FloatArray = np.zeros(2)  # decayed sums of USD by side
        self._predicted: FloatArray = np.zeros((2, 2))  # likewise by kernel and side, raw
        self._prior = 0.0  # USD added to both sums
        self._log_sums: FloatArray = np.zeros((len(FLAT_SHARES), 2))  # decayed log errors x hours, after sums
        self._log_weight = 0.0  # hours behind them
        self._errors: FloatArray = np.zeros(2 * len(FLAT_SHARES))  # decayed squared log errors, both sides
        self.known_ms = 0  # length of all windows learned from

    def copy(self) -> MixedCalibration:
        """An independent copy."""
        other = object.__new__(MixedCalibration)
        for name in MixedCalibration.__slots__:
            value = getattr(self, name)
            setattr(other, name, value.copy() if isinstance(value, np.ndarray) else value)
        return other

    @property
    def chosen(self) -> int:
        """The candidate with the least error: index of FLAT_SHARES, counted on for two stages."""
        if not self.known_ms:
            return START if START in self._candidates else int(self._candidates[0])
        return int(self._candidates[np.argmin(self._errors[self._candidates])])

    @property
    def flat_share(self) -> float:
        """The flat kernel's share in the chosen candidate."""
        return float(FLAT_SHARES[self.chosen % len(FLAT_SHARES)])

    @property
    def has_second_stage(self) -> bool:
        """Whether the chosen candidate is calibrated by its newest logs too."""
        return self.chosen >= len(FLAT_SHARES)

    def factors(self) -> FloatArray:
        """Calibrated USD per raw USD of every candidate, shape (candidates, sides)."""
        ratios = self.ratios(FLAT_SHARES)
        second = np.exp(self._log_sums / (self._log_weight + LOGS_PRIOR_H))
        return np.concatenate((ratios, ratios * second))

    def ratios(self, flat_shares: FloatArray) -> FloatArray:
        """Realised over predicted USD of past windows for any flat shares, shape (shares, sides)."""
        if self._prior <= 0.0:
            return np.ones((len(flat_shares), 2))
        ratios: FloatArray = (self._prior + self._realised) / (
            self._prior + mixed_usd(self._predicted, flat_shares)
        )
        return ratios

    def predict(self, predicted: FloatArray) -> FloatArray:
        """What the chosen candidate makes of a window's raw USD, shape (sides,)."""
        at = self.chosen
        mixed: FloatArray = mixed_usd(predicted, FLAT_SHARES)[at % len(FLAT_SHARES)] * self.factors()[at]
        return mixed

    def learn(self, realised_usd: FloatArray, predicted: FloatArray, open_interest_usd: float) -> None:
        """Take in a window that has ended and whose liquidations are known."""
        mixed = mixed_usd(predicted, FLAT_SHARES)
        target = np.log(realised_usd + LOG_OFFSET_USD)
        errors = target - np.log(np.concatenate((mixed, mixed)) * self.factors() + LOG_OFFSET_USD)
        hours = self._hours
        self._errors = _kept(hours, ERRORS_HALF_LIFE_H) * self._errors + (errors**2).sum(axis=1)
        keep = _kept(hours, LOGS_HALF_LIFE_H)
        self._log_sums = keep * self._log_sums + hours * errors[: len(FLAT_SHARES)]
        self._log_weight = keep * self._log_weight + hours
        if open_interest_usd > 0.0:
            self._prior = PRIOR_PER_OPEN_INTEREST * open_interest_usd
        keep = _kept(hours, SUMS_HALF_LIFE_H)
        self._realised = keep * self._realised + realised_usd
        self._predicted = keep * self._predicted + predicted
        self.known_ms += round(hours * HOUR_MS)


def mixed_usd(predicted: FloatArray, flat_shares: FloatArray) -> FloatArray:
    """Raw USD of mixtures, shape (shares, sides), of raw USD by kernel and side."""
    shares = flat_shares[:, None]
    mixed: FloatArray = (1 - shares) * predicted[0] + shares * predicted[1]
    return mixed


def mixed_predictions(
    realised_usd: FloatArray,
    predicted: FloatArray,
    open_interest_usd: FloatArray,
    window_ms: int,
    candidates: tuple[int, ...] = CANDIDATES,
) -> Mixed:
    """Every window predicted with what the windows before it taught.

    `realised_usd` is of shape (sides, windows), NaN where unknown; `predicted`, raw, of shape (kernels,
    sides, windows).
    """
    calibration = MixedCalibration(window_ms, candidates)
    windows = realised_usd.shape[1]
    usd, shares, second = np.zeros((2, windows)), np.zeros(windows), np.zeros(windows)
    for window in range(windows):
        usd[:, window] = calibration.predict(predicted[:, :, window])
        shares[window] = calibration.flat_share
        second[window] = calibration.has_second_stage
        if np.isfinite(realised_usd[:, window]).all():
            calibration.learn(
                realised_usd[:, window], predicted[:, :, window], float(open_interest_usd[window])
            )
    return Mixed(usd, shares, second)


def _kept(hours: float, half_life_h: float) -> float:
    return math.pow(0.5, hours / half_life_h)
