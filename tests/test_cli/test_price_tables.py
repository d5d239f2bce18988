"""liqstream/cli/price_tables.py: bits, differences, and what may be claimed of single levels."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from liqstream.cli.price_tables import show_prices
from liqstream.evaluation.price_score import no_prices
from liqstream.evaluation.price_windows import ROWS


def graded() -> dict[str, Any]:
    """Figures of one window length."""
    side: dict[str, Any] = {
        "events": 900,
        "precision": 0.45,
        "base_rate": 0.44,
        "recall": 0.2,
        "price_area": 0.2,
        "lift": 1.02,
    }
    side = side | {"lift_ci": [0.9, 1.1], "bits": -0.718, "bits_ci": [-0.762, -0.674]}
    rows = {name: {"bits": -0.25, "difference": -0.46, "ci": [-0.49, -0.43]} for name in ROWS[1:]}
    return no_prices("") | {
        "bits": {"map": -0.722, "ci": [-0.757, -0.688]},
        "lift": {"map": 0.99, "ci": [0.911, 1.063]},
        "baselines": rows,
        "random_prices": -0.718,
        "long": side,
        "events": 900,
        "window": "1h",
        "days": 12,
        "block": "1d",
        "verdict": "no better than chance",
        "reason": None,
    }


def shown(by_price: dict[str, Any]) -> str:
    console = Console(width=150, record=True)
    content = {"symbol": "BTCUSDT", "exchange": "binance", "kernel": "tiered", "by_price": by_price}
    show_prices(console, content)
    return console.export_text()


def test_every_row_stands_with_the_maps_difference() -> None:
    """Random prices, lift and precision stand beside; the sentence is last."""
    lines = shown(graded() | {"by_window": {"30m": None, "1h": graded()}}).splitlines()
    text = "\n".join(lines)
    for title in ("distance only", "B3's levels", "map, cells shuffled", "beyond the 24h extreme"):
        assert title in text
    assert "-0.722 [-0.757, -0.688]" in text
    assert "-0.460 [-0.490, -0.430]" in text
    assert "random prices would give the map: -0.718 bits" in text
    assert "precision of the strongest tenth 45% against 44% of random cells (900 liquidations)" in text
    assert "shorts" not in text
    assert lines[-1] == "Single levels: no better than chance."


def test_what_is_missing_is_a_sentence() -> None:
    """For everything, or for one length of windows."""
    assert shown(no_prices("no single liquidations")).endswith("on binance: no single liquidations\n")
    text = shown(graded() | {"by_window": {"30m": no_prices("50 are needed"), "1h": graded()}})
    assert "windows of 30m: 50 are needed" in text
