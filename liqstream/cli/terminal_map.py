"""A heatmap as lines of text: for a terminal of any width, with or without colour."""

from __future__ import annotations

import numpy as np
from rich.text import Text

from liqstream.client import Snapshot
from liqstream.heatmap.clusters import find_clusters, next_big
from liqstream.heatmap.price_grid import Grid
from liqstream.market import Side
from liqstream.supervision.error_log import in_one_line

LONG_STYLE = "cyan"
SHORT_STYLE = "magenta"
_NARROW_COLUMNS = 60
_BARS = "▏▎▍▌▋▊▉█"


def usd_text(usd: float) -> str:
    """A USD figure in four characters or so: 950, 1.5K, 20M, 1.2B."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if usd >= size:
            return f"{usd / size:.1f}{unit}" if usd < 9.95 * size else f"{usd / size:.0f}{unit}"
    return f"{usd:.0f}"


def head_line(snapshot: Snapshot, *, age_s: float, width: int) -> Text:
    """Symbol, price, how old the snapshot is, and every reason to doubt it."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(snapshot.symbol, "bold").append(f"  {snapshot.current_price:,.10g}", "bold yellow")
    if snapshot.source != "live":
        line.append(f"  {in_one_line(snapshot.source).upper()}", "bold black on yellow")
    if snapshot.stale:
        line.append("  STALE", "bold white on red")
    line.append(f"  {age_s:.0f} s")
    if width >= _NARROW_COLUMNS:
        line.append(f"  seq {snapshot.seq}  skipped {snapshot.skipped}", "dim")
        if snapshot.quality:
            line.append(f"  {in_one_line(', '.join(snapshot.quality))}", "red")
    return line


def cluster_line(snapshot: Snapshot) -> Text:
    """The next big cluster above and below the market: how far away, and its USD."""
    levels, price = snapshot.grid, snapshot.current_price
    grid = Grid(levels.p0, levels.step, len(levels))
    line = Text(no_wrap=True, overflow="ellipsis")
    sides: tuple[tuple[Side, str], ...] = (("short", SHORT_STYLE), ("long", LONG_STYLE))
    for side, style in sides:
        cluster = next_big(find_clusters(side, levels.long_usd, levels.short_usd, grid), price)
        if cluster is not None:
            line.append(f"{100 * cluster.distance(price):+.2f}% {usd_text(cluster.usd)}  ", style)
    return line


def map_lines(snapshot: Snapshot, *, width: int, rows: int, ascii_only: bool) -> list[Text]:
    """At most `rows` lines, highest price first: the price, a bar whose area is USD, and the USD.

    Each line sums the levels it stands for; the bar's length is the square root of its share.
    """
    count = max(1, -(-len(snapshot.prices) // max(1, rows)))
    edges = np.arange(0, len(snapshot.prices), count)
    long_usd = np.add.reduceat(snapshot.long_usd, edges)
    short_usd = np.add.reduceat(snapshot.short_usd, edges)
    largest = max(float(long_usd.max()), float(short_usd.max()), 1.0)
    here = int(np.searchsorted(snapshot.prices[edges], snapshot.current_price, side="right")) - 1
    labels = [f"{price:,.10g}" for price in snapshot.prices[edges]]
    room = max(4, width - max(map(len, labels)) - 10)
    lines = []
    for row in range(len(edges) - 1, -1, -1):
        mark = ">" if row == here else " "
        line = Text(no_wrap=True, overflow="crop")
        line.append(f"{mark}{labels[row]:>{max(map(len, labels))}} ", "bold yellow" if row == here else "dim")
        for usd, style in ((long_usd[row], LONG_STYLE), (short_usd[row], SHORT_STYLE)):
            if usd > 0:
                line.append(_bar(np.sqrt(usd / largest) * room / 2, ascii_only=ascii_only), style)
                line.append(f" {usd_text(float(usd))} ", "dim")
        lines.append(line)
    return lines


def _bar(length: float, *, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * max(1, round(length))
    whole, part = divmod(round(length * 8), 8)
    return "█" * whole + (_BARS[part - 1] if part else "") or _BARS[0]
