"""The score by price as a person reads it: bits beside every simple rule, lift, precision, one sentence."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from liqstream.cli.forecast_tables import with_ci

_TITLES = {
    "smeared": "map, moving mean 26 bp",
    "flat": "flat kernel to 10 %",
    "B3": "B3's levels",
    "distance": "distance only",
    "beyond_6h": "beyond the 6h extreme",
    "beyond_24h": "beyond the 24h extreme",
    "beyond_72h": "beyond the 72h extreme",
    "sqrt_map_x_distance": "map^.5 x distance",
    "permuted": "map, cells shuffled",
}


def show_prices(console: Console, content: dict[str, Any]) -> None:
    """Print the table of each window length that has figures, or why there are none."""
    by_price = content["by_price"]
    head = f"by price, {content['symbol']} on {content['exchange']}"
    if by_price["by_window"] is None:
        console.print(f"{head}: {by_price['reason']}", soft_wrap=True)
        return
    for name, found in by_price["by_window"].items():
        if found is None:
            continue
        if found["reason"] is not None:
            text = f"{head}, windows of {name}: {found['reason']}"
            console.print(text, soft_wrap=True)
            continue
        console.print(
            f"{head}, windows of {name}: {found['events']:,} liquidations on {found['days']} days "
            f"({found['outside']:,} not placed), kernel {content['kernel']}, {found['block']} redrawn",
            soft_wrap=True,
        )
        console.print(_table(found))
        _show_figures(console, found)


def _table(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=20)
    for heading in ("bits", "the map's difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("map", with_ci(found["bits"]["map"], found["bits"]["ci"], sign=True), "")
    for name, row in found["baselines"].items():
        difference = with_ci(row["difference"], row["ci"], sign=True)
        table.add_row(_TITLES[name], with_ci(row["bits"], None, sign=True), difference)
    return table


def _show_figures(console: Console, found: dict[str, Any]) -> None:
    def line(text: str) -> None:
        console.print(f"  {text}", soft_wrap=True)

    line(f"random prices would give the map: {found['random_prices']:+.3f} bits")
    line(f"lift of the strongest fifth within windows: {with_ci(found['lift']['map'], found['lift']['ci'])}")
    for side in ("long", "short"):
        if (figures := found[side]) is not None:
            line(
                f"{side}s: {with_ci(figures['bits'], figures['bits_ci'], sign=True)} bits, lift "
                f"{with_ci(figures['lift'], figures['lift_ci'])}, precision of the strongest tenth "
                f"{figures['precision']:.0%} against {figures['base_rate']:.0%} of random cells "
                f"({figures['events']:,} liquidations)"
            )
    console.print(f"Single levels: {found['verdict']}.", soft_wrap=True)
