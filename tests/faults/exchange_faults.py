"""One cell of the matrix, done to a running pair of exchanges, and what must hold during and after it."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from liqstream.feeds.feed import FeedStatus
from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.faults.exchange_cells import LASTING_S, Cell
from tests.faults.exchange_stack import Collecting, ExchangeStack, exchange_stack
from tests.support.exchange_rig import SYMBOLS
from tests.support.virtual_clock import run_virtually

WELL_WITHIN_S = 60.0
"""After the fault, or after the pause the exchange states, everything is well again."""
START_WITHIN_S = 150.0
OUTAGE_S, MISSING_AFTER_S = 130.0, 65.0
"""Without sockets for so long; after the second a bar is missing, and history is asked for."""
BACK_WITHIN_S = 60.0
"""Sockets that were cut are back, and what was said of them is gone."""
BY_REST = "come by REST: the channel is mute"
"""A note of channels, no cause of what is done to history."""
QUIET_S = 20.0
"""A live channel says something more often."""
MOST_PAUSE_S = 5.0
"""The undisturbed exchange is never silent for longer."""
LIKE, LIKE_OTHERS, LIKE_OPEN_INTEREST = 0.02, 0.2, 1e-4
"""How far two maps of one market may be apart: before and after a restart, those of two exchanges (both of
their total), and of the market's open interest."""
WITHOUT_HISTORY = frozenset(["hyperliquid", "bitget", "aster", "lighter"])
"""Exchanges without a history of open interest: their maps begin with the feed."""
ALIKE = frozenset(["binance", "bybit"])
"""Exchanges whose maps of one market are the same; OKX tells its past liquidations too."""
EXPECTED_FLAGS = frozenset(["warming_up", "calibrating", "out_of_order", "price_jump"])
STEP_S = 1.0
MOST_CPU_S = 120.0
"""A cell takes a twentieth of it, or something asks again without a wait."""


class EndlessWorkError(Exception):
    """Virtual time stood still."""


@dataclass(slots=True)
class Report:
    """What was seen of a cell. `wrong` is empty if all held; `well_s` is how long after the fault (and its
    pause) everything was well."""

    cell: Cell
    wrong: list[str] = field(default_factory=list)
    causes: dict[str, None] = field(default_factory=dict)
    hits: int = 0
    well_s: float = 0.0


def other_of(name: str) -> str:
    """The exchange that runs beside one; it has a history of open interest to compare with."""
    return "bybit" if name == "binance" else "binance"


def run_cell(cell: Cell) -> Report:
    """Do it, on an own market and store, in virtual time."""
    report = Report(cell)
    try:
        run_virtually(within_cpu(_run(cell, report), MOST_CPU_S))
    except Exception as error:  # noqa: BLE001  # whatever ends a feed would have ended the server
        report.wrong.append(f"ended by {error!r}")
    return report


async def within_cpu(job: Coroutine[Any, Any, None], most_s: float) -> None:
    """Virtual time stands still while something asks again and again without a wait: end it after so long.

    For the main thread. Raises EndlessWorkError.
    """
    loop, running = asyncio.get_running_loop(), asyncio.ensure_future(job)
    loop.add_signal_handler(signal.SIGPROF, running.cancel)
    signal.setitimer(signal.ITIMER_PROF, most_s)
    try:
        await asyncio.wait({running})
        if running.cancelled():
            raise EndlessWorkError(f"more than {most_s:.0f} s of the processor: something never waits")
        running.result()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        loop.remove_signal_handler(signal.SIGPROF)


async def _run(cell: Cell, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="liqstream-cell-") as folder:
        names, marked = (cell.exchange, other_of(cell.exchange)), cell.kind is not FaultKind.WRONG_TIME
        async with exchange_stack(names, Path(folder), marked=marked) as stack:
            fault = cell.fault()
            if cell.phase == "starting":
                stack.exchange.table.add(fault)
            async with stack.collect(brackets=cell.is_of_brackets) as collecting:
                if cell.phase == "running":
                    await _until(lambda: troubles(stack, collecting, cell.exchange), START_WITHIN_S, report)
                    await _begin(cell, stack, fault)
                await _watch(stack, collecting, fault, report)
                await _become_well(stack, collecting, report)
                report.wrong += _other_troubles(collecting, other_of(cell.exchange))
                if not report.wrong:
                    async with stack.collect(brackets=cell.is_of_brackets) as anew:
                        await _compare(stack, collecting, anew, report)


