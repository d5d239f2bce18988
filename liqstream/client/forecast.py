"""What a server forecasts: liquidations per side and horizon, with interval, chances and grades."""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from .errors import ClientError


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


class Forecast(Struct, frozen=True):
    """A symbol's newest forecasts by horizon ("30m", "1h", "4h"), and the exchanges they are of."""

    symbol: str
    time_ms: int
    exchanges: list[str]
    horizons: dict[str, HorizonForecast]
    windows: dict[str, int] = field(default_factory=dict)


def decode_forecast(body: bytes) -> Forecast:
    """The body of /api/forecast/{symbol}. Raises ClientError for anything else."""
    try:
        return msgspec.json.decode(body, type=Forecast)
    except msgspec.MsgspecError as error:
        raise ClientError(f"the server's forecast cannot be read: {error}") from None
