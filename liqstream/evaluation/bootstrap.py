"""Rank statistics under a day-block bootstrap, all draws at once.

Liquidations of a day belong together, so whole days are drawn with replacement. A draw is a vector of
weights (how often each interval's day was drawn); ranks under weights come from cumulative sums in an order
that is the same for every draw, so a thousand draws are a few array operations instead of a thousand sorts.
Row 0 of every result is the data as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import DAY_MS, HOUR_MS, FloatArray, TimeArray

IntArray = NDArray[np.int64]

CONFIDENCE = 0.95
TOP_SHARE = 0.10
GROUPS = 10
LOG_OFFSET_USD = 10_000.0
MIN_DAYS_OF_WHOLE_DAYS = 10

LEAST_VARIANCE = 1e-18
"""Of logarithms: what varies less is one figure, and rounding."""

_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How often days are drawn, and from which seed: equal values give equal intervals."""

    draws: int = 1000
    seed: int = 20_261_123


DEFAULT_BOOTSTRAP = Bootstrap()


@dataclass(frozen=True, slots=True, eq=False)
class SideStatistics:
    """Statistics of one prediction against realised USD, shape (draws + 1,) each, row 0 the data."""

    spearman: FloatArray
    top_decile_share: FloatArray
    partial_spearman: FloatArray
    calibration: FloatArray
    log_r2: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Ordering:
    """A column's ascending order, its inverse, and where each sorted row's run of equals begins and ends."""

    order: IntArray
    inverse: IntArray
    run_start: IntArray
    run_end: IntArray


