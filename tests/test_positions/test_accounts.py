"""The table of accounts: rows that stay, and room for the newest."""

from __future__ import annotations

from liqstream.positions.accounts import Accounts, AccountSource
from tests.support.account_bodies import address


def test_an_account_keeps_its_row() -> None:
    """However many come after it."""
    accounts = Accounts()
    rows = [accounts.row(address(number), AccountSource.TRADES, 5) for number in range(3000)]
    assert rows == list(range(3000))
    assert accounts.row(address(1234), AccountSource.FILE, 9) == 1234
    assert accounts.source[1234] == AccountSource.TRADES
    assert accounts.addresses[1234] == address(1234)
    assert len(accounts) == 3000


def test_the_least_seen_without_a_position_makes_room() -> None:
    """Those that hold something stay; who is dropped is counted, and is a stranger when it comes back."""
    accounts = Accounts(most=128)
    for number in range(128):
        accounts.row(address(number), AccountSource.TRADES, 1000 + number)
    accounts.held[0], accounts.read_ms[:] = 1, 7
    fresh = accounts.row(address(500), AccountSource.TRADES, 5000)
    assert fresh is not None
    assert address(0) in accounts.row_of
    assert address(1) not in accounts.row_of
    assert accounts.dropped == 2
    assert accounts.read_ms[fresh] == 0
    assert len(accounts) == 127


def test_where_every_account_holds_something_newcomers_are_turned_away() -> None:
    """And counted."""
    accounts = Accounts(most=64)
    for number in range(64):
        accounts.row(address(number), AccountSource.TRADES, 1)
    accounts.held[:] = 1
    assert accounts.row(address(99), AccountSource.TRADES, 2) is None
    assert accounts.dropped == 1


def test_accounts_by_state() -> None:
    """Never read, holding, empty, and the opaque among those read."""
    accounts = Accounts()
    for number in range(4):
        accounts.row(address(number), AccountSource.TRADES, 1)
    accounts.read_ms[:3] = 1
    accounts.held[:2] = 1
    accounts.is_opaque[1] = True
    assert accounts.by_state() == {"unread": 1, "holding": 2, "empty": 1, "opaque": 1}
