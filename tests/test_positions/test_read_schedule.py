"""The schedule of reads: what is worth most first, deadlines that stretch together, and a share for the
unread."""

from __future__ import annotations

import numpy as np
import pytest

from bench import bench_positions
from liqstream.positions.account_state import AccountState, PositionState
from liqstream.positions.accounts import AccountSource
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.positions.read_schedule import ReadSchedule, chance_of_change
from liqstream.positions.tracker import Tracker
from tests.support.account_bodies import META, address

NOW_MS = 10_000_000


def tracker_with(positions: list[tuple[float, float]], read_ms: int = NOW_MS) -> Tracker:
    """Accounts with one isolated position of BTC each: (USD, less than 0 for a short; distance of its level);
    the mark is 100."""
    tracker = Tracker(("BTC",))
    tracker.coins.set_tables(read_margin_tables(META))
    tracker.coins.note_market("BTC", 100.0, 1e6)
    for number, (usd, distance) in enumerate(positions):
        row = tracker.accounts.row(address(number), AccountSource.FILE, read_ms)
        assert row is not None
        level = 100 * (1 - distance * np.sign(usd))
        position = PositionState("BTC", usd / 100, 100.0, 100.0, level, 10.0, -0.5 * usd)
        tracker.apply_state(row, AccountState(read_ms, 0.0, 0.0, 0.0, (position,)), read_ms)
    return tracker


def due_within(tracker: Tracker, schedule: ReadSchedule, seconds: float) -> list[int]:
    """The rows that are read if one looks so long after NOW_MS, in their sequence."""
    found = []
    now_ms = NOW_MS + round(seconds * 1000)
    schedule.next_account(NOW_MS)  # a whole pass
    while (row := schedule.next_account(now_ms)) is not None:
        found.append(row)
    return found


@pytest.mark.parametrize("usd", [1e6, -1e6], ids=["long", "short"])
def test_deadlines_by_the_distance_of_the_level(usd: float) -> None:
    """1 % 30 s, 5 % 2 min, 10 % 10 min, farther 2 h, below the floor a day; touched like the nearest."""
    distances = [0.005, 0.03, 0.08, 0.3, -0.01]
    tracker = tracker_with([*((usd, distance) for distance in distances), (500.0, 0.03)])
    for seconds, expected in (
        (29, set()),
        (31, {0, 4}),
        (121, {0, 1, 4}),
        (601, {0, 1, 2, 4}),
        (7201, {0, 1, 2, 3, 4}),
        (86_401, {0, 1, 2, 3, 4, 5}),
    ):
        schedule = ReadSchedule(tracker, weight_per_minute=np.inf)
        assert set(due_within(tracker, schedule, seconds)) == expected, seconds


def test_the_most_valuable_is_first() -> None:
    """By notional, nearness and chance of change together; the same account is not asked twice at once."""
    tracker = tracker_with([(1e5, 0.005), (1e7, 0.03), (1e5, 0.015)])
    schedule = ReadSchedule(tracker, weight_per_minute=np.inf)
    assert due_within(tracker, schedule, 200) == [1, 0, 2]
    schedule.answered(1, NOW_MS + 210_000)
    assert schedule.next_account(NOW_MS + 200_000) is None
    assert schedule.next_account(NOW_MS + 210_000) == 1


def test_a_trade_makes_a_read_due() -> None:
    """Two minutes for what counts, an hour for the rest, however far its level is."""
    tracker = tracker_with([(1e6, 0.3), (500.0, 0.3)])
    tracker.accounts.is_dirty[:2] = True
    schedule = ReadSchedule(tracker, weight_per_minute=np.inf)
    assert due_within(tracker, schedule, 121) == [0]
    assert schedule.next_account(NOW_MS + 3_601_000) == 1


def test_deadlines_stretch_by_one_factor() -> None:
    """That at which the due reads fit into the budget: 600 accounts each 30 s are 2,400 a minute."""
    tracker = tracker_with([(1e6, 0.005)] * 600)
    schedule = ReadSchedule(tracker, weight_per_minute=800)
    schedule.next_account(NOW_MS)
    assert schedule.factor == pytest.approx(3.0)
    assert schedule.next_account(NOW_MS + 89_000) is None
    assert schedule.next_account(NOW_MS + 91_000) is not None
    assert schedule.age_factor(0, NOW_MS + 45_000) == pytest.approx(0.5)
    roomy = ReadSchedule(tracker, weight_per_minute=np.inf)
    roomy.next_account(NOW_MS)
    assert roomy.factor == 1


def test_the_unread_have_their_share_until_there_are_none() -> None:
    """30 % while due reads compete, the largest first, and everything that is left over."""
    tracker = tracker_with([(1e6, 0.005)] * 400)
    for number in range(400, 700):
        row = tracker.accounts.row(address(number), AccountSource.TRADES, NOW_MS)
        assert row is not None
        tracker.accounts.traded_usd[row] = number
    schedule = ReadSchedule(tracker, weight_per_minute=800)
    schedule.next_account(NOW_MS)
    later = NOW_MS + 10_000_000
    found = [schedule.next_account(later) for _ in range(300)]
    unread = [row for row in found if row is not None and row >= 400]
    assert 0.27 < len(unread) / len(found) < 0.33
    assert unread[:3] == [698, 697, 696] or unread[0] == 699
    assert unread == sorted(unread, reverse=True)


def test_a_leaderboard_of_nonsense_keeps_no_trader_waiting() -> None:
    """Every second unread account is one that has traded, whatever the others are said to hold."""
    tracker = Tracker(("BTC",))
    for number in range(200):
        source = AccountSource.TRADES if number < 20 else AccountSource.LEADERBOARD
        row = tracker.accounts.row(address(number), source, NOW_MS)
        assert row is not None
        tracker.accounts.traded_usd[row] = 100.0 * (number < 20)
        tracker.accounts.value_usd[row] = 1e12 * (number >= 20)
    schedule = ReadSchedule(tracker, weight_per_minute=800)
    found = [schedule.next_account(NOW_MS) for _ in range(40)]
    assert sum(row is not None and row < 20 for row in found) == 20


def test_nothing_is_due_of_nobody() -> None:
    """An empty tracker waits."""
    assert ReadSchedule(Tracker(("BTC",)), weight_per_minute=800).next_account(NOW_MS) is None


def test_the_chance_of_change_is_as_measured() -> None:
    """Of BTC's USD 3.2 % after 15 min, 8.3 % after 1 h, 18 % after 4 h, 45 % after a day."""
    hours = np.array([0.25, 1.0, 4.0, 24.0])
    assert chance_of_change(hours * 3600) == pytest.approx([0.032, 0.083, 0.18, 0.45], abs=0.015)


@pytest.mark.attack
def test_a_step_and_the_memory_of_a_hundred_thousand_accounts() -> None:
    """Below a millisecond and 100 MB, and 500 trades a second below a twentieth of a core."""
    assert bench_positions.main() == 0
