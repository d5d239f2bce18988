"""How good the map is: its predictions against liquidations that really happened, beside naive baselines.

The test is conditional: given the bars' path, how much is liquidated on each side. It is no price forecast.
Everything a prediction knows is older than the interval it is scored on, but for the interval's own path;
the amplitude is learned walk-forward. Baselines get the same bars.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from liqstream.heatmap.baselines import BASELINES, SidePair, baselines
from liqstream.heatmap.bootstrap import DRAWS, SEED, SideStatistics, interval_of, side_statistics
from liqstream.heatmap.calibration import CALIBRATING_MS, past_amplitudes
from liqstream.heatmap.intervals import Intervals, covered_intervals
from liqstream.heatmap.kernel import Kernel
from liqstream.heatmap.model import Estimator, Predictions
from liqstream.heatmap.price_score import Events, price_score
from liqstream.heatmap.quality import STALE_AFTER_MS
from liqstream.market import DAY_MS, Bars, FloatArray, TimeArray
from liqstream.symbols import interval_name

WARM_UP_MS = DAY_MS
"""Intervals before this much history are predicted, not scored."""

BY_PRICE_MS = 30 * DAY_MS
"""Prices are compared over the last 30 days at most: the map is looked at before every bar."""

MIN_DAYS = 3
MIN_INTERVALS = 60

KERNEL_FITTED_MS = (1_764_806_400_000, 1_775_001_600_000)
"""The span the built-in masses were fitted on: 2025-12-04 to 2026-04-01, BTC, 1h bars."""

_GAINS = {"gain_over_uniform": "uniform", "gain_over_uniform_range": "uniform_range"}


class ScoreError(ValueError):
    """A score that cannot be made; the message is the one line to show."""


@dataclass(frozen=True, slots=True, eq=False)
class Realised:
    """Realised USD per interval and side, ascending; intervals nothing is known of are absent.

    `given_as_totals` is False where single events were added up.
    """

    interval_ms: int
    open_time_ms: TimeArray
    long_usd: FloatArray
    short_usd: FloatArray
    given_as_totals: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A score and what it rests on; `content` is what `liqstream score --json` prints."""

    content: dict[str, Any] = field(default_factory=dict)


