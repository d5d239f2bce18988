"""How good a server's map and forecast have been, in its own figures (docs/scoring.md)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from .answer import read_answer

Interval95 = tuple[float | None, float | None]
"""Where a figure lies in 95 % of the draws of days; None where it is not known."""


class ScoreGain(Struct, frozen=True):
    """How much better something ranks than a simple rule; `partial` is within tenths of excursion."""

    spearman: float | None
    ci: Interval95
    partial_spearman: float | None
    partial_ci: Interval95


class ScoreFigures(Struct, frozen=True):
    """One prediction's figures. `calibration` (realised over predicted USD) and `log_r2` are None for what
    predicts no USD; so are gains for simple rules."""

    spearman: float | None
    spearman_ci: Interval95
    top_decile_share: float | None
    partial_spearman: float | None
    calibration: float | None = None
    log_r2: float | None = None
    gain_over_uniform: ScoreGain | None = None
    gain_over_uniform_range: ScoreGain | None = None


class SideScore(Struct, frozen=True):
    """One side, or the mean of both: the map as it is drawn, with the bars' own entries, and `best`, the best
    conditional prediction, with its gains; `baselines` by name."""

    drawn_map: ScoreFigures
    with_same_bar: ScoreFigures
    best: ScoreFigures = field(name="model")
    baselines: dict[str, ScoreFigures]
    gain_over_uniform: ScoreGain
    gain_over_uniform_range: ScoreGain


class MapScore(Struct, frozen=True):
    """A market's score. Where the map could not be scored `reason` says why, and what rests on it is None.

    `n` intervals on `days` days from `begin` to `end` (ISO 8601). `by_price` and `forecast` are the server's
    JSON, as docs/scoring.md describes it. `hash` names every constant that the figures rest on.
    """

    symbol: str
    exchange: str
    kernel: str
    method: str
    hash: str
    by_price: dict[str, Any]
    forecast: dict[str, Any]
    warnings: list[str]
    reason: str | None
    sides: dict[str, SideScore] | None
    mean: SideScore | None
    interval: str | None = None
    bars: str | None = None
    begin: str | None = field(name="from", default=None)
    end: str | None = field(name="to", default=None)
    n: int = 0
    days: int = 0

    def __repr__(self) -> str:
        """One line: market, span, and how well the drawn map ranks beside the best that needs no map."""
        if self.mean is None:
            return f"<MapScore {self.exchange} {self.symbol}: {self.reason}>"
        drawn, naive = self.mean.drawn_map.spearman, self.mean.baselines.get("uniform_range")
        beside = "" if naive is None else f", without a map {_figure(naive.spearman)}"
        return (
            f"<MapScore {self.exchange} {self.symbol} {self.days} days: drawn map {_figure(drawn)}{beside}>"
        )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def decode_score(body: bytes) -> MapScore:
    """The body of /api/score/{symbol}. Raises ClientError for anything else."""
    return read_answer(body, MapScore, "score")
