"""The tracker: sizes that trades keep, states that confirm them, levels that move with the marks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqstream.positions.account_state import read_account_state
from liqstream.positions.accounts import AccountSource
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.positions.measured import levels_of
from liqstream.positions.tracker import KEPT_TRADES_MS, LATE_TRADES_MS, AccountTrade, Tracker
from tests.support.account_bodies import META, Held, address, body, level

ALICE, BOB = address(1), address(2)


def make_tracker() -> Tracker:
    """It follows BTC and ETH, with their trades from 1000 ms on."""
    tracker = Tracker(("BTC", "ETH"))
    tracker.coins.set_tables(read_margin_tables(META))
    tracker.coins.note_market("BTC", 60_000.0, 100.0)
    tracker.coins.note_market("ETH", 3000.0, 1000.0)
    tracker.coins.note_market("SOL", 150.0, 1000.0)
    tracker.coins.begin_trades(1000)
    return tracker


def read(
    tracker: Tracker, who: str, held: list[Held], time_ms: int, total_raw: float = 0.0, now_ms: int = 0
) -> bool:
    """Take in an answer as the exchange would give it at `time_ms`."""
    row = tracker.accounts.row(who, AccountSource.FILE, time_ms)
    assert row is not None
    answer = body(held, time_ms=time_ms, total_raw=total_raw)
    return tracker.apply_state(row, read_account_state(answer), now_ms or time_ms)


def trade(number: int, time_ms: int, size: float, buyer: str = ALICE, seller: str = BOB) -> AccountTrade:
    """A trade of BTC at 60,000."""
    return AccountTrade("BTC", 60_000.0, size, time_ms, number, buyer, seller)


def size_of(tracker: Tracker, who: str, coin: str = "BTC") -> float:
    """What is known of an account's position."""
    slot = tracker.positions.find(tracker.accounts.row_of[who], tracker.coins.number(coin))
    return 0.0 if slot is None else float(tracker.positions.size[slot])


def test_trades_keep_sizes_without_reading() -> None:
    """Of both sides, each id once, and of none that was never read."""
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 2.0, 60e3, 60e3, -60e3)], 2000)
    tracker.apply_trades([trade(1, 3000, 0.5), trade(1, 3000, 0.5), trade(2, 3100, 0.25, BOB, ALICE)])
    assert size_of(tracker, ALICE) == 2.25
    assert size_of(tracker, BOB) == 0
    assert tracker.counts.trades == 2
    tracker.apply_trades([trade(3, 3200, 9.0, ALICE, ALICE)])
    assert size_of(tracker, ALICE) == 2.25


def test_a_read_counts_trades_later_than_it_once() -> None:
    """Those before it are in it already, whichever comes first."""
    tracker = make_tracker()
    read(tracker, ALICE, [], 2000)
    tracker.apply_trades([trade(1, 3000, 1.0), trade(2, 5000, 1.0)])
    read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3)], 4000, now_ms=6000)
    assert size_of(tracker, ALICE) == 2
    assert tracker.counts.size_mismatches == 0
    tracker.apply_trades([trade(3, 3900, 7.0)])
    assert size_of(tracker, ALICE) == 2


def test_a_position_that_trades_have_closed_is_gone() -> None:
    """Decimal sizes leave no dust; what turns to the other side has no level until it is read."""
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 0.3, 60e3, 60e3, -9e3)], 2000)
    for number in range(3):
        tracker.apply_trades([trade(number, 3000 + number, 0.1, BOB, ALICE)])
    assert size_of(tracker, ALICE) == 0
    assert len(tracker.positions) == 0
    tracker.apply_trades([trade(9, 4000, 1.0, BOB, ALICE)])
    slot = tracker.positions.find(tracker.accounts.row_of[ALICE], tracker.coins.number("BTC"))
    assert slot is not None
    assert tracker.positions.size[slot] == -1
    assert np.isnan(tracker.positions.level[slot])
    assert tracker.accounts.held[tracker.accounts.row_of[ALICE]] == 1


