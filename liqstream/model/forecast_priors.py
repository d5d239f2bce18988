"""Shipped starting points of the forecast, fitted on published recordings: a new market's first weeks.

`forecast_priors.json` holds them per horizon with the span they were fitted on; `liqstream fit --forecast`
writes it. No score uses a prior on a span it was fitted on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from liqstream.model.forecast_range import RangePrior
from liqstream.model.forecast_rows import COMBINATION, REACH_ONLY, SpreadPrior

PRIORS_FILE = "forecast_priors.json"


@dataclass(frozen=True, slots=True, eq=False)
class HorizonPrior:
    """What one horizon starts from: range and reach, factors of F, intervals per row, and where it is from.

    `from_ms` and `to_ms` bound the span it was fitted on (UTC epoch ms).
    """

    from_ms: int
    to_ms: int
    range: RangePrior
    factors: tuple[float, float]
    spreads: Mapping[str, SpreadPrior]

    def spread_of(self, row: str) -> SpreadPrior | None:
        """The interval the named row starts from: its own, or for a regression that of the one served."""
        return self.spreads.get(row if row == REACH_ONLY else COMBINATION)

    def overlaps(self, from_ms: int, to_ms: int) -> bool:
        """Whether it was fitted on any of a span."""
        return self.from_ms < to_ms and from_ms < self.to_ms


@lru_cache(maxsize=1)
def shipped_priors() -> dict[str, HorizonPrior]:
    """The priors in the package, by horizon."""
    text = files("liqstream.model").joinpath(PRIORS_FILE).read_text(encoding="utf-8")
    return {name: prior_from_json(content) for name, content in json.loads(text).items()}


def prior_from_json(content: Mapping[str, Any]) -> HorizonPrior:
    """A horizon's prior as `prior_to_json` wrote it."""
    return HorizonPrior(
        content["from_ms"],
        content["to_ms"],
        RangePrior(np.array(content["range"]), np.array(content["reach"])),
        (content["factors"][0], content["factors"][1]),
        {
            row: SpreadPrior(np.array(spread["quantiles"]), np.array(spread["edges"]))
            for row, spread in content["spreads"].items()
        },
    )


def prior_to_json(prior: HorizonPrior) -> dict[str, Any]:
    """A horizon's prior as plain numbers of five digits."""
    return {
        "from_ms": prior.from_ms,
        "to_ms": prior.to_ms,
        "range": _rounded(prior.range.coefficients),
        "reach": _rounded(prior.range.reach),
        "factors": _rounded(np.array(prior.factors)),
        "spreads": {
            row: {"quantiles": _rounded(spread.quantiles), "edges": _rounded(spread.edges)}
            for row, spread in prior.spreads.items()
        },
    }


def _rounded(values: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    return np.round(values, 5).tolist()
