"""The table of positions, beside a plain dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liqstream.positions.position_table import PositionTable


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_it_holds_what_a_dictionary_would(steps: list[tuple[bool, int, int]]) -> None:
    """Opening what is open changes nothing; slots are used again, without what they held."""
    table, plain = PositionTable(), dict[tuple[int, int], int]()
    for number, (opens, account, coin) in enumerate(steps):
        if opens:
            slot = table.open(account, coin)
            if (account, coin) not in plain:
                assert table.size[slot] == 0
                assert np.isnan(table.level[slot])
            table.size[slot] = table.level[slot] = number + 1
            plain[account, coin] = number + 1
        elif (account, coin) in plain:
            held = table.find(account, coin)
            assert held is not None
            table.close(held)
            del plain[account, coin]
    assert len(table) == len(plain)
    for (account, coin), size in plain.items():
        found = table.find(account, coin)
        assert found is not None
        assert table.size[found] == size
    for account in range(6):
        coins = {int(table.coin[slot]) for slot in table.slots(account)}
        assert coins == {coin for holder, coin in plain if holder == account}
    assert table.is_open.sum() == len(plain)


def test_it_grows() -> None:
    """Slots keep their values."""
    table = PositionTable()
    for account in range(5000):
        slot = table.open(account, 1)
        table.size[slot] = account + 1
    assert table.is_open.sum() == 5000
    assert sorted(table.size[table.is_open].tolist()) == list(range(1, 5001))
