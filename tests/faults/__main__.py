"""`make faults`: do every fault to a running fleet and hold it to its promises.

Exit code 0 if every expectation and invariant held.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import click

from tests.faults import moves, pairs  # noqa: F401  each adds its faults to the catalogue
from tests.faults.catalogue import FAULTS, Fault, Outcome, UnexpectedError, until_news, until_together
from tests.faults.checking_client import INTERVAL_S
from tests.faults.invariants import CONVERGE_S, Resources, integrity, isolation, order, p99_s
from tests.faults.stack import COLLECTING, LEASE_S, SYMBOLS, Stack, stack_of

SETTLE_S = 1.5
"""So long, at most, every client is waited for to have something new before the next fault."""


@click.command()
@click.option("--only", help="Names or families, comma-separated.")
@click.option("--repeat", type=click.IntRange(1), default=1, help="So many times over.")
@click.option("--seed", type=int, help="Repeat an earlier run's chances.")
@click.option("--short", is_flag=True, help="Faults of a few seconds.")
@click.option("--each-family", is_flag=True, help="One fault of each family, chosen by the seed.")
@click.option("--chaos", "chaos_s", type=float, default=0.0, help="Random faults for so many seconds.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Leave the logs there.")
@click.option("--list", "show", is_flag=True, help="Name the faults and end.")
def main(
    only: str | None,
    repeat: int,
    seed: int | None,
    short: bool,
    each_family: bool,
    chaos_s: float,
    keep: Path | None,
    show: bool,
) -> None:
    """Do faults to a fleet of three servers, Redis and nginx."""
    if show:
        for each in FAULTS:
            click.echo(f"{each.family:8} {each.name:26} {each.expected}")
        return
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    chosen = _chosen(only, random.Random(seed), each_family)
    click.echo(f"seed {seed}, {len(chosen)} faults")
    with tempfile.TemporaryDirectory(prefix="liqstream-faults-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        failed = asyncio.run(_run(chosen * repeat, folder, seed, short=short, chaos_s=chaos_s))
    if failed:
        click.echo(f"FAILED: {', '.join(failed)}; again with: python -m tests.faults --seed {seed}")
    sys.exit(1 if failed else 0)


def _chosen(only: str | None, chance: random.Random, each_family: bool) -> list[Fault]:
    names = only.split(",") if only else []
    chosen = [each for each in FAULTS if not names or each.name in names or each.family in names]
    if not chosen:
        raise click.ClickException(f"no such fault; one of {', '.join(each.name for each in FAULTS)}")
    if each_family:
        families = dict.fromkeys(each.family for each in chosen)
        chosen = [chance.choice([each for each in chosen if each.family == family]) for family in families]
    return chosen


async def _run(faults: list[Fault], folder: Path, seed: int, *, short: bool, chaos_s: float) -> list[str]:
    failed: list[str] = []
    _stop_what_was_started_on_sigterm()
    async with stack_of(folder, seed, short=short) as stack:
        until_s = time.monotonic() + chaos_s
        queue = iter(faults)
        while True:
            each = stack.random.choice(faults) if chaos_s else next(queue, None)
            if each is None or (chaos_s and time.monotonic() > until_s):
                return failed
            if not await _put_to(stack, each):
                failed.append(each.name)


def _stop_what_was_started_on_sigterm() -> None:
    current = asyncio.current_task()

    def cancel() -> None:
        if current is not None:
            current.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cancel)


async def _put_to(stack: Stack, each: Fault) -> bool:
    """Do one fault; says what was expected and what was seen. Returns whether all is well."""
    with suppress(TimeoutError):  # whoever is cut off now, the fault's own checks will find
        await until_news(stack, stack.watchers, SETTLE_S)
    stack.oracle.read()
    for watcher in stack.watchers:
        watcher.received = watcher.received[-20:]
    baseline_s = p99_s((r for w in stack.watchers for r in w.received), stack.oracle)
    resources, leader = Resources.of(stack), await stack.leader()
    began_s, wrong = time.time(), []
    outcome = Outcome("")
    try:
        outcome = await each.run(stack)
    except (UnexpectedError, TimeoutError, aiohttp.ClientError) as error:
        wrong.append(str(error) or type(error).__name__)
    cleared_s = time.time()
    wrong += await _converge(stack, CONVERGE_S + (LEASE_S if await stack.leader() != leader else 0))
    converged_s = time.time() - cleared_s
    wrong += await _isolation(stack, outcome, began_s, baseline_s)
    wrong += await _violations(stack)
    wrong += await _released(stack, resources, outcome)
    if not stack.short:
        wrong += await _restart(stack)
    click.echo(f"{'ok  ' if not wrong else 'FAIL'} {each.name:26} {time.time() - began_s:5.1f} s")
    click.echo(f"       expected: {each.expected}")
    click.echo(f"       observed: {outcome.observed or '-'}; converged after {converged_s:.2f} s")
    for line in dict.fromkeys(wrong[:12]):
        click.echo(f"       WRONG: {line}")
    return not wrong


async def _isolation(stack: Stack, outcome: Outcome, began_s: float, baseline_s: float) -> list[str]:
    """The isolation of what should not have been touched, over two intervals at least."""
    if not outcome.untouched:
        return []
    await asyncio.sleep(max(0.0, began_s + 2.5 * INTERVAL_S - time.time()))
    fault_s = (began_s, time.time())
    lag_s = max((lag for at_s, lag in stack.lags if at_s >= began_s), default=0.0)
    stack.oracle.read()
    untouched = stack.live(outcome.untouched)
    return isolation(untouched, stack.oracle, fault_s=fault_s, baseline_s=baseline_s, lag_s=lag_s)


async def _converge(stack: Stack, within_s: float) -> list[str]:
    """Every client holds something at least as new as the newest made when the fault cleared."""
    stack.oracle.read()
    newest = stack.oracle.newest(SYMBOLS)

    def behind() -> list[str]:
        return [
            f"{w.node} {w.kind} {w.symbol} holds {w.held}{'' if w.connected else ' (not connected)'}"
            for w in stack.watchers
            if not w.connected or w.held < newest[w.symbol]
        ]

    try:
        await stack.until_async(lambda: not behind(), "convergence", within_s)
    except TimeoutError as error:
        return [f"{error}: newest {newest}", *behind()]
    return []


async def _violations(stack: Stack) -> list[str]:
    await asyncio.sleep(0.2)
    stack.oracle.read()
    found = [*order(stack.watchers), *integrity(stack.watchers, stack.oracle), *stack.oracle.violations]
    found += stack.spied
    found += stack.movers.violations(stack.oracle)
    for watcher in stack.watchers:
        watcher.violations.clear()
    stack.oracle.violations.clear()
    stack.spied.clear()
    return found


async def _restart(stack: Stack) -> list[str]:
    """A server starts again on the store that the fault left it, and its clients come back to it."""
    node = stack.nodes[stack.random.choice(COLLECTING)]
    try:
        code = await node.stop()
        await node.start()
        await stack.until_async(lambda: all(w.connected for w in stack.live([node.name])), "clients back", 10)
        await until_news(stack, stack.live([node.name]), 5)
        await until_together(stack, 6)
    except (TimeoutError, AssertionError) as error:
        await node.kill()
        await node.start()  # or what comes next would be judged by this
        return [f"restart of {node.name}: {str(error) or type(error).__name__}"]
    return ([f"restart of {node.name}: ended with {code}"] if code else []) + await _violations(stack)


async def _released(stack: Stack, before: Resources, outcome: Outcome) -> list[str]:
    """Nothing of the fault is held any longer, within a minute."""
    found: list[str] = []

    def clean() -> bool:
        nonlocal found
        found = Resources.of(stack).beyond(before, outcome.restarted)
        return not found

    try:
        await stack.until_async(clean, "release", 5 if stack.short else 60)
    except TimeoutError:
        return found
    return []


if __name__ == "__main__":
    main()
