"""Everything that can be scored of a market: its map, its prices, its forecast, in one object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from liqstream.evaluation import (
    measured_figures,
    measured_looks,
    measured_score,
    price_score,
    price_windows,
)
from liqstream.evaluation.bootstrap import CONFIDENCE, DEFAULT_BOOTSTRAP, LOG_OFFSET_USD, TOP_SHARE
from liqstream.evaluation.forecast_score import method_of_forecast
from liqstream.evaluation.liquidation_levels import PRICE_KINDS
from liqstream.evaluation.measured_stored import score_measured_stored
from liqstream.evaluation.score_stored import (
    score_ablation_stored,
    score_forecasts_stored,
    score_prices_stored,
    score_stored,
)
from liqstream.evaluation.scoring_data import EVERYTHING, ScoreError, Span
from liqstream.market import MarketKey
from liqstream.market.coverage import MIN_COVERED
from liqstream.model.calibration import HALF_LIFE_MS, PRIOR_PER_OPEN_INTEREST
from liqstream.model.estimator import RANGE_EXPONENT, SAME_BAR_WEIGHT
from liqstream.model.kernel import Kernel
from liqstream.model.spread import BIN_WIDTH
from liqstream.store.market_store import MarketStore

METHOD = "score-3"

MAP, BY_PRICE, FORECAST, ABLATION = "map", "by_price", "forecast", "ablation"
AGAINST_MEASURED = "measured"
PARTS = frozenset({MAP, BY_PRICE, FORECAST})
"""What is scored unless less is asked for: the map against realised totals, single prices, the forecast.

Besides, what each part of the best prediction does (ABLATION), and the map's levels against measured
positions (AGAINST_MEASURED, of Hyperliquid's market alone)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is scored, and over which span and interval (that of the totals, if None)."""

    span: Span = EVERYTHING
    interval_ms: int | None = None
    parts: frozenset[str] = PARTS


def method_of_score() -> dict[str, str]:
    """The method's name and a hash of every constant that a score rests on, the forecast's included."""
    constants = {
        "forecast": method_of_forecast(),
        "bootstrap": [asdict(DEFAULT_BOOTSTRAP), CONFIDENCE],
        "map": [BIN_WIDTH, RANGE_EXPONENT, SAME_BAR_WEIGHT, HALF_LIFE_MS, PRIOR_PER_OPEN_INTEREST],
        "totals": [TOP_SHARE, LOG_OFFSET_USD, MIN_COVERED],
        "prices": [
            price_windows.ROWS,
            price_windows.CELL_WIDTH,
            price_windows.MIN_CELLS,
            price_windows.EVEN_SHARE,
            price_windows.SMEAR_BINS,
            price_windows.BAND_SHARE,
            price_windows.TOP_SHARE,
            price_windows.BEYOND_WEIGHT,
            price_windows.PERMUTATION_SEED,
            price_score.WINDOWS_MS,
            price_score.OUTSIDE,
            price_score.MOST_EVENTS,
            dict(PRICE_KINDS),
        ],
        "measured": [
            measured_looks.ROWS,
            measured_looks.CELLS,
            measured_looks.CELL_WIDTH,
            measured_looks.MOST_OF_SIDE,
            measured_looks.EVEN_SHARE,
            measured_looks.MIN_COVERAGE,
            measured_looks.MIN_ACCOUNTS,
            measured_looks.PERMUTATION_SEED,
            measured_score.LOOK_EVERY_MS,
            measured_figures.HALF_LIFE_MS,
            measured_score.BLOCK_MS,
            measured_score.DAYS_TO_SETTLE,
            list(measured_score.CLASSES.values()),
        ],
    }
    text = json.dumps(constants, sort_keys=True)
    return {"method": METHOD, "hash": hashlib.sha256(text.encode()).hexdigest()[:16]}


async def score_market(
    store: MarketStore,
    market: MarketKey,
    kernel: Kernel,
    asked: Asked,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Every part that was asked for. Where the store allows some but not the map against totals, its keys are
    None and `reason` says what is missing.

    Raises ScoreError where nothing can be scored, or not over the interval asked for, StoreError where the
    store cannot be read.
    """
    content: dict[str, Any] = {"symbol": market.symbol, "exchange": market.exchange, "kernel": kernel.name}
    missing: ScoreError | None = None
    if MAP in asked.parts:
        try:
            scored = await score_stored(
                store, market, kernel, span=asked.span, interval_ms=asked.interval_ms, progress=progress
            )
            content |= {**scored.content, "reason": None}
        except ScoreError as error:
            if asked.interval_ms is not None:
                raise
            missing = error
            content |= {"sides": None, "mean": None, "warnings": [], "reason": str(error)}
    if BY_PRICE in asked.parts and "by_price" not in content:
        content["by_price"] = await score_prices_stored(
            store, market, kernel, span=asked.span, progress=progress
        )
    if FORECAST in asked.parts:
        content["forecast"] = await score_forecasts_stored(
            store, market, kernel, span=asked.span, progress=progress
        )
    if ABLATION in asked.parts:
        content["ablation"] = await score_ablation_stored(
            store, market, kernel, (asked.span, asked.interval_ms), progress=progress
        )
    if AGAINST_MEASURED in asked.parts:
        content["measured"] = await score_measured_stored(
            store, market.symbol, kernel, span=asked.span, progress=progress
        )
    if missing is not None and not _has_figures(content):
        raise missing
    return content


def _has_figures(content: Mapping[str, Any]) -> bool:
    horizons = content.get("forecast", {}).values()
    by_price = content.get("by_price") or {}
    return bool(by_price.get("events")) or any(graded["windows"] for graded in horizons)
