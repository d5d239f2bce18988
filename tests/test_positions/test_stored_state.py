"""A tracker to the store and back."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.positions.measured import coverage_of, levels_of
from liqstream.positions.stored_state import (
    WrittenState,
    changed_accounts,
    changed_positions,
    coin_of,
    restore,
    stored_cells,
    stored_coverage,
    symbol_of,
)
from liqstream.positions.tracker import Tracker
from liqstream.store.positions import CELL_WIDTH
from tests.support.account_bodies import Held, address
from tests.test_positions.test_tracker import ALICE, BOB, make_tracker, read, size_of, trade


def known() -> Tracker:
    """An isolated and a cross account."""
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 2.0, 60e3, 60e3, -60e3)], 2000)
    read(tracker, BOB, [Held("BTC", 1.0, 60e3, 60e3), Held("ETH", -5.0, 3e3, 3e3)], 3000, total_raw=-20e3)
    return tracker


def test_what_is_restored_is_what_was_kept() -> None:
    """Sizes, levels, ages; it is not written again, and not recomputed before it is read."""
    tracker = known()
    accounts = changed_accounts(tracker, 0)
    positions = changed_positions(tracker, {}, 5000)
    assert len(positions) == 3
    anew = make_tracker()
    written = restore(anew, accounts, positions)
    assert changed_positions(anew, written, 6000) == []
    for who in (ALICE, BOB):
        assert size_of(anew, who) == size_of(tracker, who)
        rows = [known.accounts.row_of[who] for known in (tracker, anew)]
        assert tracker.accounts.held[rows[0]] == anew.accounts.held[rows[1]]
        isolated, still = (
            {
                known.positions.coin[slot]: not np.isnan(known.positions.raw_usd[slot])
                for slot in known.positions.slots(row)
            }
            for known, row in zip((tracker, anew), rows, strict=True)
        )
        assert still == isolated
    before, after = levels_of(tracker, "BTC", 9000), levels_of(anew, "BTC", 9000)
    assert before is not None
    assert after is not None
    assert sorted(after.usd.tolist()) == pytest.approx(sorted(before.usd.tolist()))
    assert sorted(after.age_ms.tolist()) == [6000, 7000]
    anew.coins.note_market("ETH", 9000.0, 10.0)
    anew.coins.begin_trades(8000)
    anew.refresh_levels(9000)
    later = levels_of(anew, "BTC", 9000)
    assert later is not None
    assert later.usd.tolist() == after.usd.tolist()
    assert later.age_ms.tolist() == after.age_ms.tolist()


def test_an_age_goes_on_from_the_last_read_not_from_the_last_change() -> None:
    """What was read again and had not changed is as old as that read; a level that trades made doubtful is
    not younger for them, and one that moves with other positions is as old as its row."""
    tracker, written = known(), dict[tuple[str, str], WrittenState]()
    positions = changed_positions(tracker, written, 5000)
    read(tracker, ALICE, [Held("BTC", 2.0, 60e3, 60e3, -60e3)], 8000)
    read(tracker, BOB, [Held("BTC", 1.0, 60e3, 60e3), Held("ETH", -5.0, 3e3, 3e3)], 8000, total_raw=-20e3)
    assert changed_positions(tracker, written, 8500) == []

    def ages() -> dict[float, float]:
        anew = make_tracker()
        restore(anew, changed_accounts(tracker, 0), positions)
        found = levels_of(anew, "BTC", 20_000)
        assert found is not None
        return dict(zip(found.size.tolist(), found.age_ms.tolist(), strict=True))

    assert ages() == {2.0: 12_000, 1.0: 17_000}
    tracker.apply_trades([trade(1, 9000, 0.5, ALICE, address(9))])
    positions += changed_positions(tracker, written, 10_000)
    assert ages()[2.5] == 12_000


def test_only_changes_are_written() -> None:
    """A size that trades changed at that time, a closed position with size 0, nothing else."""
    tracker, written = known(), dict[tuple[str, str], WrittenState]()
    changed_positions(tracker, written, 5000)
    tracker.apply_trades([trade(1, 6000, 0.5, ALICE, address(9)), trade(2, 6000, 1.0, address(9), BOB)])
    found = {each.address: each for each in changed_positions(tracker, written, 7000)}
    assert (found[ALICE].size_base, found[ALICE].read_ms, found[ALICE].isolated) == (2.5, 7000, True)
    assert (found[BOB].size_base, found[BOB].symbol) == (0.0, "BTCUSDT")
    assert changed_positions(tracker, written, 8000) == []
    assert {each.address for each in changed_accounts(tracker, 6000)} == {ALICE, BOB, address(9)}


def test_a_level_that_moved_with_other_coins_is_no_change() -> None:
    """Ten times five minutes of a moving mark are no row; more collateral is one, for every position."""
    tracker, written = known(), dict[tuple[str, str], WrittenState]()
    tracker.coins.begin_trades(1000)
    changed_positions(tracker, written, 5000)
    slot = tracker.positions.find(tracker.accounts.row_of[BOB], tracker.coins.number("BTC"))
    assert slot is not None
    first = float(tracker.positions.level[slot])
    for number in range(1, 11):
        tracker.coins.note_market("ETH", 3000.0 + 10 * number, 1000.0)
        tracker.refresh_levels(5000 + number)
        assert changed_positions(tracker, written, 5000 + number) == []
    assert abs(tracker.positions.level[slot] / first - 1) > 1e-3
    more = [Held("BTC", 1.0, 60e3, 60e3), Held("ETH", -5.0, 3e3, 3e3)]
    read(tracker, BOB, more, 9000, total_raw=-19e3)
    assert {each.symbol for each in changed_positions(tracker, written, 9500)} == {"BTCUSDT", "ETHUSDT"}


def test_cells_and_coverage_as_they_are_stored() -> None:
    """Every drawn dollar in the cell of its price."""
    tracker = known()
    levels = levels_of(tracker, "BTC", 9000)
    assert levels is not None
    cells = stored_cells("BTCUSDT", levels, 9000)
    assert sum(each.long_usd for each in cells) == pytest.approx(np.nansum(levels.usd))
    for each in cells:
        inside = (np.log(levels.level) >= each.cell * CELL_WIDTH) & (
            np.log(levels.level) < (each.cell + 1) * CELL_WIDTH
        )
        assert levels.usd[inside].sum() == pytest.approx(each.long_usd)
    coverage = coverage_of(levels, 100.0)
    assert coverage is not None
    stored = stored_coverage("BTCUSDT", coverage, 100.0, 3, 9000)
    assert (stored.long_share, stored.short_share) == pytest.approx((0.03, 0.0))
    assert (symbol_of("BTC"), coin_of("BTCUSDT")) == ("BTCUSDT", "BTC")
