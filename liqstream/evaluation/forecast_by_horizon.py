"""The forecast's grades for every horizon a market's data allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from liqstream.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from liqstream.evaluation.forecast_replay import replay
from liqstream.evaluation.forecast_score import forecast_score, nothing_scored
from liqstream.evaluation.scored_intervals import WARM_UP_MS
from liqstream.evaluation.scoring_data import EVERYTHING, ScoringData, Span
from liqstream.model.forecast_features import HORIZONS, Horizon
from liqstream.model.forecast_priors import HorizonPrior, shipped_priors
from liqstream.model.kernel import Kernel
from liqstream.symbols import interval_name


def score_forecasts(
    data: ScoringData,
    kernel: Kernel,
    *,
    span: Span = EVERYTHING,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Grades by horizon of the windows of a span; what is before it in `data` is learned from.

    A horizon that bars or totals are too long for has None in every key and a `reason`. Shipped starting
    points are used where they were fitted on none of the data.
    """
    if not len(data.bars) or not len(data.realised.open_time_ms):
        missing = "bars" if not len(data.bars) else "realised liquidations"
        return dict.fromkeys(HORIZONS, nothing_scored(f"no {missing} in the span"))
    possible = [horizon for horizon in HORIZONS.values() if not _obstacle(data, horizon)]
    start_ms = int(data.bars.open_time_ms[0])
    stop = len(data.bars) if span.to_ms is None else int(data.bars.open_time_ms.searchsorted(span.to_ms))
    bars = data.bars[:stop]
    found = (
        replay(bars, data.realised, kernel, possible, priors=_priors(data), progress=progress)
        if possible and len(bars)
        else {}
    )
    from_ms = max(start_ms + WARM_UP_MS, span.from_ms or 0)
    scored = {}
    for name, horizon in HORIZONS.items():
        if name not in found:
            scored[name] = nothing_scored(_obstacle(data, horizon) or "no bars in the span")
            continue
        progress(f"resampling days of the {name} forecast")
        scored[name] = forecast_score(found[name], from_ms=from_ms, bootstrap=bootstrap)
    return scored


def _obstacle(data: ScoringData, horizon: Horizon) -> str:
    """Why a horizon cannot be forecast on these data; empty if it can."""
    intervals = {"bars": data.bars.interval_ms, "liquidation totals": data.realised.interval_ms}
    for what, interval_ms in intervals.items():
        if horizon.length_ms % interval_ms:
            return (
                f"the stored {what} of {interval_name(interval_ms)} do not divide {horizon.name}: import "
                "finer ones with `liqstream import`, or let the server collect them"
            )
    return ""


def _priors(data: ScoringData) -> dict[str, HorizonPrior]:
    start_ms = int(data.bars.open_time_ms[0])
    end_ms = int(data.bars.open_time_ms[-1]) + data.bars.interval_ms
    return {name: prior for name, prior in shipped_priors().items() if not prior.overlaps(start_ms, end_ms)}
