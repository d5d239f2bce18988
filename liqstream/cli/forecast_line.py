"""A symbol's forecast as one line of a terminal."""

from __future__ import annotations

from rich.text import Text

from liqstream.client import ExpectedSide, Forecast

SHOWN_HORIZON = "1h"


def forecast_line(forecast: Forecast) -> Text:
    """The next hour's expected USD per side with its 80 % interval, where, and what may be claimed."""
    horizon = forecast.horizons.get(SHOWN_HORIZON)
    if horizon is None:
        return Text("no forecast of the next hour", "dim", no_wrap=True, overflow="ellipsis")
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"expected in the next hour on {', '.join(forecast.exchanges)}: ")
    text.append(f"{_side(horizon.long)} longs", "red").append(", ")
    text.append(f"{_side(horizon.short)} shorts", "green")
    return text.append(f"  ({horizon.skill.verdict})", "dim")


def _side(side: ExpectedSide) -> str:
    quantiles = side.quantiles_usd
    if quantiles is None:
        return _usd(side.expected_usd)
    # What is expected is a mean, which few large hours can lift above its own range: then the median counts.
    median = f", median {_usd(quantiles['0.5'])}" if side.expected_usd > quantiles["0.9"] else ""
    return f"{_usd(side.expected_usd)} (80 %: {_usd(quantiles['0.1'])} to {_usd(quantiles['0.9'])}{median})"


def _usd(usd: float) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if usd >= size:
            return f"${usd / size:.1f}{unit}"
    return f"${usd:.0f}"
