"""Random faults on four exchanges, one after the other, for as long as wanted; then all are well again.

`python -m tests.faults.exchange_chaos --for 3600 --every 20` is an hour of the market, in a few minutes.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from pathlib import Path

import click

from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.faults.exchange_cells import parts
from tests.faults.exchange_faults import START_WITHIN_S, WELL_WITHIN_S, troubles
from tests.faults.exchange_matrix import be_quiet
from tests.faults.exchange_stack import exchange_stack
from tests.support.virtual_clock import run_virtually

STATED_PAUSE_S = 5
"""Every refusal states it, so that no exchange's own pause of minutes or hours applies."""
WINDOW_S = 60.0
"""A code for too many requests is obeyed to the end of the exchange's window."""
LONGEST_S = 30.0


def random_fault(chance: random.Random) -> Fault:
    """Any part of any exchange, in any way but the shutting out of a country, once or for a while."""
    exchange, target, kind = chance.choice([part for part in parts() if part[2] is not FaultKind.COUNTRY])
    times = chance.choice([1, None])
    return Fault(
        exchange,
        target,
        kind,
        times=times,
        lasts_s=chance.uniform(1.0, LONGEST_S),
        retry_after=str(STATED_PAUSE_S),
        variant=chance.randrange(5),
    )


async def run_chaos(for_s: float, every_s: float, seed: int) -> list[str]:
    """What was still wrong a minute after the last fault; every exchange's feed runs all the time."""
    chance, now_s = random.Random(seed), asyncio.get_running_loop().time
    with tempfile.TemporaryDirectory(prefix="liqstream-chaos-") as folder:
        async with exchange_stack(tuple(DIALECTS), Path(folder)) as stack, stack.collect() as collecting:
            await asyncio.sleep(START_WITHIN_S)
            until_s = now_s() + for_s
            while now_s() < until_s:
                fault = stack.exchange.table.add(random_fault(chance))
                click.echo(
                    f"{now_s() - until_s + for_s:6.0f} s  {fault.exchange}:{fault.target}:{fault.kind}"
                )
                await asyncio.sleep(every_s)
            stack.exchange.table.clear()
            found: list[str] = []
            for _ in range(round(WINDOW_S + WELL_WITHIN_S)):
                found = [each for name in DIALECTS for each in await troubles(stack, collecting, name)]
                if not found:
                    break
                await asyncio.sleep(1.0)
            return found


@click.command()
@click.option("--for", "for_s", type=float, default=3600.0, help="Seconds of the market's time.")
@click.option("--every", "every_s", type=float, default=20.0, help="Seconds between faults.")
@click.option("--seed", type=int, help="Repeat an earlier run's faults.")
def main(for_s: float, every_s: float, seed: int | None) -> None:
    """Do random faults to four exchanges; exit code 0 if all of them are well in the end."""
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    be_quiet()
    wrong = run_virtually(run_chaos(for_s, every_s, seed))
    for line in wrong:
        click.echo(f"WRONG: {line}")
    click.echo(f"seed {seed}: {'not well' if wrong else 'all well'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
