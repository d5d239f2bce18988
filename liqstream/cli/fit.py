"""`liqstream fit`: a kernel fitted to the store's own liquidations, for LIQSTREAM_KERNEL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from liqstream.cli.market_options import market_options, open_store, settings_for
from liqstream.heatmap.fit import Fit, fit
from liqstream.heatmap.kernel import Kernel, KernelError, load_kernel, save_kernel
from liqstream.heatmap.score import ScoreError
from liqstream.heatmap.score_stored import scoring_data
from liqstream.settings import Settings
from liqstream.store import StoreError


@click.command(name="fit")
@market_options
@click.option("--kernel", help="Kernel to start from: tiered, broad or a file; else LIQSTREAM_KERNEL.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
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
    as_json: bool,
) -> None:
    """Fit the kernel's masses to realised liquidations, and write it with its provenance.

    Needs 60 days. The last quarter is kept back to judge the fit: one that ranks it worse than the kernel it
    started from is not written, and the command exits with 1. Once a month is often enough.
    """
    if not output.parent.is_dir():
        raise click.ClickException(f"{output} cannot be written: there is no folder {output.parent}")
    settings = settings_for(db_path, kernel=kernel)
    console = Console(stderr=True)
    try:
        before = load_kernel(settings.kernel)
        with console.status("fitting") as status:
            found = asyncio.run(_fit(settings, exchange, symbol, before, (from_ms, to_ms), status.update))
    except (KernelError, ScoreError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    if not found.kept:
        raise click.ClickException(
            f"not written: on the last quarter of the span the fit ranks {found.forward_spearman:.3f}, "
            f"{before.name} {found.forward_spearman_before:.3f}"
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
        f"{found.forward_spearman_before:.3f} of {before.name} on the quarter kept back; "
        f"use it with LIQSTREAM_KERNEL={output}"
    )


async def _fit(
    settings: Settings,
    exchange: str,
    symbol: str,
    kernel: Kernel,
    span: tuple[int | None, int | None],
    progress: Callable[[str], None],
) -> Fit:
    async with open_store(settings) as store:
        bars, realised = await scoring_data(store, exchange, symbol, from_ms=span[0], to_ms=span[1])
    name = f"fitted-{symbol}-{datetime.fromtimestamp(int(bars.open_time_ms[-1]) / 1000, UTC):%Y%m%d}"
    return await asyncio.to_thread(fit, bars, realised, kernel, name=name, progress=progress)