def test_a_missed_trade_is_a_mismatch_that_the_read_heals() -> None:
    """Counted once; a coin whose trades are not followed is none."""
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3), Held("SOL", 5.0, 150.0, 150.0, -300.0)], 2000)
    read(tracker, ALICE, [Held("BTC", 1.5, 60e3, 60e3, -45e3), Held("SOL", 9.0, 150.0, 150.0, -600.0)], 3000)
    assert size_of(tracker, ALICE) == 1.5
    tracker.forget_old_trades(3000 + LATE_TRADES_MS - 1)
    assert tracker.counts.size_mismatches == 0
    tracker.forget_old_trades(3000 + LATE_TRADES_MS)
    assert tracker.counts.size_mismatches == 1
    read(tracker, ALICE, [], 14_000)
    tracker.forget_old_trades(14_000 + LATE_TRADES_MS)
    assert tracker.counts.size_mismatches == 2
    assert tracker.accounts.held[tracker.accounts.row_of[ALICE]] == 0


def test_a_trade_that_comes_after_the_state_that_knew_it_is_no_mismatch() -> None:
    """States may be ahead of the trades that have come; only what is between two states explains."""
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3)], 2000)
    read(tracker, ALICE, [Held("BTC", 1.75, 60e3, 60e3, -50e3)], 4000)
    tracker.apply_trades([trade(1, 3000, 0.5), trade(2, 3900, 0.25), trade(3, 1900, 9.0)])
    tracker.forget_old_trades(4000 + LATE_TRADES_MS)
    assert tracker.counts.size_mismatches == 0
    assert size_of(tracker, ALICE) == 1.75


def test_trades_that_explain_a_part_of_a_size_leave_a_mismatch() -> None:
    """Of .75 only .5 has come."""
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3)], 2000)
    read(tracker, ALICE, [Held("BTC", 1.75, 60e3, 60e3, -50e3)], 4000)
    tracker.apply_trades([trade(1, 3000, 0.5)])
    tracker.forget_old_trades(4000 + LATE_TRADES_MS)
    assert tracker.counts.size_mismatches == 1


def test_a_state_older_than_the_last_changes_nothing() -> None:
    """No read is counted either."""
    tracker = make_tracker()
    assert read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3)], 3000)
    assert not read(tracker, ALICE, [], 2000)
    assert size_of(tracker, ALICE) == 1
    assert tracker.counts.reads == 1


def test_a_vault_of_the_exchange_counts_and_has_no_level() -> None:
    """Neither the reported one nor one that is recomputed."""
    tracker = make_tracker()
    tracker.vaults = frozenset({ALICE})
    read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3), Held("ETH", -5.0, 3e3, 3e3)], 3000, total_raw=-20e3)
    tracker.refresh_levels(4000)
    found = levels_of(tracker, "BTC", 4000)
    assert found is not None
    assert found.size.tolist() == [1.0]
    assert np.isnan(found.level).all()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-20, 20).filter(bool), st.booleans()), max_size=30))
def test_reads_at_any_moment_agree_with_a_whole_record(steps: list[tuple[int, bool]]) -> None:
    """A true account, traded and read at random: never a mismatch, always its size."""
    tracker, held = make_tracker(), 0
    read(tracker, ALICE, [], 2000)
    for number, (size, is_read) in enumerate(steps):
        time_ms = 3000 + 10 * number
        held += size
        buyer, seller = (ALICE, BOB) if size > 0 else (BOB, ALICE)
        tracker.apply_trades([trade(number, time_ms, abs(size) / 10, buyer, seller)])
        if is_read:
            positions = [Held("BTC", held / 10, 60e3, 60e3, -held / 10 * 3e4)] if held else []
            read(tracker, ALICE, positions, time_ms + 5)
        assert size_of(tracker, ALICE) == pytest.approx(held / 10, abs=1e-9)
    tracker.forget_old_trades(10**9)
    assert tracker.counts.size_mismatches == 0


