"""The forecast's grades as a person reads them: tables, gains and one sentence per horizon."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

_TITLES = {
    "cF": "F calibrated (cF)",
    "climatology": "climatology by hour",
    "AR": "AR",
    "AR+vol": "AR + expected range",
    "AR+vol+hour": "AR + range + hour",
    "N1": "N1 linear, no map",
    "N1+T": "N1 + map",
    "N2": "N2 strongest, no map",
    "N2+T": "N2 + map, served",
}
_WORDS = {"30m": "Next half hour", "1h": "Next hour", "4h": "Next four hours"}


def show_forecast(console: Console, content: dict[str, Any]) -> None:
    """Print every horizon's table, gains and closing sentence, or why there is none."""
    for horizon, graded in content["forecast"].items():
        head = f"forecast of {content['symbol']} on {content['exchange']}, {horizon}"
        if graded["rows"] is None:
            console.print(f"{head}: {graded['reason']}", soft_wrap=True)
            continue
        console.print(
            f"{head}: {graded['windows']:,} windows on {graded['days']} days, kernel {content['kernel']}",
            soft_wrap=True,
        )
        console.print(_table(graded))
        if graded["reached_mass"] is not None:
            _show_gains(console, graded)
        _show_chances(console, graded)
        console.print(_sentence(horizon, graded), soft_wrap=True)


def with_ci(value: float | None, ci: list[float | None] | None, *, sign: bool = False) -> str:
    """A figure with its interval; the figure alone where it has none, nothing for None."""
    form = "+.3f" if sign else ".3f"
    if value is None or ci is None or None in ci:
        return "" if value is None else f"{value:{form}}"
    return f"{value:{form}} [{ci[0]:{form}}, {ci[1]:{form}}]"


def _table(graded: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=20)
    for heading in ("rank correlation", "which side", "log R2", "in 80 %", "pinball", "real./exp. L, S"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in graded["rows"].items():
        ratios = ", ".join("" if ratio is None else f"{ratio:.2f}" for ratio in row["realised_over_expected"])
        table.add_row(
            _TITLES.get(name, name),
            with_ci(row["rank"], row["ci"]),
            with_ci(row["side"], row["side_ci"]),
            *("" if row[key] is None else f"{row[key]:.3f}" for key in ("log_r2", "coverage_80", "pinball")),
            ratios,
        )
    return table


def _show_gains(console: Console, graded: dict[str, Any]) -> None:
    rank, reached = graded["rank"], graded["reached_mass"]
    naive = rank["gain_over_naive_map"]
    gains = {
        "N1 + map over N1 (gain)": rank,
        "the same, which side": graded["side"],
        "served over N2 (gain_over_strongest)": rank["gain_over_strongest"],
        f"served over the best naive map, {naive['map']}": naive,
        "served over AR + expected range": rank["gain_over_ar_vol"],
        "F alone over a kernel flat to 10 % (F10)": reached["gain_over_F10"],
        "F alone over B3's levels": reached["gain_over_B3"],
    }
    for name, gain in gains.items():
        console.print(f"  {name}: {with_ci(gain['gain'], gain['ci'], sign=True)}")
    alone = ", ".join(f"{name} {value:.3f}" for name, value in reached["rank"].items())
    console.print(f"  F alone, rank correlation: {alone}")


def _show_chances(console: Console, graded: dict[str, Any]) -> None:
    brier = graded["brier"]
    if brier["value"] is None:
        return
    others = ", ".join(f"{name} {value:.4f}" for name, value in brier["baselines"].items())
    console.print(f"  Brier score of the chances: {brier['value']:.4f}; {others}")
    bins = "; ".join(f"{row['p']:.2f} {row['observed']:.2f} ({row['n']:,})" for row in graded["reliability"])
    console.print(f"  chance, share reached (cases): {bins}", soft_wrap=True)


def _sentence(horizon: str, graded: dict[str, Any]) -> str:
    """What may be stated in public: the skill, and the map's part by the smallest gain."""
    rank = graded["rank"]
    if rank["gain"] is None:
        return f"{_WORDS[horizon]}: {graded['verdict']}; {graded['reason']}."
    gains = (rank, rank["gain_over_strongest"], rank["gain_over_naive_map"])
    smallest = min(gains, key=lambda gain: float(gain["gain"]))
    low, high = smallest["ci"]
    shown = "shown" if low > 0 else "not shown"
    skill = "" if graded["verdict"].startswith("skill") else f" {graded['verdict'].capitalize()}."
    return (
        f"{_WORDS[horizon]}: rank correlation {rank['with_map']:.2f} (history and expected range alone "
        f"{graded['rows']['AR+vol']['rank']:.2f}; {graded['windows']:,} windows).{skill} The map's own part: "
        f"{smallest['gain']:+.3f} (95 %: {low:+.3f} to {high:+.3f}): {shown}."
    )