def score(
    bars: Bars,
    realised: Realised,
    kernel: Kernel,
    *,
    symbol: str,
    exchange: str,
    from_ms: int | None = None,
    to_ms: int | None = None,
    events: Events | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda _: None,
) -> Score:
    """Score a kernel's map on realised liquidations from `from_ms` up to `to_ms` (exclusive).

    Bars and realised figures before `from_ms` warm the map and its amplitude up. `events`, single
    liquidations with prices, also test where within the price the map was right. Raises ScoreError with
    what is missing.
    """
    intervals = _intervals(bars, realised, to_ms)
    scored = _scored(bars, intervals, from_ms)
    progress("predicting")
    predicted = Estimator(kernel, interval_ms=bars.interval_ms).advance(bars)
    open_interest_usd = intervals.sum(predicted.open_interest_usd) / intervals.bar_counts
    if not open_interest_usd.any():
        raise ScoreError(
            f"no open interest for {symbol} on {exchange}: the map adds positions in proportion to it; "
            "import it with the bars or with `liqstream import metrics`"
        )
    naive = baselines(bars, intervals)
    sides = {}
    for side in ("long", "short"):
        progress(f"resampling days of the {side}s")
        realised_usd = getattr(realised, f"{side}_usd")[intervals.rows]
        columns = _predictions(side, predicted, naive, intervals, realised_usd, open_interest_usd)
        statistics = side_statistics(
            {name: column[scored] for name, column in columns.items()},
            realised_usd[scored],
            getattr(naive["excursion"], side)[scored],
            intervals.open_time_ms[scored],
            draws=draws,
            seed=seed,
        )
        sides[side] = (statistics, _daily_calibration(columns["model"], realised_usd, intervals, scored))
    times = intervals.open_time_ms[scored]
    content = {
        "symbol": symbol,
        "exchange": exchange,
        "interval": interval_name(realised.interval_ms),
        "bars": interval_name(bars.interval_ms),
        "kernel": kernel.name,
        "from": _iso(times[0]),
        "to": _iso(times[-1] + realised.interval_ms),
        "n": len(times),
        "days": len(np.unique(times // DAY_MS)),
        "sides": {side: _side_json(*found) for side, found in sides.items()},
        "mean": _mean_json([found[0] for found in sides.values()]),
        "by_price": None if events is None else _by_price(bars, events, kernel, times, progress),
        "bootstrap": {"draws": draws, "block": "1d", "seed": seed, "confidence": 0.95},
        "warnings": _warnings(bars, realised, kernel, intervals, scored, exchange),
    }
    return Score(content)


def _by_price(
    bars: Bars, events: Events, kernel: Kernel, times: TimeArray, progress: Callable[[str], None]
) -> dict[str, Any]:
    progress("comparing prices")
    last_ms = int(bars.open_time_ms[-1]) + bars.interval_ms
    return price_score(bars, events, kernel, from_ms=max(int(times[0]), last_ms - BY_PRICE_MS))


def _intervals(bars: Bars, realised: Realised, to_ms: int | None) -> Intervals:
    if not len(bars):
        raise ScoreError("no bars in the span; import some with `liqstream import bars`")
    if not len(realised.open_time_ms):
        raise ScoreError(
            "no realised liquidations in the span; import some with `liqstream import liquidations`, or let "
            "the server collect them"
        )
    keep = slice(None) if to_ms is None else slice(0, int(np.searchsorted(realised.open_time_ms, to_ms)))
    for usd in (realised.long_usd, realised.short_usd):
        if not (np.isfinite(usd).all() and (usd >= 0).all()):
            raise ScoreError("a realised total is negative or no number")
    try:
        return covered_intervals(bars, realised.open_time_ms[keep], realised.interval_ms)
    except ValueError as error:
        raise ScoreError(str(error)) from None


def _scored(bars: Bars, intervals: Intervals, from_ms: int | None) -> slice:
    warm_ms = int(bars.open_time_ms[0]) + WARM_UP_MS
    first = int(np.searchsorted(intervals.open_time_ms, max(warm_ms, from_ms or warm_ms)))
    days = len(np.unique(intervals.open_time_ms[first:] // DAY_MS))
    if days < MIN_DAYS or len(intervals) - first < MIN_INTERVALS:
        raise ScoreError(
            f"too short a span: {len(intervals) - first} intervals on {days} days have bars, realised "
            f"liquidations and a day of warm-up before them; {MIN_INTERVALS} on {MIN_DAYS} days are needed"
        )
    return slice(first, len(intervals))


def _predictions(
    side: str,
    predicted: Predictions,
    naive: dict[str, SidePair],
    intervals: Intervals,
    realised_usd: FloatArray,
    open_interest_usd: FloatArray,
) -> dict[str, FloatArray]:
    """One column per thing scored; model and map alone with the amplitude learned walk-forward."""
    columns = {}
    for name, part in (("model", "raw"), ("map_only", "map")):
        raw = intervals.sum(getattr(predicted, f"{part}_{side}_usd"))
        columns[name] = raw * past_amplitudes(realised_usd, raw, open_interest_usd, intervals.interval_ms)
    return columns | {name: getattr(naive[name], side) for name in BASELINES}


def _daily_calibration(
    predicted_usd: FloatArray, realised_usd: FloatArray, intervals: Intervals, scored: slice
) -> dict[str, Any]:
    """After two weeks of calibration: the share of days within a factor of two, and the span of the ratio
    of realised to predicted over 30 days in a row."""
    times = intervals.open_time_ms
    calibrated = times >= max(int(times[0]) + CALIBRATING_MS, int(times[scored][0]))
    of_row = np.unique(times[calibrated] // DAY_MS, return_inverse=True)[1]
    whole = np.bincount(of_row) * intervals.interval_ms > 0.9 * DAY_MS
    predicted = np.bincount(of_row, predicted_usd[calibrated])[whole]
    realised = np.bincount(of_row, realised_usd[calibrated])[whole]
    if not len(predicted):
        return {"days": 0, "days_within_two": None, "total_30d": None}
    ratio = np.divide(realised, predicted, out=np.full(len(predicted), np.inf), where=predicted > 0)
    months = [
        float(realised[i : i + 30].sum() / predicted[i : i + 30].sum()) for i in range(len(predicted) - 29)
    ]
    return {
        "days": len(predicted),
        "days_within_two": _rounded(float(((ratio >= 0.5) & (ratio <= 2)).mean())),
        "total_30d": [_rounded(min(months)), _rounded(max(months))] if months else None,
    }


def _side_json(statistics: dict[str, SideStatistics], daily: dict[str, Any]) -> dict[str, Any]:
    model = _figures(statistics["model"], in_usd=True)
    model["calibration_after_14_days"] = daily
    gains = {key: _gain(statistics["model"], statistics[name]) for key, name in _GAINS.items()}
    map_only = _figures(statistics["map_only"], in_usd=True)
    map_only |= {key: _gain(statistics["map_only"], statistics[name]) for key, name in _GAINS.items()}
    naive = {name: _figures(statistics[name], in_usd=False) for name in BASELINES}
    return {"model": model, "map_only": map_only, "baselines": naive, **gains}


def _figures(statistics: SideStatistics, *, in_usd: bool) -> dict[str, Any]:
    names = ("spearman", "top_decile_share", "partial_spearman")
    figures: dict[str, Any] = {}
    for name in (*names, *(("calibration", "log_r2") if in_usd else ())):
        draws = getattr(statistics, name)
        figures[name] = _rounded(float(draws[0]))
        figures[f"{name}_ci"] = [_rounded(bound) for bound in interval_of(draws)]
    return figures


def _gain(model: SideStatistics, baseline: SideStatistics) -> dict[str, Any]:
    spearman = model.spearman - baseline.spearman
    partial = model.partial_spearman - baseline.partial_spearman
    return {
        "spearman": _rounded(float(spearman[0])),
        "ci": [_rounded(bound) for bound in interval_of(spearman)],
        "partial_spearman": _rounded(float(partial[0])),
        "partial_ci": [_rounded(bound) for bound in interval_of(partial)],
    }


def _mean_json(sides: list[dict[str, SideStatistics]]) -> dict[str, Any]:
    """The mean of the sides: both are resampled by the same days, so their draws belong together."""
    mean = {
        name: SideStatistics(
            *(
                (getattr(sides[0][name], figure) + getattr(sides[1][name], figure)) / 2
                for figure in SideStatistics.__slots__
            )
        )
        for name in sides[0]
    }
    return {
        "model": _figures(mean["model"], in_usd=True),
        "map_only": _figures(mean["map_only"], in_usd=True)
        | {key: _gain(mean["map_only"], mean[name]) for key, name in _GAINS.items()},
        "baselines": {name: _figures(mean[name], in_usd=False) for name in BASELINES},
        **{key: _gain(mean["model"], mean[name]) for key, name in _GAINS.items()},
    }


def _warnings(
    bars: Bars, realised: Realised, kernel: Kernel, intervals: Intervals, scored: slice, exchange: str
) -> list[str]:
    times = intervals.open_time_ms[scored]
    start, end = int(times[0]), int(times[-1]) + realised.interval_ms
    found = [
        _fitted_warning(kernel, start, end),
        _coverage_warning(times, realised.interval_ms),
        _stale_warning(bars, start),
    ]
    days = (end - start) / DAY_MS
    if days < 30:
        found.append(f"only {days:.0f} days: the intervals are wide, and days after a calm week differ")
    if not realised.given_as_totals:
        found.append(
            "realised figures are single events added up"
            + (
                "; Binance reports at most one liquidation per symbol and second, so they are a lower bound"
                if exchange == "binance"
                else "; where the feed leaves some out they are a lower bound"
            )
        )
    else:
        found.append(
            f"realised figures are totals as they were given: where they cover more venues than {exchange}, "
            "whose open interest and prices the map rests on, the amplitude makes up for it"
        )
    return [warning for warning in found if warning]


def _fitted_warning(kernel: Kernel, start_ms: int, end_ms: int) -> str:
    fitted: tuple[Any, Any] = KERNEL_FITTED_MS
    if kernel.provenance:
        fitted = (kernel.provenance.get("from_ms"), kernel.provenance.get("to_ms"))
    if not all(isinstance(bound, int) for bound in fitted):
        return f"kernel {kernel.name} does not tell what it was fitted on: this may be the same span"
    if fitted[0] < end_ms and start_ms < fitted[1]:
        return (
            f"kernel {kernel.name} was fitted on {_iso(fitted[0])[:10]} to {_iso(fitted[1])[:10]}, part of "
            "what is scored here: its figures are slightly optimistic"
        )
    return ""


def _coverage_warning(times: TimeArray, interval_ms: int) -> str:
    possible = int(times[-1] - times[0]) // interval_ms + 1
    missing = possible - len(times)
    if not missing:
        return ""
    return f"{missing} of {possible} intervals lack bars or realised figures and are not scored"


def _stale_warning(bars: Bars, start_ms: int) -> str:
    inside = bars.open_time_ms >= start_ms
    reported = bars.reported_open_interest
    unmoved = np.concatenate(([False], reported[1:] == reported[:-1]))
    # Runs shorter than an hour happen in quiet markets; count only bars within longer ones.
    starts = np.flatnonzero(~unmoved)
    lengths = np.diff(np.append(starts, len(unmoved)))
    in_long_run = np.repeat(lengths * bars.interval_ms > STALE_AFTER_MS + bars.interval_ms, lengths)
    share = float((in_long_run & unmoved)[inside].mean())
    unknown = float(np.isnan(bars.open_interest_base)[inside].mean())
    parts = []
    if share > 0.005:
        parts.append(f"open interest stood still for {share:.0%} of the bars (a stale source)")
    if unknown > 0.005:
        parts.append(f"open interest is unknown for {unknown:.0%} of the bars")
    return "; ".join(parts)


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _iso(time_ms: int | np.int64) -> str:
    return datetime.fromtimestamp(int(time_ms) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
