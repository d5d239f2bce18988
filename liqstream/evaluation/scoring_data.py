"""What a map is scored on: a market's bars, its realised liquidations and the span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqstream.evaluation.price_score import Events
from liqstream.market import Bars, FloatArray, MarketKey, TimeArray


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


NOTHING_REALISED = Realised(3_600_000, np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Span:
    """What is scored: intervals that open in [from_ms, to_ms), UTC ms; None is without a limit."""

    from_ms: int | None = None
    to_ms: int | None = None


EVERYTHING = Span()


@dataclass(frozen=True, slots=True, eq=False)
class ScoringData:
    """What a market's map is scored on.

    `events`, single liquidations with prices, also test where within the price the map was right; None
    leaves that out.
    """

    market: MarketKey
    bars: Bars
    realised: Realised
    events: Events | None = None
