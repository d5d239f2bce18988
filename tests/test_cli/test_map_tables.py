"""liqstream/cli/map_tables.py: the drawn map leads, gains follow, one line closes."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console

from liqstream.cli.map_tables import closing_line, show_map
from liqstream.evaluation.baselines import BASELINES
from liqstream.evaluation.bootstrap import SideStatistics
from liqstream.evaluation.forecast_score import nothing_scored
from liqstream.evaluation.score_content import FLAT_KERNELS, JUDGED, side_content


def scored() -> dict[str, Any]:
    """A score of one figure everywhere."""
    figures = SideStatistics(*(np.array([0.5, 0.4, 0.6]) for _ in range(5)))
    daily = {"days": 20, "days_within_two": 0.9, "total_30d": [0.87, 1.1]}
    side = side_content(
        dict.fromkeys((*JUDGED, *BASELINES, *FLAT_KERNELS), figures), dict.fromkeys(JUDGED, daily)
    )
    head = {"symbol": "BTCUSDT", "exchange": "binance", "from": "a", "to": "b", "n": 1000, "interval": "1h"}
    head |= {"days": 42, "bars": "1h", "kernel": "tiered", "bootstrap": {"block": "1d"}}
    return head | {"sides": {"long": side, "short": side}, "mean": side}


def test_the_drawn_map_leads_each_table() -> None:
    """Then the bar's own entries, the best prediction, flat kernels and simple rules."""
    console = Console(width=150, record=True)
    show_map(console, scored())
    lines = console.export_text().splitlines()
    at = [at for at, line in enumerate(lines) if line.startswith("the drawn map")]
    assert len(at) == 3
    assert lines[at[0] + 2].startswith("with the bar's own entries")
    assert lines[at[0] + 4].startswith("flat kernel to 2 %, same path")
    text = "\n".join(lines)
    assert "best prediction over a flat kernel to 2 %: +0.000" in text
    assert "the drawn map over B3" in text
    assert "the drawn map over a flat" not in text
    assert "longs, the drawn map: 90% of 20 days within a factor of two; over 30 days 0.87 to 1.10" in text


def test_a_market_closes_with_one_line() -> None:
    """What was scored of it, in this order; what was not is left out."""
    whole = scored() | {
        "forecast": {"1h": nothing_scored("too little"), "30m": forecast()},
        "by_price": {"bits": {"map": 0.1, "ci": [-0.1, 0.2]}, "verdict": "no better than chance"},
    }
    assert closing_line(whole) == (
        "BTCUSDT: 42 days; rank correlation 0.500 (drawn map 0.500); over B3 +0.000 [+0.000, +0.000]; "
        "log R2 0.500; forecast 30m 0.440, the map's part -0.010 [-0.020, +0.010], no skill shown; "
        "+0.100 [-0.100, +0.200] bits by price, no better than chance."
    )
    assert closing_line({"symbol": "ETHUSDT"}) == "ETHUSDT: nothing could be scored."


def forecast() -> dict[str, Any]:
    """Grades with all gains."""
    gain = {"gain": 0.03, "ci": [0.02, 0.04]}
    smallest = {"gain": -0.01, "ci": [-0.02, 0.01]}
    rank = {"with_map": 0.44, **gain, "gain_over_strongest": gain, "gain_over_naive_map": smallest}
    return nothing_scored("") | {"rank": rank, "verdict": "no skill shown"}
