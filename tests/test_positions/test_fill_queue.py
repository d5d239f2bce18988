"""Whose fills are asked for: forced trades of known accounts, and vaults; one answer for each."""

from __future__ import annotations

from liqstream.positions.account_state import read_account_state
from liqstream.positions.accounts import AccountSource
from liqstream.positions.fill_queue import AFTER_MS, MOST_WAITING, VAULT_AFTER_MS, FillQueue
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.positions.tracker import AccountTrade, Tracker
from tests.support.account_bodies import META, Held, address, body

LONG, MAKER, VAULT = address(1), address(2), address(3)


def make_queue() -> tuple[FillQueue, float]:
    """Of a tracker with one long of 2 BTC, whose level comes with it."""
    tracker = Tracker(("BTC",))
    tracker.coins.set_tables(read_margin_tables(META))
    row = tracker.accounts.row(LONG, AccountSource.FILE, 1000)
    assert row is not None
    answer = body([Held("BTC", 2.0, 60e3, 60e3, -110e3)], time_ms=1000)
    tracker.apply_state(row, read_account_state(answer), 1000)
    slot = tracker.positions.find(row, tracker.coins.number("BTC"))
    assert slot is not None
    return FillQueue(tracker, frozenset({VAULT})), float(tracker.positions.level[slot])


def sold(price: float, time_ms: int = 5000, *, is_buy: bool = False) -> AccountTrade:
    """The long sells to a maker; with `is_buy` the maker is the aggressor."""
    return AccountTrade("BTC", price, 1.0, time_ms, 1, MAKER, LONG, is_buy)


def test_an_aggressor_that_shrinks_at_its_level_is_asked_once() -> None:
    """After half a minute, for all since it was read; further trades change nothing meanwhile."""
    queue, level = make_queue()
    queue.take_trades([sold(level), sold(level * 0.99, 5100)])
    assert len(queue) == 1
    assert queue.due(5000 + AFTER_MS - 1) is None
    assert queue.due(5000 + AFTER_MS) == (LONG, 1000)
    assert queue.due(10**9) is None


def test_trades_that_are_not_forced() -> None:
    """Far from the level, by another's order, that grow the position, or of somebody who is not known."""
    queue, level = make_queue()
    grown = AccountTrade("BTC", level, 1.0, 5000, 1, LONG, MAKER, is_buy=True)
    stranger = AccountTrade("BTC", level, 1.0, 5000, 2, LONG, MAKER, is_buy=False)
    queue.take_trades([sold(level * 1.05), sold(level, is_buy=True), grown, stranger])
    assert len(queue) == 0


def test_a_vault_is_asked_for_what_it_took_over() -> None:
    """From the moment it was met, after two minutes."""
    queue, _ = make_queue()
    queue.take_trades([AccountTrade("BTC", 50e3, 1.0, 5000, 1, VAULT, LONG, is_buy=False)])
    assert queue.due(5000 + VAULT_AFTER_MS) == (VAULT, 4999)


def test_more_than_can_be_asked_are_counted() -> None:
    """The oldest are dropped."""
    queue, _ = make_queue()
    for number in range(MOST_WAITING + 3):
        queue.again(address(number + 10), 1, 0)
    assert (len(queue), queue.dropped) == (MOST_WAITING, 3)
    assert queue.due(1) == (address(13), 0)
