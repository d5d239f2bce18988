"""The matrix of exchange faults over several processes, each cell printed as it ends.

`python -m tests.faults.exchange_matrix` does each endpoint or channel and kind once, its duration and phase
chosen by the seed; `--all` does every one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import sys
import time

import click
import structlog

from tests.faults.exchange_cells import Cell, all_cells, rotated
from tests.faults.exchange_faults import Report, describe, run_cell

CELLS_PER_PROCESS = 50
"""What a process may have forgotten to let go of is let go of then."""


def run_cells(cells: list[Cell], jobs: int) -> list[Report]:
    """Do these cells, `jobs` at a time; each is printed as it ends."""
    reports = []
    # Not ProcessPoolExecutor: with a limit of tasks per child it stops for ever (python/cpython#115634).
    spawning = multiprocessing.get_context("spawn")
    with spawning.Pool(jobs, be_quiet, maxtasksperchild=CELLS_PER_PROCESS) as pool:
        for report in pool.imap_unordered(run_cell, cells):
            reports.append(report)
            for line in describe(report):
                click.echo(line)
    return reports


def be_quiet() -> None:
    """Keep the feeds' log out of the report."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def chosen(only: str | None, seed: int, *, everything: bool) -> list[Cell]:
    """The cells of a run; `only` are parts of their names, comma-separated. Raises ClickException."""
    cells = all_cells() if everything or (only and only.count(":") >= 4) else rotated(seed)
    if only:
        cells = [cell for cell in cells if any(part in cell.name for part in only.split(","))]
    if not cells:
        raise click.ClickException(f"no cell has {only!r} in its name, e.g. {rotated(seed)[0].name}")
    random.Random(seed).shuffle(cells)
    return cells


@click.command()
@click.option("--only", help="Parts of the cells' names, comma-separated.")
@click.option("--seed", type=int, help="Repeat an earlier run's durations and phases.")
@click.option("--all", "everything", is_flag=True, help="Every duration and phase of every cell.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Cells at a time.")
@click.option("--list", "show", is_flag=True, help="Name the cells and end.")
def main(only: str | None, seed: int | None, everything: bool, jobs: int, show: bool) -> None:
    """Do faults to simulated exchanges and hold their feeds to their promises."""
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    cells = chosen(only, seed, everything=everything)
    if show:
        for cell in cells:
            click.echo(cell.name)
        return
    click.echo(f"seed {seed}, {len(cells)} cells, {jobs} at a time")
    began_s = time.monotonic()
    reports = run_cells(cells, jobs)
    failed = [report.cell.name for report in reports if report.wrong]
    missed = sum(not report.wrong and not report.hits for report in reports)
    held = len(cells) - len(failed) - missed
    took_s = time.monotonic() - began_s
    click.echo(f"{held} of {len(cells)} held, {missed} were never asked for, in {took_s:.0f} s")
    for name in sorted(failed):
        click.echo(f"FAILED {name}; again with: python -m tests.faults.exchange_matrix --only {name}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
