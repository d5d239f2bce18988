"""The forecast's shipped starting points, fitted on recorded hours by `liqstream fit --forecast`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from liqstream.evaluation.forecast_replay import fitted_prior
from liqstream.evaluation.scoring_data import ScoreError, ScoringData
from liqstream.model.forecast_features import HORIZONS, Horizon
from liqstream.model.forecast_priors import HorizonPrior, prior_to_json
from liqstream.model.forecast_range import RangePrior
from liqstream.model.forecast_rows import COMBINATION, REACH_ONLY, SpreadPrior
from liqstream.model.kernel import Kernel


def fit_priors(
    data: ScoringData, kernel: Kernel, *, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The starting points of every horizon, as the JSON that ships. Raises ScoreError with what is missing.

    Where the bars or totals are longer than a horizon, its starting point is that of their own length under
    the horizon's formula, with ranges scaled by the square root of the time.
    """
    length_ms = max(data.bars.interval_ms, data.realised.interval_ms)
    fitted = {}
    for horizon in HORIZONS.values():
        progress(f"fitting the {horizon.name} forecast")
        used = replace(horizon, length_ms=max(horizon.length_ms, length_ms))
        prior = fitted_prior(data.bars, data.realised, kernel, used)
        if prior is None:
            raise ScoreError(
                f"too little to fit the {horizon.name} forecast's starting point on: some weeks of bars with "
                "realised liquidations are needed"
            )
        fitted[horizon.name] = prior_to_json(_scaled(prior, horizon, used.length_ms))
    return fitted


def _scaled(prior: HorizonPrior, horizon: Horizon, fitted_ms: int) -> HorizonPrior:
    """The prior of windows of `fitted_ms`, for the horizon's own length: ln R moves by half the ln of the
    ratio."""
    shift = 0.5 * math.log(horizon.length_ms / fitted_ms)
    coefficients = prior.range.coefficients.copy()
    lags = slice(1, 2 + len(horizon.range_half_lives))
    coefficients[0] += shift * (1 - float(coefficients[lags].sum()))
    spreads = {
        name: SpreadPrior(spread.quantiles, np.asarray(spread.edges + shift))
        for name, spread in prior.spreads.items()
        if name in (REACH_ONLY, COMBINATION)
    }
    return replace(prior, range=RangePrior(coefficients, prior.range.reach), spreads=spreads)
