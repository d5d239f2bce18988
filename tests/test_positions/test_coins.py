"""Coins by number."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.positions.coins import MOST_COINS, NEVER_MS, Coins
from liqstream.positions.margin_tables import read_margin_tables, table_of
from tests.support.account_bodies import META


def test_numbers_stay_and_tables_follow() -> None:
    """A coin met before its table gets it later; one without has the dearest rate."""
    coins = Coins({"BTC"})
    new = coins.number("NEW")
    coins.set_tables(read_margin_tables(META))
    assert coins.number("NEW") == new
    btc = coins.number("BTC")
    assert coins.margin.rate[btc].tolist() == [1 / 80, 1 / 40]
    assert coins.margin.rate[new].tolist() == [0.5, 0.5]
    assert coins.is_followed[btc]
    assert not coins.is_followed[new]


def test_marks_and_trades() -> None:
    """Unknown until they come; a hole in the trades begins a new record."""
    coins = Coins({"BTC", "ETH"})
    btc, eth = coins.number("BTC"), coins.number("ETH")
    assert np.isnan(coins.mark[btc])
    coins.note_market("BTC", 64_000.0, 21_000.0)
    assert coins.mark[btc] == 64_000
    coins.begin_trades(50)
    assert coins.unbroken_ms[eth] == 50
    coins.end_trades()
    assert set(coins.unbroken_ms.tolist()) == {NEVER_MS}
    coins.begin_trades(70, ["BTC"])
    assert coins.unbroken_ms[btc] == 70
    assert coins.unbroken_ms[eth] == NEVER_MS


def test_names_that_are_made_up_run_out() -> None:
    """An account's row and a coin's number make one key: beyond its room a coin would be another's."""
    coins = Coins(("BTC",))
    coins.set_tables({f"A{number}": table_of([(0.0, 5.0)]) for number in range(2 * MOST_COINS)})
    assert len(coins.names) == MOST_COINS
    coins.note_market("BTC", 60_000.0, 1.0)
    coins.note_market("NEW", 1.0, 1.0)
    assert not coins.has_room_for("NEW")
    assert coins.has_room_for("BTC")
    with pytest.raises(ValueError, match="no more than 4096 coins"):
        coins.number("NEW")
