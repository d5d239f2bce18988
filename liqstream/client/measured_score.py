"""How well Hyperliquid's map places its levels, judged by positions that are measured (docs/scoring.md)."""

from __future__ import annotations

from msgspec import Struct, field

from .answer import read_answer
from .score import Interval95


class MeasuredBaseline(Struct, frozen=True):
    """Another map or rule: its rank correlation and bits, and the map's bits less its own, with interval."""

    rank: float | None
    rank_ci: Interval95 | None
    bits: float | None
    difference: float | None
    ci: Interval95 | None


class MeasuredFigures(Struct, frozen=True):
    """Means over `looks` looks at `accounts` measured accounts (the median look's).

    `rank` is the map's rank correlation with measured USD per cell, `bits` how many bits a level it is better
    than a uniform map (below 0: worse). An interval is None while too few days are judged to say.
    """

    looks: int
    accounts: int
    rank: float | None
    rank_ci: Interval95 | None
    bits: float | None
    bits_ci: Interval95 | None


class MeasuredSide(MeasuredFigures, frozen=True):
    """One side, or the mean of both.

    `coverage` is the part of its open interest that is known, `over_distance` the map's bits less those of a
    profile of distances alone, `random_levels` the bits of levels that lie anywhere.
    """

    coverage: float
    over_distance: float | None
    over_distance_ci: Interval95 | None
    random_levels: float
    baselines: dict[str, MeasuredBaseline]


class MeasuredScore(Struct, frozen=True):
    """The score of Hyperliquid's map of a symbol against its measured positions.

    `looks` of `days` days from `begin` to `end` (ISO 8601), of which `judged` per side knew enough. `verdict`
    says what may be claimed, `sentence` the same with its figures. Where nothing could be judged `reason`
    says why, and what rests on it is None; so is a side, or a class of sizes, of which no look was judged.
    """

    symbol: str
    exchange: str
    kernel: str
    looks: int
    judged: dict[str, int]
    days: int
    days_to_settle: int
    sides: dict[str, MeasuredSide | None]
    mean: MeasuredSide | None
    size_classes: dict[str, MeasuredFigures | None]
    verdict: str | None
    sentence: str | None
    reason: str | None
    method: str
    hash: str
    bars: str | None = None
    begin: str | None = field(name="from", default=None)
    end: str | None = field(name="to", default=None)

    def __repr__(self) -> str:
        """One line: market, and what may be claimed or what is missing."""
        return f"<MeasuredScore {self.exchange} {self.symbol}: {self.sentence or self.reason}>"


def decode_measured_score(body: bytes) -> MeasuredScore:
    """The body of /api/score/{symbol}?against=measured. Raises ClientError for anything else."""
    return read_answer(body, MeasuredScore, "score")
