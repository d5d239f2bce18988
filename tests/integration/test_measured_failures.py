"""The reads of positions beside the feed of the same exchange, with one budget: failures stay apart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from liqstream.server.positions_setup import positions_report
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.support.measured_feed import Both, virtually
from tests.support.position_rig import PositionRig

pytestmark = pytest.mark.simulated

WHOLE_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Case:
    """A failure, which lasts 50 s; what is logged and what is told of it. `is_first`: it begins before the
    reads do, else `after_s`. `lasts`: it is told for longer."""

    begin: Callable[[PositionRig], None]
    event: str
    words: str
    is_first: bool = False
    lasts: bool = False
    after_s: float = 60.0


def _spoil(kind: FaultKind) -> Callable[[PositionRig], None]:
    def begin(rig: PositionRig) -> None:
        rig.exchange.table.add(Fault("hyperliquid", "clearinghouseState", kind, lasts_s=50.0))

    return begin


def _set(**faults: bool | int) -> Callable[[PositionRig], None]:
    """Set faults of the exchange; they are over after 50 s."""

    def begin(rig: PositionRig) -> None:
        rig.exchange.faults.set(faults)
        over = {name: type(value)() for name, value in faults.items()}
        asyncio.get_running_loop().call_later(50, rig.exchange.faults.set, over)

    return begin


def _cut_trades(rig: PositionRig) -> None:
    """Whatever socket asks for trades is cut."""

    def cut(left: int) -> None:
        rig.exchange.publisher.drop_channel("hyperliquid", "trades", "")
        if left:
            asyncio.get_running_loop().call_later(0.25, cut, left - 1)

    cut(200)


def _fill(rig: PositionRig) -> None:
    rig.collector.tracker.accounts.most = 300


UNREADABLE = "positions_unreadable"
CASES: dict[str, Case] = {
    "429": Case(_spoil(FaultKind.TOO_MANY), "positions_slowed_down", "429", lasts=True),
    "403": Case(_spoil(FaultKind.FORBIDDEN), "positions_ended", "403", lasts=True),
    "451": Case(_spoil(FaultKind.COUNTRY), "positions_ended", "451", lasts=True),
    "null": Case(_set(null_states=True), UNREADABLE, "no account's state"),
    "a list": Case(_spoil(FaultKind.EMPTY_LIST), UNREADABLE, "no account's state"),
    "sizes of 0": Case(_spoil(FaultKind.ZERO), UNREADABLE, "no account's state"),
    "not JSON": Case(_spoil(FaultKind.NOT_JSON), UNREADABLE, "not JSON"),
    "500": Case(_spoil(FaultKind.SERVER_ERROR), UNREADABLE, "answers 50"),
    "no answer": Case(_spoil(FaultKind.HANG), UNREADABLE, "accounts are not read"),
    "of times to come": Case(_spoil(FaultKind.WRONG_TIME), UNREADABLE, "no account's state"),
    "older than the last": Case(_set(skew_ms=-3_600_000), UNREADABLE, "older", after_s=150),
    "trades": Case(_cut_trades, "positions_socket_lost", "sizes age"),
    "no leaderboard": Case(
        _set(leaderboard_gone=True), "leaderboard_not_read", "404", is_first=True, lasts=True
    ),
    "half a leaderboard": Case(
        _set(leaderboard_cut_off=True), "leaderboard_not_read", "trades name", is_first=True, lasts=True
    ),
    "too many accounts": Case(_fill, "positions_accounts_full", "too many", is_first=True, lasts=True),
}


OFTEN = ("429", "403", "null", "trades", "no leaderboard", "too many accounts")
"""One of each row of the table of failures; the others are its variants."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.attack) for name in CASES]
)
def test_a_failure_of_the_reads_is_logged_once_and_stays_theirs(tmp_path: Path, name: str) -> None:
    """The feed is connected throughout, no position is closed by it, there is one line, /ready has the cause
    until it is over, and neither holds an address."""
    case = CASES[name]

    def begin(rig: PositionRig) -> None:
        if case.is_first:
            case.begin(rig)

    async def job(at: Both) -> None:
        collector = at.rig.collector
        await asyncio.sleep(case.after_s)
        held, disconnected, records = _held(at.rig), at.disconnected, at.records.total()
        complaints = sum(line["event"] == "feed trouble" for line in at.logs)
        if not case.is_first:
            case.begin(at.rig)
        await asyncio.sleep(40)
        told = str(positions_report(collector)["reason"])
        assert case.words in told
        await asyncio.sleep(60)
        assert at.disconnected == disconnected
        assert at.records.total() > records + 30
        assert held
        assert held & _true(at.rig) <= _held(at.rig)
        said = [line["event"] for line in at.logs if line["log_level"] in ("warning", "error")]
        # The feed complains at the start: the exchange's time is asked for with BTC, which is not listed.
        assert [event for event in said if event != "feed trouble"] == [case.event]
        assert said.count("feed trouble") == complaints
        assert not WHOLE_ADDRESS.search(f"{at.logs} {told}")
        assert ("reason" in positions_report(collector)) == case.lasts

    virtually(tmp_path, ("XRPUSDT",), job, begin)


def _held(rig: PositionRig) -> set[str]:
    """The accounts that are known to hold something."""
    accounts = rig.collector.tracker.accounts
    return {address for address, row in accounts.row_of.items() if accounts.held[row]}


def _true(rig: PositionRig) -> set[str]:
    """Those that really do."""
    return {each.address for each in rig.exchange.market.accounts.holdings("XRPUSDT", rig.now_ms())}
