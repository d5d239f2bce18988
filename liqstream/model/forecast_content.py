"""An issued forecast as plain figures: what is stored, served and later graded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from liqstream.market import FloatArray
from liqstream.model.forecast import HorizonForecast, RowForecast
from liqstream.model.forecast_features import CELL_WIDTH
from liqstream.model.forecast_rows import COMBINATION, QUANTILES, REACH_ONLY, usd_of
from liqstream.model.market_forecast import IssuedForecasts

DISTANCES = tuple(math.log1p(share) for share in (0.0025, 0.005, 0.01, 0.02))
"""Log distances whose chances come with every forecast: a quarter, half, one and two percent."""

REACH_RATIOS = (
    *(0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0),
)
"""Distances in expected ranges, each listed with the chance that it is reached: straight between them, within
.01 of S. Beyond the last nothing is reached."""

BANDS = 5
BAND_CELLS = 50
"""Of the cells within 5 % of the price, the so many strongest per side come with their chances."""

SIDES = ("long", "short")


def strongest_cells(masses: FloatArray) -> FloatArray:
    """Log distances of the middles of each side's strongest cells within 5 %, strongest first."""
    near = masses[:, :BAND_CELLS]
    strongest = np.argsort(-near, axis=1, kind="stable")[:, :BANDS]
    middles: FloatArray = (strongest.astype(np.float64) + 0.5) * CELL_WIDTH
    return middles


def content_of(
    issued: IssuedForecasts, horizon: str, length_ms: int, *, served: str = COMBINATION
) -> dict[str, Any]:
    """One horizon's forecast as JSON: expected USD, quantiles, chances, and y_hat of the rows beside it.

    `served` is the row to serve once it is fitted; cF before.
    """
    forecast = issued.horizons[horizon]
    method = served if served in forecast.rows else REACH_ONLY
    row = forecast.rows[method]
    return {
        "method": method,
        "until_ms": issued.time_ms + length_ms,
        "price_usd": issued.price_usd,
        "log_range": _short(forecast.log_range),
        **{side: _side(row, at) for at, side in enumerate(SIDES)},
        "chances": _chances(issued, forecast),
        "reach": _reach(forecast),
        "y_hat": {name: [_short(value) for value in found.y_hat] for name, found in forecast.rows.items()},
    }


def _side(row: RowForecast, side: int) -> dict[str, Any]:
    quantiles = None
    if row.quantiles is not None:
        usd = usd_of(row.quantiles[side])
        quantiles = {f"{level:g}": round(value) for level, value in zip(QUANTILES, usd.tolist(), strict=True)}
    return {"expected_usd": round(float(row.usd[side])), "quantiles_usd": quantiles}


def _chances(issued: IssuedForecasts, forecast: HorizonForecast) -> list[dict[str, Any]]:
    """The chance to reach each fixed distance and each of the strongest cells, longs below, shorts above."""
    cells = strongest_cells(issued.masses)
    chances = []
    for at, side in enumerate(SIDES):
        sign = -1.0 if side == "long" else 1.0
        distances = np.concatenate((DISTANCES, cells[at]))
        for number, (distance, chance) in enumerate(
            zip(distances.tolist(), forecast.chance(distances).tolist(), strict=True)
        ):
            chances.append(
                {
                    "side": side,
                    "kind": "distance" if number < len(DISTANCES) else "band",
                    "price_usd": _figures(issued.price_usd * math.exp(sign * distance)),
                    "chance": round(chance, 4),
                }
            )
    return chances


def _reach(forecast: HorizonForecast) -> dict[str, list[float]]:
    """The chance to be reached by log distance from the price, the same for both sides."""
    distances = np.asarray(REACH_RATIOS) * math.exp(forecast.log_range)
    return {
        "log_distance": [_figures(distance) for distance in distances.tolist()],
        "chance": [round(chance, 4) for chance in forecast.chance(distances).tolist()],
    }


def _short(value: float) -> float:
    return round(float(value), 5)


def _figures(value: float) -> float:
    """Ten digits from the first that counts: a price may be a billionth, a range next to nothing."""
    return float(f"{value:.10g}")
