"""liqstream/cli/forecast_tables.py: a person reads skill, gains and what may be claimed."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from liqstream.cli.forecast_tables import show_forecast, with_ci
from liqstream.evaluation.forecast_score import nothing_scored


def graded() -> dict[str, Any]:
    """Grades of two rows with every gain."""
    row = {"rank": 0.44, "ci": [0.38, 0.49], "side": 0.28, "side_ci": [0.2, 0.3], "log_r2": 0.197}
    row |= {"coverage_80": 0.77, "pinball": 0.428, "realised_over_expected": [1.07, None]}
    gain = {"gain": 0.031, "ci": [0.016, 0.049]}
    smallest = {"gain": -0.002, "ci": [-0.005, 0.002], "map": "F2"}
    rank = {"with_map": 0.437, **gain, "gain_over_strongest": gain, "gain_over_naive_map": smallest}
    return nothing_scored("") | {
        "rank": rank | {"gain_over_ar_vol": gain},
        "side": gain,
        "rows": {"N2+T": row, "AR+vol": row | {"rank": 0.385}},
        "reached_mass": {"rank": {"map": 0.376}, "gain_over_F10": gain, "gain_over_B3": gain},
        "brier": {"value": 0.062, "baselines": {"frequency": 0.0679}},
        "reliability": [{"p": 0.14, "observed": 0.13, "n": 1010, "se": 0.01}],
        "verdict": "skill shown; the map's part not shown",
        "windows": 836,
        "days": 35,
        "reason": None,
    }


def shown(horizons: dict[str, Any]) -> str:
    console = Console(width=150, record=True)
    content = {"symbol": "BTCUSDT", "exchange": "binance", "kernel": "tiered", "forecast": horizons}
    show_forecast(console, content)
    return console.export_text()


def test_the_sentence_uses_the_smallest_gain() -> None:
    """What is printed last may be quoted: the skill beside history alone, the map's part at its weakest."""
    text = shown({"1h": graded()})
    assert (
        "Next hour: rank correlation 0.44 (history and expected range alone 0.39; 836 windows). "
        "The map's own part: -0.002 (95 %: -0.005 to +0.002): not shown."
    ) in text
    assert "N2 + map, served" in text
    assert "served over the best naive map, F2: -0.002 [-0.005, +0.002]" in text
    assert "0.14 0.13 (1,010)" in text


def test_no_skill_is_part_of_the_sentence() -> None:
    """Where none is shown, the sentence says so before anything about the map."""
    text = shown({"4h": graded() | {"verdict": "no skill shown"}})
    assert "windows). No skill shown. The map's own part" in text


def test_what_is_missing_stands_instead_of_a_table() -> None:
    """A horizon without grades is one line with the reason."""
    text = shown({"30m": nothing_scored("the stored bars of 1h do not divide 30m")})
    assert "30m: the stored bars of 1h do not divide 30m" in text


def test_figures_without_an_interval_stand_alone() -> None:
    """None is empty; a figure without bounds has no brackets."""
    assert with_ci(None, None) == ""
    assert with_ci(0.5, None) == "0.500"
    assert with_ci(0.5, [None, 0.6]) == "0.500"
    assert with_ci(0.5, [0.4, 0.6], sign=True) == "+0.500 [+0.400, +0.600]"