def day_weights(
    times_ms: TimeArray, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP, block_ms: int = DAY_MS
) -> Iterator[FloatArray]:
    """Weights per draw and interval, in blocks of shape (draws, intervals); the first row is all ones.

    What is drawn together are whole days (UTC), or spans of `block_ms`.
    """
    days, of_row = np.unique(times_ms // block_ms, return_inverse=True)
    draws = bootstrap.draws
    rng = np.random.default_rng(bootstrap.seed)
    counts = np.ones((draws + 1, len(days)))
    counts[1:] = rng.multinomial(len(days), np.full(len(days), 1 / len(days)), size=draws)
    block = max(1, _CELLS_AT_ONCE // len(times_ms))
    for start in range(0, draws + 1, block):
        yield counts[start : start + block][:, of_row]


def side_statistics(
    predictions: dict[str, FloatArray],
    realised_usd: FloatArray,
    excursion: FloatArray,
    times_ms: TimeArray,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    block_ms: int = DAY_MS,
) -> dict[str, SideStatistics]:
    """Statistics of each named prediction of one side.

    `partial_spearman` is the mean rank correlation within tenths of the intervals by `excursion`: what a
    prediction knows beyond how far the price ran. `calibration` is realised over predicted USD, `log_r2`
    one minus the residual over the total variance of log(USD + 10 000); both mean something only for
    predictions in USD.
    """
    tenths = _tenths(excursion)
    orders = {name: [_ordered(values[rows]) for rows in tenths] for name, values in predictions.items()}
    realised_orders = [_ordered(realised_usd[rows]) for rows in tenths]
    parts: dict[str, list[FloatArray]] = {name: [] for name in predictions}
    realised_order = _ordered(realised_usd)
    whole_orders = {name: _ordered(values) for name, values in predictions.items()}
    for weights in day_weights(times_ms, bootstrap, block_ms):
        in_tenths = [weights[:, rows] for rows in tenths]
        realised_ranks = _ranks(weights, realised_order)
        realised_in_tenths = [_ranks(w, order) for w, order in zip(in_tenths, realised_orders, strict=True)]
        for name, values in predictions.items():
            order = whole_orders[name]
            within = [
                _correlation(w, _ranks(w, o), r)
                for w, o, r in zip(in_tenths, orders[name], realised_in_tenths, strict=True)
            ]
            parts[name].append(
                np.stack(
                    (
                        _correlation(weights, _ranks(weights, order), realised_ranks),
                        _top_share(weights, order, realised_usd),
                        np.mean(within, axis=0),
                        _ratio(weights @ realised_usd, weights @ values),
                        _log_r2(weights, values, realised_usd),
                    )
                )
            )
    return {name: SideStatistics(*np.concatenate(blocks, axis=1)) for name, blocks in parts.items()}


def log_r2_draws(
    predicted_usd: FloatArray,
    realised_usd: FloatArray,
    times_ms: TimeArray,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    block_ms: int = DAY_MS,
) -> FloatArray:
    """log R2 of one prediction under each draw, shape (draws + 1,)."""
    return np.concatenate(
        [
            _log_r2(weights, predicted_usd, realised_usd)
            for weights in day_weights(times_ms, bootstrap, block_ms)
        ]
    )


def calibration_draws(
    predicted_usd: FloatArray,
    realised_usd: FloatArray,
    times_ms: TimeArray,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    block_ms: int = DAY_MS,
) -> FloatArray:
    """Realised over predicted USD under each draw, shape (draws + 1,)."""
    return np.concatenate(
        [
            _ratio(weights @ realised_usd, weights @ predicted_usd)
            for weights in day_weights(times_ms, bootstrap, block_ms)
        ]
    )


def block_of(times_ms: TimeArray) -> int:
    """What is drawn together: whole days from ten days on, six hours for less."""
    days = len(np.unique(times_ms // DAY_MS))
    return DAY_MS if days >= MIN_DAYS_OF_WHOLE_DAYS else 6 * HOUR_MS


def rank_correlations(
    predictions: dict[str, FloatArray],
    realised: FloatArray,
    times_ms: TimeArray,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> dict[str, FloatArray]:
    """Spearman's rank correlation of each named prediction under each draw, shape (draws + 1,).

    Draws belong together over all predictions, and over calls with equal times.
    """
    ordered = {name: _ordered(values) for name, values in predictions.items()}
    realised_ordered = _ordered(realised)
    parts: dict[str, list[FloatArray]] = {name: [] for name in predictions}
    for weights in day_weights(times_ms, bootstrap, block_of(times_ms)):
        ranks = _ranks(weights, realised_ordered)
        for name, order in ordered.items():
            parts[name].append(_correlation(weights, _ranks(weights, order), ranks))
    return {name: np.concatenate(blocks) for name, blocks in parts.items()}


def interval_of(draws: FloatArray) -> tuple[float, float]:
    """The central 95 % of a statistic's draws (row 0, the data themselves, left out); NaN where none has a
    figure."""
    if not np.isfinite(draws[1:]).any():
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(draws[1:], (tail, 1 - tail))
    return float(low), float(high)


def _tenths(values: FloatArray) -> list[IntArray]:
    order = np.argsort(values, kind="stable")
    return [np.sort(part) for part in np.array_split(order, GROUPS)]


def _ordered(values: FloatArray) -> _Ordering:
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    new = np.concatenate(([True], ascending[1:] != ascending[:-1]))
    run = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(values)) - 1
    return _Ordering(order, np.argsort(order), starts[run], ends[run])


def _ranks(weights: FloatArray, order: _Ordering) -> FloatArray:
    """Mid-ranks under weights: what is drawn w times counts as w equal values."""
    upto = np.cumsum(weights[:, order.order], axis=1)
    below = np.concatenate((np.zeros((len(weights), 1)), upto[:, :-1]), axis=1)
    ascending = upto[:, order.run_end] + below[:, order.run_start]
    ranks: FloatArray = ascending[:, order.inverse]
    return ranks


def _correlation(weights: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Weighted correlation per draw; 0 where a side does not vary: it ranks nothing."""
    total = weights.sum(axis=1, keepdims=True)
    total[total == 0] = 1.0
    dx = x - (weights * x).sum(axis=1, keepdims=True) / total
    dy = y - (weights * y).sum(axis=1, keepdims=True) / total
    wdx = weights * dx
    spread = np.sqrt((wdx * dx).sum(axis=1) * (weights * dy * dy).sum(axis=1))
    return _ratio((wdx * dy).sum(axis=1), spread, otherwise=0.0)


def _top_share(weights: FloatArray, order: _Ordering, realised_usd: FloatArray) -> FloatArray:
    """The share of realised USD in the highest tenth; of equals at its edge each counts the same part."""
    ascending = weights[:, order.order]
    upto = np.cumsum(ascending, axis=1)
    total = upto[:, -1:]
    above = total - upto[:, order.run_end]
    alike = upto[:, order.run_end] - (upto[:, order.run_start] - ascending[:, order.run_start])
    counted = np.clip(TOP_SHARE * total - above, 0.0, alike) * ascending
    np.divide(counted, alike, out=counted, where=alike > 0)
    return _ratio(counted @ realised_usd[order.order], weights @ realised_usd)


def _log_r2(weights: FloatArray, predicted_usd: FloatArray, realised_usd: FloatArray) -> FloatArray:
    x, y = np.log(predicted_usd + LOG_OFFSET_USD), np.log(realised_usd + LOG_OFFSET_USD)
    total, centred = weights.sum(axis=1), y - y.mean()
    variance = weights @ (centred * centred) - (weights @ centred) ** 2 / total
    # Of equal figures rounding leaves a variance too: there is nothing to explain.
    return 1 - _ratio(weights @ ((y - x) ** 2), np.where(variance > LEAST_VARIANCE * total, variance, 0.0))


def _ratio(above: FloatArray, below: FloatArray, *, otherwise: float = float("nan")) -> FloatArray:
    out = np.full(np.shape(above), otherwise)
    np.divide(above, below, out=out, where=below > 0)
    return out
