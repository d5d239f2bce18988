"""The score against measured positions as a person reads it: bits and rank beside every row, one sentence."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from liqstream.cli.forecast_tables import with_ci

_TITLES = {
    "distance": "distance alone, learnt",
    "ceiling": "measured a day before",
    "smeared": "map, moving mean 26 bp",
    "flat": "flat kernel to 10 %",
    "broad": "broad kernel",
    "B3": "B3's levels",
    "one_sided": "one-sided",
    "beyond_24h": "beyond the 24h extreme",
    "permuted": "map, cells shuffled",
}
_CLASSES = {"to_100k": "to 100k USD", "to_1m": "to 1M USD", "above_1m": "above 1M USD"}


def show_measured(console: Console, content: dict[str, Any]) -> None:
    """Print how many looks could be judged, each side's table and the sentence; or why there is none."""
    judged = ", ".join(f"{count:,} of {name}s" for name, count in content["judged"].items())
    console.print(
        f"{content['symbol']} on {content['exchange']} against measured positions: "
        f"{content['looks']:,} looks, judged {judged}, on {content['days']} days "
        f"(kernel {content['kernel']}, bars of {content['bars']}, {content['block']} redrawn)",
        soft_wrap=True,
    )
    if content["reason"] is not None:
        console.print(f"settling: {content['reason']}", soft_wrap=True)
        return
    for name, side in {**content["sides"], "mean of sides": content["mean"]}.items():
        if side is not None:
            console.print(_table(name, side))
            console.print(f"  levels anywhere would give the map {side['random_levels']:+.3f} bits")
    for name, figures in content["size_classes"].items():
        if figures is not None:
            in_bits = with_ci(figures["bits"], figures["bits_ci"], sign=True)
            console.print(
                f"  positions {_CLASSES[name]}: {in_bits} bits, "
                f"rank correlation {with_ci(figures['rank'], figures['rank_ci'])} "
                f"({figures['accounts']} accounts, {figures['looks']:,} looks)",
                soft_wrap=True,
            )
    console.print(content["sentence"], soft_wrap=True)


def _table(name: str, side: dict[str, Any]) -> Table:
    title = f"{name}: {side['coverage']:.0%} of open interest, {side['accounts']} accounts in reach"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=22)
    for heading in ("rank correlation", "bits over uniform", "the map's difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row(
        "the drawn map",
        with_ci(side["rank"], side["rank_ci"]),
        with_ci(side["bits"], side["bits_ci"], sign=True),
        "",
    )
    for key, title in _TITLES.items():
        row = side["baselines"][key]
        if row["bits"] is not None:
            table.add_row(
                title,
                with_ci(row["rank"], row["rank_ci"]),
                with_ci(row["bits"], None, sign=True),
                with_ci(row["difference"], row["ci"], sign=True),
            )
    return table