def test_cross_levels_follow_the_marks_of_all_their_coins() -> None:
    """As the exchange would report them at those marks."""
    tracker = make_tracker()
    held = [Held("BTC", 10.0, 60e3, 60e3), Held("ETH", -150.0, 3000.0, 3000.0)]
    read(tracker, ALICE, held, 2000, total_raw=-10e3)
    tracker.coins.note_market("BTC", 61_000.0, 100.0)
    tracker.coins.note_market("ETH", 3300.0, 1000.0)
    tracker.refresh_levels(9000)
    moved = [Held("BTC", 10.0, 60e3, 61e3), Held("ETH", -150.0, 3000.0, 3300.0)]
    for each, other in (moved, moved[::-1]):
        slot = tracker.positions.find(tracker.accounts.row_of[ALICE], tracker.coins.number(each.coin))
        assert slot is not None
        assert tracker.positions.level[slot] == pytest.approx(level(each, [other], -10e3), rel=1e-6)
        assert tracker.positions.checked_ms[slot] == 9000


@pytest.mark.parametrize("reason", ["hole", "traded", "unfollowed", "opaque"])
def test_what_does_not_confirm_a_level(reason: str) -> None:
    """Its age goes on from the last read: after a hole in trades, a trade of its own, beside a coin that is
    not followed, and of an account that is not understood."""
    tracker = make_tracker()
    held = [Held("BTC", 10.0, 60e3, 60e3)]
    if reason == "unfollowed":
        held.append(Held("SOL", 10.0, 150.0, 150.0))
    read(tracker, ALICE, held, 2000, total_raw=-10e3)
    row = tracker.accounts.row_of[ALICE]
    if reason == "hole":
        tracker.coins.end_trades()
        tracker.coins.begin_trades(3000)
    if reason == "traded":
        tracker.apply_trades([trade(1, 3000, 0.5)])
    tracker.accounts.is_opaque[row] = reason == "opaque"
    before = tracker.positions.level.copy()
    tracker.coins.note_market("BTC", 66_000.0, 100.0)
    tracker.refresh_levels(9000)
    slot = tracker.positions.find(row, tracker.coins.number("BTC"))
    assert slot is not None
    assert tracker.positions.checked_ms[slot] == 2000
    if reason in ("traded", "opaque"):
        assert tracker.positions.level[slot] == before[slot]


def test_what_is_kept_of_trades_is_given_up() -> None:
    """Half a minute later."""
    tracker = make_tracker()
    tracker.apply_trades([trade(1, 3000, 0.5)])
    tracker.forget_old_trades(4000)
    tracker.forget_old_trades(4000 + KEPT_TRADES_MS)
    assert len(tracker._recent) == 2
    tracker.forget_old_trades(4001 + KEPT_TRADES_MS)
    assert len(tracker._recent) == 0


@pytest.mark.parametrize("apart_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_is_off_loses_no_trade(apart_ms: int) -> None:
    """Theirs stamps trades and states, ours says how long a trade is kept: they may be an hour apart."""
    tracker, now_ms = make_tracker(), 10_000_000
    theirs = now_ms + apart_ms
    read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3)], theirs, now_ms=now_ms)
    tracker.apply_trades([trade(1, theirs + 2000, 0.5)])
    tracker.forget_old_trades(now_ms + 2500)
    # Asked for before the trade, answered after it.
    read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3)], theirs + 1000, now_ms=now_ms + 3000)
    assert size_of(tracker, ALICE) == 1.5
    tracker.forget_old_trades(now_ms + 60_000)
    assert tracker.counts.size_mismatches == 0


def test_a_state_of_a_time_to_come_keeps_no_later_one_out() -> None:
    """Those of an exchange whose clock is ahead stand in their own order all the same."""
    tracker, now_ms = make_tracker(), 10_000_000
    hours = 20 * 3_600_000
    assert read(tracker, ALICE, [Held("BTC", 9.0, 60e3, 60e3, -30e3)], now_ms + hours, now_ms=now_ms)
    assert read(tracker, ALICE, [Held("BTC", 1.0, 60e3, 60e3, -30e3)], now_ms + 5000, now_ms=now_ms + 5000)
    assert size_of(tracker, ALICE) == 1
    assert read(tracker, BOB, [Held("BTC", 2.0, 60e3, 60e3)], now_ms + hours, now_ms=now_ms)
    assert not read(tracker, BOB, [], now_ms + hours - 1000, now_ms=now_ms + 5000)
    assert size_of(tracker, BOB) == 2