async def _begin(cell: Cell, stack: ExchangeStack, fault: Fault) -> None:
    """Put the fault in force; where only missing bars make a feed ask, make some go missing."""
    if cell.is_history:
        for channel in DIALECTS[cell.exchange].channels:
            stack.exchange.table.add(Fault(cell.exchange, channel, FaultKind.REFUSED, lasts_s=OUTAGE_S))
        await asyncio.sleep(MISSING_AFTER_S)
    stack.exchange.table.add(fault)
    if not cell.is_channel and not cell.is_history:
        _cut_sockets(cell.exchange, stack)


def _cut_sockets(exchange: str, stack: ExchangeStack) -> None:
    for channel in DIALECTS[exchange].channels:
        stack.exchange.publisher.drop_channel(exchange, channel, "")


async def _watch(stack: ExchangeStack, collecting: Collecting, fault: Fault, report: Report) -> None:
    """As long as the fault is in force, note what is said of it."""
    now_s = asyncio.get_running_loop().time
    until_s = fault.since_s + (LASTING_S if report.cell.duration == "once" else report.cell.lasts_s)
    # What is said of sockets that were cut to make bars go missing is no cause of what is done to history.
    is_cut = report.cell.is_history and report.cell.phase == "running"
    back_s = fault.since_s + (OUTAGE_S - MISSING_AFTER_S + BACK_WITHIN_S if is_cut else 0.0)
    while now_s() < until_s:
        if report.cell.duration == "once" and fault.hits and not stack.exchange.table.is_active(fault):
            break
        await asyncio.sleep(STEP_S)
        status = collecting.feeds[report.cell.exchange].status
        _note_status(status, report, are_cut=now_s() < back_s)
        report.wrong += stack.wrong_brackets(collecting, report.cell.exchange)
    stack.exchange.table.clear()
    await _note_causes(stack, collecting, report)
    report.hits = fault.hits
    if fault.hits > fault.unspoilt and report.cell.has_to_show and not report.causes:
        report.wrong.append("neither status nor flags show a cause")
    if not fault.hits and not report.cell.may_be_missed:
        report.wrong.append("the fault was never met")


async def _note_causes(stack: ExchangeStack, collecting: Collecting, report: Report) -> None:
    _note_status(collecting.feeds[report.cell.exchange].status, report)
    for flag in sorted(await stack.flags(collecting, report.cell.exchange) - EXPECTED_FLAGS):
        report.causes[f"flag {flag}"] = None


def _note_status(status: FeedStatus, report: Report, *, are_cut: bool = False) -> None:
    """Note what a status says; of errors and notes nothing while sockets `are_cut`."""
    if status.bad_messages or status.lost_items:
        report.causes["bad messages or items"] = None
    if status.last_refusal:
        report.causes[f"refused: {status.last_refusal}"] = None
    for question in status.unproven.values():
        if "not found there" in question or "with none of those before" in question:
            report.causes[question] = None
    if are_cut:
        return
    if status.last_error:
        report.causes[status.last_error] = None
    notes = [each for each in status.note.split("; ") if not (report.cell.is_history and BY_REST in each)]
    if notes and notes[0]:
        report.causes[f"note: {notes[0]}"] = None


async def _become_well(stack: ExchangeStack, collecting: Collecting, report: Report) -> None:
    cell = report.cell
    taken_s = await _until(
        lambda: _own_troubles(stack, collecting, cell), cell.pause_s + WELL_WITHIN_S, report
    )
    report.well_s = max(0.0, taken_s - cell.pause_s)


async def _own_troubles(stack: ExchangeStack, collecting: Collecting, cell: Cell) -> list[str]:
    found = await troubles(stack, collecting, cell.exchange)
    if not found and cell.is_of_brackets:
        found = stack.wrong_brackets(collecting, cell.exchange)
        if stack.lacks_brackets(collecting, cell.exchange):
            found.append("own brackets not in use")
        if "margin brackets" in collecting.feeds[cell.exchange].status.note:
            found.append("still a note of brackets")
    return found


