"""`liqstream fit`: a kernel fitted to the store's own liquidations, for LIQSTREAM_KERNEL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from liqstream.cli.console import working
from liqstream.cli.market_options import market_options, open_store, settings_for
from liqstream.evaluation.amplitude_prior_fit import fit_amplitude
from liqstream.evaluation.forecast_prior_fit import fit_priors
from liqstream.evaluation.kernel_fit import Fit, fit
from liqstream.evaluation.score_stored import scoring_data
from liqstream.evaluation.scoring_data import ScoreError, Span
from liqstream.market import MarketKey
from liqstream.model.amplitude_prior import amplitude_to_json
from liqstream.model.kernel import Kernel, KernelError, load_kernel, save_kernel
from liqstream.settings.table import Settings
from liqstream.store import StoreError


@click.command(name="fit")
@market_options
@click.option(
    "--kernel",
    help="Kernel to start from: tiered, broad, flat (knows nothing) or a file; else LIQSTREAM_KERNEL.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option(
    "--forecast", is_flag=True, help="Write the forecast's starting points instead, for any span of weeks."
)
@click.option(
    "--amplitude", is_flag=True, help="Write the amplitude's starting point instead, for bars of an hour."
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def command(
    db_path: Path | None,
    exchange: str,
    symbol: str,
    from_ms: int | None,
    to_ms: int | None,
    kernel: str | None,
    output: Path,
    forecast: bool,
    amplitude: bool,
    as_json: bool,
) -> None:
    """Fit the kernel's masses to realised liquidations, and write it with its provenance.

    Needs 60 days. The last quarter is kept back to judge the fit: one that ranks it worse than the kernel it
    started from is not written, and the command exits with 1. Once a month is often enough.
    """
    if not output.parent.is_dir():
        raise click.ClickException(f"{output} cannot be written: there is no folder {output.parent}")
    settings = settings_for(db_path, kernel=kernel)
    try:
        current = load_kernel(settings.kernel)
        with working("fitting") as progress:
            market, span = MarketKey(exchange, symbol), Span(from_ms, to_ms)
            if forecast or amplitude:
                work = _priors if forecast else _amplitude
                _write_start(asyncio.run(work(settings, market, current, span, progress)), output)
                return
            found = asyncio.run(_fit(settings, market, current, span, progress))
    except (KernelError, ScoreError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    if not found.kept:
        raise click.ClickException(
            f"not written: on the last quarter of the span the fit ranks {found.forward_spearman:.3f}, "
            f"{current.name} {found.forward_spearman_before:.3f}"
        )
    try:
        save_kernel(found.kernel, output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps({"name": found.kernel.name, "file": str(output), **found.kernel.provenance}))
        return
    click.echo(
        f"{output}: kernel {found.kernel.name}, {found.forward_spearman:.3f} against "
        f"{found.forward_spearman_before:.3f} of {current.name} on the quarter kept back; "
        f"use it with LIQSTREAM_KERNEL={output}"
    )


async def _fit(
    settings: Settings,
    market: MarketKey,
    kernel: Kernel,
    span: Span,
    progress: Callable[[str], None],
) -> Fit:
    async with open_store(settings) as store:
        data = await scoring_data(store, market, span=span)
    last_ms = int(data.bars.open_time_ms[-1])
    name = f"fitted-{market.symbol}-{datetime.fromtimestamp(last_ms / 1000, UTC):%Y%m%d}"
    return await asyncio.to_thread(fit, data.bars, data.realised, kernel, name=name, progress=progress)


def _write_start(start: dict[str, Any], output: Path) -> None:
    try:
        output.write_text(json.dumps(start) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None
    if "factors" in start:
        long, short = start["factors"]
        click.echo(f"{output}: starting point of the amplitude, longs {long:.2f}, shorts {short:.2f}")
    else:
        click.echo(f"{output}: starting points of the forecast for {', '.join(start)}")


async def _priors(
    settings: Settings, market: MarketKey, kernel: Kernel, span: Span, progress: Callable[[str], None]
) -> dict[str, Any]:
    async with open_store(settings) as store:
        data = await scoring_data(store, market, span=span)
    return await asyncio.to_thread(fit_priors, data, kernel, progress=progress)


async def _amplitude(
    settings: Settings, market: MarketKey, kernel: Kernel, span: Span, progress: Callable[[str], None]
) -> dict[str, Any]:
    async with open_store(settings) as store:
        data = await scoring_data(store, market, span=span)
    progress("fitting the amplitude")
    return amplitude_to_json(await asyncio.to_thread(fit_amplitude, data, kernel))
