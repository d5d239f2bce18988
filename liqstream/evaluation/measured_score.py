"""How well an estimate places its levels, judged by positions that are measured (docs/scoring.md).

Per side and look both are shares per cell of distance from the mark. The figures are means over looks; what
they are beside is a profile of distances alone, learnt from earlier looks, and the measured map of a day
before. Intervals redraw blocks of three whole days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from liqstream.evaluation.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, day_weights, interval_of
from liqstream.evaluation.measured_figures import bits, distance_profile, rank
from liqstream.evaluation.measured_looks import (
    CELLS,
    EVEN_SHARE,
    LONG,
    MAP,
    MIN_ACCOUNTS,
    MIN_COVERAGE,
    ROWS,
    SHORT,
    MeasuredLook,
    is_judged,
    measured_shares,
)
from liqstream.market import DAY_MS, FloatArray, TimeArray

LOOK_EVERY_MS = 1_800_000
BLOCK, BLOCK_MS = "3d", 3 * DAY_MS
DAYS_TO_SETTLE = 14
CLASSES: Mapping[str, tuple[float, float]] = {
    "to_100k": (0.0, 1e5),
    "to_1m": (1e5, 1e6),
    "above_1m": (1e6, math.inf),
}
"""Positions apart by their USD."""
LARGE_SHARE = 0.8
"""Where accounts of more than 100,000 USD have this share of them, the sentence calls them the large ones."""
SIDES = {"long": LONG, "short": SHORT}


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """One side's judged looks, ascending: time, measured shares (looks, cells), every row's (rows, looks,
    cells), the measured shares of a day before (NaN where not known), accounts in reach, coverage."""

    time_ms: TimeArray
    truth: FloatArray
    rows: FloatArray
    before: FloatArray
    accounts: FloatArray
    coverage: FloatArray

    def __len__(self) -> int:
        return len(self.time_ms)


def score_measured(
    looks: Sequence[MeasuredLook],
    estimates: Mapping[int, FloatArray],
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> dict[str, Any]:
    """The score of a map at some looks, ascending by time; `estimates` has ROWS' shares by time.

    Looks without an estimate are left out. Every key is there; a side of which no look is judged is None, and
    `reason` says what is missing.
    """
    looks = [look for look in looks if look.time_ms in estimates]
    compared = {name: _compared(looks, estimates, side) for name, side in SIDES.items()}
    times = np.unique(np.concatenate([found.time_ms for found in compared.values()]))
    days = len(np.unique(times // DAY_MS))
    head = {
        "looks": len(looks),
        "judged": {name: len(found) for name, found in compared.items()},
        "days": days,
        "days_to_settle": DAYS_TO_SETTLE,
        "block": BLOCK,
    }
    if not len(times):
        return head | _nothing(_missing(looks))
    draws = _Draws.of(times, bootstrap, settled=days >= DAYS_TO_SETTLE)
    graded = {name: _Graded.of(found, draws) if len(found) else None for name, found in compared.items()}
    known = [each for each in graded.values() if each is not None]
    mean = known[0] if len(known) == 1 else known[0].beside(known[1])
    classes = {name: _class_score(looks, estimates, draws, limits) for name, limits in CLASSES.items()}
    verdict = mean.verdict(days)
    return head | {
        "sides": {name: None if each is None else each.content() for name, each in graded.items()},
        "mean": mean.content(),
        "size_classes": classes,
        "verdict": verdict,
        "sentence": _sentence(mean, graded, looks, verdict),
        "reason": None,
    }


def nothing_judged(reason: str) -> dict[str, Any]:
    """The score where there is nothing to look at: every key, and why."""
    head = {"looks": 0, "judged": dict.fromkeys(SIDES, 0), "days": 0}
    return head | {"days_to_settle": DAYS_TO_SETTLE, "block": BLOCK} | _nothing(reason)


def _nothing(reason: str) -> dict[str, Any]:
    return {
        "sides": dict.fromkeys(SIDES),
        "mean": None,
        "size_classes": dict.fromkeys(CLASSES),
        "verdict": None,
        "sentence": None,
        "reason": reason,
    }


def _missing(looks: Sequence[MeasuredLook]) -> str:
    if not looks:
        return "no look at measured positions that the map can be compared with"
    return (
        f"none of {len(looks)} looks knows {MIN_COVERAGE:.0%} of a side with {MIN_ACCOUNTS} accounts that "
        "have a level within 10 %"
    )


def _compared(
    looks: Sequence[MeasuredLook],
    estimates: Mapping[int, FloatArray],
    side: int,
    between: tuple[float, float] = (0.0, math.inf),
) -> _Compared:
    by_time = {look.time_ms: look for look in looks}
    found = []
    for look in looks:
        truth, accounts = measured_shares(look, side, between=between)
        if truth is None or accounts < MIN_ACCOUNTS or not is_judged(look, side):
            continue
        earlier = by_time.get(look.time_ms - DAY_MS)
        before = None
        if earlier is not None:
            before = measured_shares(earlier, side, mark=look.mark, between=between)[0]
        found.append((look, truth, accounts, np.full(CELLS, np.nan) if before is None else before))
    return _Compared(
        np.array([look.time_ms for look, *_ in found], dtype=np.int64),
        np.array([truth for _, truth, _, _ in found]).reshape(-1, CELLS),
        np.stack([estimates[look.time_ms][:, side] for look, *_ in found], axis=1)
        if found
        else np.zeros((len(ROWS), 0, CELLS)),
        np.array([before for *_, before in found]).reshape(-1, CELLS),
        np.array([accounts for _, _, accounts, _ in found], dtype=np.float64),
        np.array([look.coverage[side] for look, *_ in found]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Draws:
    """How often each draw takes each block, row 0 the data; without intervals before a map has settled."""

    weights: FloatArray
    blocks: TimeArray
    has_intervals: bool

    @classmethod
    def of(cls, times_ms: TimeArray, bootstrap: Bootstrap, *, settled: bool) -> _Draws:
        blocks = np.unique(times_ms // BLOCK_MS)
        return cls(np.concatenate(list(day_weights(blocks, bootstrap, 1))), blocks, settled)

    def mean(self, time_ms: TimeArray, values: FloatArray) -> FloatArray:
        """The mean over looks, per draw; values that are not known are left out."""
        known = np.isfinite(values)
        place = np.searchsorted(self.blocks, time_ms[known] // BLOCK_MS)
        above, below = (
            self.weights @ np.bincount(place, each, len(self.blocks)) for each in (values[known], None)
        )
        out = np.full(len(above), np.nan)
        np.divide(above, below, out=out, where=below > 0)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Graded:
    """Figures per draw: rank and bits of every row, of distance alone and of the map of a day before."""

    looks: int
    accounts: float
    coverage: float
    random_levels: float
    ranks: dict[str, FloatArray]
    bits: dict[str, FloatArray]
    differences: dict[str, FloatArray]
    has_intervals: bool

    @classmethod
    def of(cls, compared: _Compared, draws: _Draws) -> _Graded:
        shares = dict(zip(ROWS, compared.rows, strict=True))
        shares["distance"] = distance_profile(compared.time_ms, compared.truth)
        shares["ceiling"] = (1 - EVEN_SHARE) * compared.before + EVEN_SHARE / CELLS
        has_day = np.isfinite(compared.before[:, 0])
        ranks, in_bits = {}, {}
        for name, each in shares.items():
            ranks[name], in_bits[name] = rank(compared.truth, each), bits(compared.truth, each)
        ranks["ceiling"] = np.where(has_day, ranks["ceiling"], np.nan)

        def mean(values: FloatArray) -> FloatArray:
            return draws.mean(compared.time_ms, values)

        return cls(
            len(compared),
            float(np.median(compared.accounts)),
            float(compared.coverage.mean()),
            float(np.log2(CELLS * shares[MAP]).mean()),
            {name: mean(values) for name, values in ranks.items()},
            {name: mean(values) for name, values in in_bits.items()},
            {name: mean(in_bits[MAP] - values) for name, values in in_bits.items() if name != MAP},
            draws.has_intervals,
        )

    def beside(self, other: _Graded) -> _Graded:
        """The mean of both sides; where one has no figure, the other's."""

        def both(mine: dict[str, FloatArray], its: dict[str, FloatArray]) -> dict[str, FloatArray]:
            return {name: _known_mean(mine[name], its[name]) for name in mine}

        return _Graded(
            self.looks + other.looks,
            self.accounts + other.accounts,
            (self.coverage + other.coverage) / 2,
            (self.random_levels + other.random_levels) / 2,
            both(self.ranks, other.ranks),
            both(self.bits, other.bits),
            both(self.differences, other.differences),
            self.has_intervals,
        )

    def content(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {
            "looks": self.looks,
            "accounts": round(self.accounts),
            "coverage": _rounded(self.coverage),
            "rank": _rounded(self.ranks[MAP][0]),
            "rank_ci": self._interval(self.ranks[MAP]),
            "bits": _rounded(self.bits[MAP][0]),
            "bits_ci": self._interval(self.bits[MAP]),
            "over_distance": _rounded(self.differences["distance"][0]),
            "over_distance_ci": self._interval(self.differences["distance"]),
            "random_levels": _rounded(self.random_levels),
            "baselines": {
                name: {
                    "rank": _rounded(self.ranks[name][0]),
                    "rank_ci": self._interval(self.ranks[name]),
                    "bits": _rounded(self.bits[name][0]),
                    "difference": _rounded(difference[0]),
                    "ci": self._interval(difference),
                }
                for name, difference in self.differences.items()
            },
        }

    def verdict(self, days: int) -> str:
        """What may be claimed."""
        if not self.has_intervals:
            return f"settling: {days} of {DAYS_TO_SETTLE} days"
        low, high = interval_of(self.bits[MAP])
        over = (
            "better than uniform"
            if low > 0
            else "worse than uniform"
            if high < 0
            else "no better than chance"
        )
        low, high = interval_of(self.differences["distance"])
        beside = "better" if low > 0 else "worse" if high < 0 else "not shown to be better"
        return f"{over}, {beside} than distance alone"

    def _interval(self, draws: FloatArray) -> list[float | None] | None:
        if not self.has_intervals or not np.isfinite(draws[1:]).any():
            return None
        return [_rounded(bound) for bound in interval_of(draws)]


def _known_mean(one: FloatArray, other: FloatArray) -> FloatArray:
    """The mean of those of both that are known."""
    pair = np.stack((one, other))
    known = np.isfinite(pair)
    found = np.full(len(one), np.nan)
    np.divide(np.where(known, pair, 0.0).sum(axis=0), known.sum(axis=0), out=found, where=known.any(axis=0))
    return found


def _class_score(
    looks: Sequence[MeasuredLook],
    estimates: Mapping[int, FloatArray],
    draws: _Draws,
    between: tuple[float, float],
) -> dict[str, Any] | None:
    """The figures by positions of one size alone, mean of the sides; None where there are too few of them."""
    sides = [_compared(looks, estimates, side, between) for side in SIDES.values()]
    graded = [_Graded.of(each, draws) for each in sides if len(each)]
    if not graded:
        return None
    mean = graded[0] if len(graded) == 1 else graded[0].beside(graded[1])
    content = mean.content()
    return {key: content[key] for key in ("looks", "accounts", "rank", "rank_ci", "bits", "bits_ci")}


def _sentence(
    mean: _Graded, graded: Mapping[str, _Graded | None], looks: Sequence[MeasuredLook], verdict: str
) -> str:
    """Whom the map was compared with, and how it came out, win or lose."""
    sides = [f"{each.coverage:.0%} of {name}s" for name, each in graded.items() if each is not None]
    usd = np.concatenate([look.usd for look in looks])
    large = ", the large ones" if (usd >= CLASSES["to_1m"][0]).mean() >= LARGE_SHARE else ""
    over, beside = mean.bits[MAP][0], mean.differences["distance"][0]
    figures = (
        f"{abs(over):.2f} bits a level {'better' if over > 0 else 'worse'} than uniform, "
        f"{abs(beside):.2f} {'better' if beside > 0 else 'worse'} than distance alone"
    )
    text = f"Against {mean.accounts:.0f} measured accounts ({', '.join(sides)}{large}): {figures}".replace(
        "%", " %"
    )
    return f"{text} ({verdict})."


def _rounded(value: float | np.floating[Any]) -> float | None:
    return round(float(value), 4) + 0.0 if np.isfinite(value) else None
