"""The map's score as a person reads it: a table per side with every simple rule, gains, one closing line."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from liqstream.cli.forecast_tables import with_ci

_JUDGED = {
    "drawn_map": "the drawn map",
    "map_with_history": "the map with past liquidations",
    "with_same_bar": "with the bar's own entries",
    "model": "best prediction",
}
_RULES = {
    "flat_2": "flat kernel to 2 %, same path",
    "flat_10": "flat kernel to 10 %, same path",
    "uniform": "B3 uniform",
    "uniform_range": "B5 uniform x range",
    "excursion": "B1 excursion",
    "extreme": "B2 extreme",
    "one_sided": "one-sided",
}
_GAINS = {
    "gain_over_uniform": "B3",
    "gain_over_uniform_range": "B5",
    "gain_over_flat_2": "a flat kernel to 2 %",
}


def show_map(console: Console, content: dict[str, Any]) -> None:
    """Print the table of each side and of their mean, with the gains of what is judged."""
    console.print(
        f"{content['symbol']} on {content['exchange']}, {content['from']} to {content['to']}: "
        f"{content['n']:,} intervals of {content['interval']} on {content['days']} days, "
        f"bars of {content['bars']}, kernel {content['kernel']}, {content['bootstrap']['block']} redrawn",
        soft_wrap=True,
    )
    for name, side in {**content["sides"], "mean of sides": content["mean"]}.items():
        console.print(_table(name, side))
        for key, baseline in _GAINS.items():
            for judged, title in reversed(_JUDGED.items()):
                gains = side if judged == "model" else side[judged]
                if (gain := gains.get(key)) is not None:
                    figure = with_ci(gain["spearman"], gain["ci"], sign=True)
                    console.print(f"  {title} over {baseline}: {figure}")
    for name, side in content["sides"].items():
        _show_calibration(console, name, side)


def show_ablation(console: Console, content: dict[str, Any]) -> None:
    """Print what each part of the best prediction does, longs before shorts."""
    title = f"{content['symbol']} on {content['exchange']}: parts of the best prediction"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in ("rank correlation", "log R2", "realised / predicted", "days within a factor of two"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in content["ablation"].items():
        means = (f"{row[key]:.3f}" for key in ("spearman", "log_r2"))
        pairs = (row[key].values() for key in ("calibration", "days_within_two"))
        sides = (", ".join("-" if value is None else f"{value:.2f}" for value in pair) for pair in pairs)
        table.add_row(name, *means, *sides)
    console.print(table)


def closing_line(content: dict[str, Any]) -> str:
    """A market's score in a line: days, rank correlation, gains, log R2, forecast, single levels."""
    parts = []
    if mean := content.get("mean"):
        gain = mean["gain_over_uniform"]
        parts.append(f"{content['days']} days")
        parts.append(
            f"rank correlation {mean['model']['spearman']:.3f} (drawn map "
            f"{mean['drawn_map']['spearman']:.3f})"
        )
        parts.append(f"over B3 {with_ci(gain['spearman'], gain['ci'], sign=True)}")
        parts.append(f"log R2 {mean['model']['log_r2']:.3f}")
    for horizon, graded in (content.get("forecast") or {}).items():
        if (rank := graded["rank"])["gain"] is not None:
            smallest = min(
                (rank, rank["gain_over_strongest"], rank["gain_over_naive_map"]),
                key=lambda found: float(found["gain"]),
            )
            shown = with_ci(smallest["gain"], smallest["ci"], sign=True)
            parts.append(
                f"forecast {horizon} {rank['with_map']:.3f}, the map's part {shown}, {graded['verdict']}"
            )
    by_price = content.get("by_price") or {}
    if by_price.get("verdict"):
        bits = by_price["bits"]
        parts.append(f"{with_ci(bits['map'], bits['ci'], sign=True)} bits by price, {by_price['verdict']}")
    return f"{content['symbol']}: {'; '.join(parts) or 'nothing could be scored'}."


def _table(name: str, side: dict[str, Any]) -> Table:
    table = Table(title=name, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=18)
    for heading in ("rank correlation", "top 10 % share", "partial", "calibration", "log R2"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = {title: side[key] for key, title in _JUDGED.items()}
    rows |= {title: side["baselines"][key] for key, title in _RULES.items()}
    for title, figures in rows.items():
        cells = [
            with_ci(figures.get(key), figures.get(f"{key}_ci"))
            for key in ("spearman", "top_decile_share", "partial_spearman", "calibration", "log_r2")
        ]
        table.add_row(title, *cells)
    return table


def _show_calibration(console: Console, name: str, side: dict[str, Any]) -> None:
    """How far USD were off after two weeks, of what is drawn and of the best prediction."""
    for judged in ("drawn_map", "model"):
        daily = side[judged]["calibration_after_14_days"]
        if daily["days_within_two"] is None:
            continue
        months = daily["total_30d"]
        span = (
            ""
            if months is None
            else f"; over 30 days {months[0]:.2f} to {months[1]:.2f} of what was predicted"
        )
        console.print(
            f"{name}s, {_JUDGED[judged]}: {daily['days_within_two']:.0%} of {daily['days']} days within a "
            f"factor of two{span}",
            soft_wrap=True,
        )
