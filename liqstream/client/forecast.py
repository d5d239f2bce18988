"""What a server forecasts: liquidations per side and horizon, with interval, chances and grades."""

from __future__ import annotations

import math
import operator
from bisect import bisect_left

from msgspec import Struct, field

from .answer import read_answer


class ExpectedSide(Struct, frozen=True):
    """One side's expected USD and its quantiles by level ("0.1", "0.5", "0.9"); None until known."""

    expected_usd: float
    quantiles_usd: dict[str, float] | None = None


class Chance(Struct, frozen=True):
    """The chance that a price is reached: a fixed `distance`, or a `band` of strong levels."""

    side: str
    kind: str
    price_usd: float
    chance: float


class Skill(Struct, frozen=True):
    """Grades of what the server issued; None where too little was. `verdict` says what may be claimed."""

    windows: int
    days: int
    verdict: str
    rank: float | None = None
    ci: tuple[float, float] | None = None
    coverage_80: float | None = None


class Reach(Struct, frozen=True):
    """The chance that a price is reached, by its log distance: ascending distances, their chances."""

    log_distance: list[float]
    chance: list[float]

    def __post_init__(self) -> None:
        """Raise ValueError unless every distance, in ascending order, has its chance."""
        ascending = all(map(operator.lt, self.log_distance, self.log_distance[1:]))
        if not self.chance or len(self.chance) != len(self.log_distance) or not ascending:
            raise ValueError("reach must have a chance for each of its ascending distances")


class HorizonForecast(Struct, frozen=True):
    """One horizon's forecast for the window from `time_ms` to `until_ms` (UTC epoch ms)."""

    time_ms: int
    until_ms: int
    method: str
    price_usd: float
    long: ExpectedSide
    short: ExpectedSide
    chances: list[Chance]
    skill: Skill
    reach: Reach | None = None

    def chance_to_reach(self, price_usd: float, *, from_price_usd: float | None = None) -> float | None:
        """The chance that the window's extremes touch this price; None from an older server.

        As it was issued, or, with the price now, for a window as long from now on. Straight between
        the listed distances, 0 beyond the last. Raises ValueError for what is no price.
        """
        from_price_usd = self.price_usd if from_price_usd is None else from_price_usd
        for price in (price_usd, from_price_usd):
            if not 0 < price < math.inf:
                raise ValueError(f"{price} is no price: it must be above 0 and finite")
        if self.reach is None:
            return None
        distances, chances = self.reach.log_distance, self.reach.chance
        distance = abs(math.log(price_usd / from_price_usd))
        after = bisect_left(distances, distance)
        if after == len(distances):
            return 0.0
        if after == 0:
            return chances[0]
        part = (distance - distances[after - 1]) / (distances[after] - distances[after - 1])
        return chances[after - 1] + part * (chances[after] - chances[after - 1])


class Forecast(Struct, frozen=True):
    """A symbol's newest forecasts by horizon ("30m", "1h", "4h"), and the exchanges they are of."""

    symbol: str
    time_ms: int
    exchanges: list[str]
    horizons: dict[str, HorizonForecast]
    windows: dict[str, int] = field(default_factory=dict)


def decode_forecast(body: bytes) -> Forecast:
    """The body of /api/forecast/{symbol}. Raises ClientError for anything else."""
    return read_answer(body, Forecast, "forecast")
