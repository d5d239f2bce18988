"""`liqstream score`: how well the map predicted liquidations that really happened, beside naive baselines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from liqstream.cli.console import make_console, working
from liqstream.cli.forecast_tables import show_forecast
from liqstream.cli.map_tables import closing_line, show_ablation, show_map
from liqstream.cli.market_options import markets_options, open_store, settings_for
from liqstream.cli.measured_tables import show_measured
from liqstream.cli.price_tables import show_prices
from liqstream.evaluation.market_score import (
    ABLATION,
    AGAINST_MEASURED,
    BY_PRICE,
    FORECAST,
    PARTS,
    Asked,
    method_of_score,
    score_market,
)
from liqstream.evaluation.measured_stored import EXCHANGE
from liqstream.evaluation.scoring_data import ScoreError, Span
from liqstream.heatmap.market_map import MapModel
from liqstream.ingest.bracket_loop import brackets_path, read_kept_brackets
from liqstream.market import MarketKey
from liqstream.model.kernel import Kernel, KernelError, load_kernel
from liqstream.model.margin import BracketsError, load_brackets
from liqstream.settings.table import Settings
from liqstream.store import StoreError
from liqstream.symbols import INTERVALS_MS


@click.command(name="score")
@markets_options
@click.option(
    "--interval", type=click.Choice(list(INTERVALS_MS)), help="Scored interval; else that of the totals."
)
@click.option("--kernel", help="Kernel to judge: tiered, broad or a file; else LIQSTREAM_KERNEL.")
@click.option("--forecast", "parts", flag_value=FORECAST, multiple=True, help="Only the forecast's grades.")
@click.option("--by-price", "parts", flag_value=BY_PRICE, multiple=True, help="Only the score by price.")
@click.option(
    "--ablation",
    "parts",
    flag_value=ABLATION,
    multiple=True,
    help="Only what each part of the best prediction does.",
)
@click.option(
    "--against",
    type=click.Choice(["measured"]),
    help="Judge the map of Hyperliquid's market by measured positions instead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    db_path: Path | None, exchange: str, symbols: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Score map, single levels and forecast on liquidations that really happened, beside naive baselines.

    With --against measured: the map's levels on positions that were measured (serve --positions).
    Walk-forward: what is scored was known before. Every figure has a 95 % interval from resampled days.
    """
    from_ms, to_ms, interval = options["from_ms"], options["to_ms"], options["interval"]
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise click.ClickException("--from must be before --to")
    settings = settings_for(db_path, kernel=options["kernel"])
    asked = Asked(
        Span(from_ms, to_ms),
        INTERVALS_MS[interval] if interval else None,
        _parts(options),
    )
    exchange = EXCHANGE if asked.parts == {AGAINST_MEASURED} else exchange
    try:
        kernel, brackets = load_kernel(settings.kernel), load_brackets(settings.brackets)
        own = read_kept_brackets(brackets_path(settings.db_path))
        model = MapModel(kernel, interval_ms=0, history_days=0, brackets=brackets, own_brackets=own)
        judged = {MarketKey(exchange, name): model.kernel_of(name, exchange) for name in symbols}
        with working("scoring") as progress:
            scored = asyncio.run(_score(settings, judged, asked, progress))
    except (BracketsError, KernelError, ScoreError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        only = next(iter(scored.values()))
        click.echo(json.dumps(method_of_score() | (only if len(symbols) == 1 else {"symbols": scored})))
        return
    for content in scored.values():
        show_score(content)


def _parts(options: Mapping[str, Any]) -> frozenset[str]:
    """What is asked for. Raises ClickException for what cannot be asked together."""
    parts = frozenset(options["parts"])
    if options["against"] is None:
        return parts or PARTS
    if parts or options["interval"] is not None:
        raise click.ClickException(
            "--against measured stands alone: it judges the map of Hyperliquid's market every half hour"
        )
    return frozenset({AGAINST_MEASURED})


async def _score(
    settings: Settings,
    judged: Mapping[MarketKey, Kernel],
    asked: Asked,
    progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """What was asked of each symbol. Raises ScoreError where nothing of any can be scored."""
    scored: dict[str, dict[str, Any]] = {}
    missing: list[ScoreError] = []
    async with open_store(settings) as store:
        for market, kernel in judged.items():
            try:
                scored[market.symbol] = await score_market(store, market, kernel, asked, progress=progress)
            except ScoreError as error:
                missing.append(error)
                scored[market.symbol] = {
                    "symbol": market.symbol,
                    "exchange": market.exchange,
                    "kernel": kernel.name,
                    **dict.fromkeys(("sides", "mean", "by_price", "forecast")),
                    "reason": str(error),
                }
    if len(missing) == len(judged):
        raise missing[0]
    return scored


def show_score(content: dict[str, Any]) -> None:
    """Print a market's score, part by part, and its closing line."""
    console = make_console(pipe_width=150)
    if content.get("measured"):
        show_measured(console, content["measured"])
        return
    if content.get("reason"):
        console.print(f"{content['symbol']} on {content['exchange']}: {content['reason']}", soft_wrap=True)
    if content.get("sides"):
        show_map(console, content)
    if content.get("by_price"):
        show_prices(console, content)
    if content.get("forecast"):
        show_forecast(console, content)
    if content.get("ablation"):
        show_ablation(console, content)
        return
    for warning in content.get("warnings", []):
        console.print(f"note: {warning}", soft_wrap=True)
    console.print(closing_line(content), soft_wrap=True)