def describe(report: Report) -> list[str]:
    """A cell as it is printed: one line if all held, one more for each thing that did not."""
    causes = "; ".join(list(report.causes)[:2])[:150] or "-"
    verdict = "FAIL" if report.wrong else "ok  " if report.hits else "miss"
    return [
        f"{verdict} {report.cell.name:70} hits {report.hits:4}, well after {report.well_s:5.1f} s; {causes}",
        *(f"       WRONG: {line}" for line in dict.fromkeys(report.wrong)),
    ]


async def _until(wrongs: Callable[[], Awaitable[list[str]]], within_s: float, report: Report) -> float:
    """Wait until nothing is wrong; what still is when the time is up is reported. Returns the seconds."""
    now_s = asyncio.get_running_loop().time
    began_s = now_s()
    while found := await wrongs():
        if now_s() - began_s > within_s:
            report.wrong += [f"not well after {within_s:.0f} s: {trouble}" for trouble in found]
            break
        await asyncio.sleep(STEP_S)
    return now_s() - began_s


async def troubles(stack: ExchangeStack, collecting: Collecting, name: str) -> list[str]:
    """What keeps an exchange from being well; the store is looked at only when all else is."""
    status, now_s = collecting.feeds[name].status, asyncio.get_running_loop().time()
    found = []
    if not status.connected:
        found.append("not connected")
    if status.last_error:
        found.append(f"last_error {status.last_error!r}")
    for symbol in SYMBOLS:
        for kind in ("Candle", "MarkPrice", "OpenInterest"):
            at_s = collecting.heard_s.get((name, symbol, kind))
            if at_s is None or now_s - at_s > QUIET_S:
                found.append(f"no {kind} of {symbol}")
    found = found or await stack.gaps(name)
    if not found:
        unexpected = await stack.flags(collecting, name) - EXPECTED_FLAGS
        found += [f"flag {flag}" for flag in sorted(unexpected)]
    return found


def _other_troubles(collecting: Collecting, other: str) -> list[str]:
    """What the undisturbed exchange has noticed."""
    status = collecting.feeds[other].status
    found = []
    if status.reconnects or status.bad_messages or status.last_error:
        found.append(
            f"{other}: {status.reconnects} reconnects, {status.bad_messages} bad messages,"
            f" {status.last_error!r}"
        )
    pause_s = collecting.pause_s.get(other, float("inf"))
    if pause_s > MOST_PAUSE_S:
        found.append(f"{other}: silent for {pause_s:.1f} s")
    return found


async def _compare(stack: ExchangeStack, collecting: Collecting, anew: Collecting, report: Report) -> None:
    """Feeds and maps started on the same store show what the running ones show; so do both exchanges."""

    async def differences() -> list[str]:
        found = [each for name in stack.names for each in await troubles(stack, anew, name)]
        for symbol in SYMBOLS if not found else ():
            price = stack.exchange.market.price(symbol, stack.now_ms)
            slack = LIKE_OPEN_INTEREST * price * stack.exchange.market.open_interest(symbol, stack.now_ms)
            shown = {
                (when, name): float(np.sum((await stack.levels(each, name, symbol))[:, 1:]))
                for when, each in (("before", collecting), ("restarted", anew))
                for name in stack.names
            }
            spans = [(min(totals), max(totals), like) for totals, like in _comparable(shown)]
            if any(not low or high - low > like * high + slack for low, high, like in spans):
                found.append(f"{symbol}: maps differ in USD: {shown}")
        return found

    await _until(differences, START_WITHIN_S, report)


def _comparable(shown: dict[tuple[str, str], float]) -> list[tuple[list[float], float]]:
    """Totals that have to be alike, and how much: after a restart, and of exchanges that tell the same."""
    groups: dict[str, list[float]] = {}
    for (_, name), total in shown.items():
        if name not in WITHOUT_HISTORY:
            groups.setdefault(name, []).append(total)
        if name in ALIKE:
            groups.setdefault("", []).append(total)
    return [(totals, LIKE if name else LIKE_OTHERS) for name, totals in groups.items()]
