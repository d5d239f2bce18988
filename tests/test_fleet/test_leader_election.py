"""Who may lead, and when a leader makes room: by its own data's age and by who else is fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liqstream.fleet.leader_election import RESIGN_AFTER_SYNCS, LeaderElection
from liqstream.fleet.leader_lease import Demand, FleetState
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.store.market_store import MarketStore
from tests.support.fleet import SYMBOL, make_maps

LEASE_S, STALE_AFTER_S = 5.0, 20.0
FIT, UNFIT = Demand(frozenset(), 5, fit=True), Demand(frozenset(), 5, fit=False)


class Clock:
    """The loop's time, and what a test adds."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead_s


def state(*others: Demand, leader: str = "") -> FleetState:
    return FleetState(leader, 7 if leader else 0, others, {})


@pytest.fixture
async def maps(tmp_path: Path) -> AsyncIterator[LiveMaps]:
    """Maps whose data is of this moment."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    made = await make_maps(store)
    yield made
    made.close()
    await store.close()


def election_of(maps: LiveMaps | None, clock: Clock) -> LeaderElection:
    return LeaderElection(
        maps, (SYMBOL, "ETHUSDT"), lease_s=LEASE_S, stale_after_s=STALE_AFTER_S, clock_s=clock
    )


async def test_a_server_without_maps_never_leads() -> None:
    """However long nobody else does."""
    clock = Clock()
    election = election_of(None, clock)
    clock.ahead_s = 1000
    assert not election.is_fit()
    assert not election.may_lead()


async def test_fresh_data_makes_a_server_fit(maps: LiveMaps) -> None:
    """Until its newest is half a stale time old."""
    clock = Clock()
    election = election_of(maps, clock)
    assert election.is_fit()
    assert election.may_lead()
    clock.ahead_s = STALE_AFTER_S / 2 - 1
    assert election.is_fit()
    clock.ahead_s = STALE_AFTER_S / 2 + 1
    assert not election.is_fit()


async def test_an_unfit_server_leads_once_nobody_has_for_a_lease_time(maps: LiveMaps) -> None:
    """A leader that is seen starts that time again."""
    clock = Clock()
    election = election_of(maps, clock)
    clock.ahead_s = STALE_AFTER_S
    election.observe(state(leader="other"))
    assert election.leaderless_s() < 1
    assert not election.may_lead()
    clock.ahead_s += LEASE_S - 1
    election.observe(state())
    assert not election.may_lead()
    clock.ahead_s += 2
    assert election.may_lead()


async def test_an_unfit_leader_resigns_where_another_is_fit(maps: LiveMaps) -> None:
    """After some syncs in a row, then for a lease time; one without a fit server starts the count again."""
    clock = Clock()
    election = election_of(maps, clock)
    for _ in range(RESIGN_AFTER_SYNCS):
        election.observe(state(FIT, leader="me"))
    assert not election.should_resign(), "it is fit itself"
    clock.ahead_s = STALE_AFTER_S
    for other in (FIT, FIT, UNFIT, FIT, FIT):
        election.observe(state(other, leader="me"))
        assert not election.should_resign()
    election.observe(state(UNFIT, FIT, leader="me"))
    assert election.should_resign()
    election.resign()
    clock.ahead_s += LEASE_S - 1
    assert not election.may_lead()
    clock.ahead_s += 2
    assert election.may_lead()
