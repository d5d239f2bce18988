"""liqstream/cli/forecast_line.py: one line says what to expect, where, and what may be claimed of it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from liqstream.cli.forecast_line import forecast_line
from liqstream.client import ExpectedSide, Forecast, HorizonForecast, Skill

HOUR = HorizonForecast(
    0,
    3_600_000,
    "N2+T",
    100_000.0,
    ExpectedSide(4.1e6, {"0.1": 9e5, "0.5": 3e6, "0.9": 1.7e7}),
    ExpectedSide(250.0),
    [],
    Skill(0, 0, "not checked on this market yet (0 of 14 days)"),
)


HEAVY = ExpectedSide(2e6, {"0.1": 1e4, "0.5": 2e5, "0.9": 1e6})
"""A mean above its own range."""


@dataclass(frozen=True)
class Case:
    forecast: Forecast
    text: str


@pytest.mark.parametrize(
    "case",
    [
        Case(
            Forecast("BTCUSDT", 0, ["binance", "okx"], {"1h": HOUR}),
            "expected in the next hour on binance, okx: $4.1M (80 %: $900.0k to $17.0M) longs, $250 shorts"
            "  (not checked on this market yet (0 of 14 days))",
        ),
        Case(
            Forecast("BTCUSDT", 0, ["okx"], {"1h": msgspec.structs.replace(HOUR, long=HEAVY)}),
            "expected in the next hour on okx: $2.0M (80 %: $10.0k to $1.0M, median $200.0k) longs, "
            "$250 shorts  (not checked on this market yet (0 of 14 days))",
        ),
        Case(Forecast("BTCUSDT", 0, ["okx"], {}), "no forecast of the next hour"),
    ],
)
def test_the_line(case: Case) -> None:
    """Both sides, their interval where there is one, and the verdict."""
    assert forecast_line(case.forecast).plain == case.text
