"""`liqstream score`: how well the map foretold liquidations that really happened, beside naive baselines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from liqstream.cli.market_options import market_options, open_store, settings_for
from liqstream.heatmap.kernel import Kernel, KernelError, load_kernel
from liqstream.heatmap.margin import BracketsError, load_brackets
from liqstream.heatmap.market_kernel import kernel_of_market
from liqstream.heatmap.score import Score, ScoreError
from liqstream.heatmap.score_stored import score_stored
from liqstream.settings import Settings
from liqstream.store import StoreError
from liqstream.symbols import INTERVALS_MS

_BASELINES = {
    "uniform": "B3 uniform",
    "uniform_range": "B5 uniform x range",
    "excursion": "B1 excursion",
    "extreme": "B2 extreme",
    "one_sided": "one-sided",
}
_GAINS = {"gain_over_uniform": "B3", "gain_over_uniform_range": "B5"}


@click.command(name="score")
@market_options
@click.option(
    "--interval", type=click.Choice(list(INTERVALS_MS)), help="Scored interval; else that of the totals."
)
@click.option("--kernel", help="Kernel to judge: tiered, broad or a file; else LIQSTREAM_KERNEL.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    db_path: Path | None,
    exchange: str,
    symbol: str,
    from_ms: int | None,
    to_ms: int | None,
    interval: str | None,
    kernel: str | None,
    as_json: bool,
) -> None:
    """Score the map on liquidations that really happened, beside naive baselines.

    Walk-forward: what is scored was known before. Every figure has a 95 % interval from resampled days.
    """
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise click.ClickException("--from must be before --to")
    settings = settings_for(db_path, kernel=kernel)
    span = (from_ms, to_ms, INTERVALS_MS[interval] if interval else None)
    console = Console(stderr=True)
    try:
        judged = kernel_of_market(load_kernel(settings.kernel), symbol, load_brackets(settings.brackets))
        with console.status("scoring") as status:
            found = asyncio.run(_score(settings, exchange, symbol, judged, span, status.update))
    except (BracketsError, KernelError, ScoreError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(json.dumps(found.content)) if as_json else _show(found.content)


async def _score(
    settings: Settings,
    exchange: str,
    symbol: str,
    kernel: Kernel,
    span: tuple[int | None, int | None, int | None],
    progress: Callable[[str], None],
) -> Score:
    async with open_store(settings) as store:
        return await score_stored(
            store,
            exchange,
            symbol,
            kernel,
            from_ms=span[0],
            to_ms=span[1],
            interval_ms=span[2],
            progress=progress,
        )


def _show(content: dict[str, Any]) -> None:
    console = Console(width=None if Console().is_terminal else 150)
    console.print(
        f"{content['symbol']} on {content['exchange']}, {content['from']} to {content['to']}: "
        f"{content['n']:,} intervals of {content['interval']} on {content['days']} days, "
        f"bars of {content['bars']}, kernel {content['kernel']}",
        highlight=False,
        soft_wrap=True,
    )
    for name, side in {**content["sides"], "mean of sides": content["mean"]}.items():
        console.print(_table(name, side))
        for key, baseline in _GAINS.items():
            gain = side[key]
            console.print(f"  gain over {baseline}: {_with_ci(gain['spearman'], gain['ci'], sign=True)}")
    for side, found in (content["by_price"] or {}).items():
        if found:
            console.print(
                f"{side}s by price: the strongest bands hold {found['recall']:.0%} of what was liquidated on "
                f"{found['price_area']:.0%} of the price that was run through: lift {found['lift']:.2f}; "
                f"precision {found['precision']:.0%} against {found['base_rate']:.0%} of all cells "
                f"({found['events']:,} events)",
                highlight=False,
                soft_wrap=True,
            )
    for warning in content["warnings"]:
        console.print(f"note: {warning}", markup=False, highlight=False, soft_wrap=True)


def _table(name: str, side: dict[str, Any]) -> Table:
    table = Table(title=name, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=18)
    for heading in ("rank correlation", "top 10 % share", "partial", "calibration", "log R2"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = {"map + same bar": side["model"], "map only": side["map_only"]}
    rows |= {title: side["baselines"][key] for key, title in _BASELINES.items()}
    for title, figures in rows.items():
        cells = [
            _with_ci(figures.get(key), figures.get(f"{key}_ci"))
            for key in ("spearman", "top_decile_share", "partial_spearman", "calibration", "log_r2")
        ]
        table.add_row(title, *cells)
    return table


def _with_ci(value: float | None, ci: list[float | None] | None, *, sign: bool = False) -> str:
    if value is None or ci is None or None in ci:
        return "" if value is None else f"{value:.3f}"
    form = "+.3f" if sign else ".3f"
    return f"{value:{form}} \\[{ci[0]:{form}}, {ci[1]:{form}}]"
