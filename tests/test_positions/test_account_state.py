"""States of accounts: read strictly, recomputed to the reported levels, and told apart where they are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqstream.positions.account_state import is_opaque, read_account_state, recomputed_levels
from liqstream.positions.margin_tables import read_margin_tables, table_of
from tests.support.account_bodies import META, TIERS, Held, body

TABLES = read_margin_tables(META)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-3, 3).filter(lambda share: abs(share) > 0.05), min_size=3, max_size=3),
    st.floats(0.05, 0.6),
)
def test_three_cross_positions_are_recomputed_to_the_reported_levels(
    shares: list[float], equity: float
) -> None:
    """Within 1 bp, from the marks of the same answer; the margins add up to what the account uses."""
    marks = {"BTC": 64_000.0, "ETH": 3100.0, "SOL": 140.0}
    held = [
        Held(coin, share * 40e6 / mark, mark * 1.01, mark)
        for (coin, mark), share in zip(marks.items(), shares, strict=True)
    ]
    notional = sum(abs(each.size) * each.mark for each in held)
    total_raw = equity * notional - sum(each.size * each.mark for each in held)
    state = read_account_state(body(held, time_ms=1, total_raw=total_raw))
    for own, position in zip(recomputed_levels(state, TABLES), state.positions, strict=True):
        assert (own is None) == (position.level is None)
        assert own is None or own == pytest.approx(position.level, rel=1e-4)
    used = sum(table_of(TIERS[p.coin]).margin(abs(p.size) * p.mark) for p in state.positions)
    assert used == pytest.approx(state.maintenance_usd)
    assert not is_opaque(state, TABLES)


def test_isolated_and_cross_beside_each_other() -> None:
    """The isolated one stands alone, and does not move the cross one."""
    held = [Held("BTC", 2.0, 60e3, 61e3, raw_usd=-110e3), Held("ETH", -100.0, 3e3, 3100.0)]
    state = read_account_state(body(held, time_ms=5, total_raw=400e3))
    assert not is_opaque(state, TABLES)
    assert [position.raw_usd for position in state.positions] == [-110e3, None]


def test_an_account_that_is_not_understood_is_opaque() -> None:
    """Its level counts collateral that the state does not show, or its coin has no table."""
    answer = body([Held("BTC", 2.0, 60e3, 61e3)], time_ms=5, total_raw=-110e3)
    assert not is_opaque(read_account_state(answer), TABLES)
    answer["assetPositions"][0]["position"]["liquidationPx"] = "50000"
    assert is_opaque(read_account_state(answer), TABLES)
    answer["assetPositions"][0]["position"]["liquidationPx"] = None
    assert is_opaque(read_account_state(answer), TABLES)
    assert is_opaque(read_account_state(answer), {})


def _broken() -> list[Any]:
    def answer() -> dict[str, Any]:
        return body([Held("BTC", 2.0, 60e3, 61e3)], time_ms=5, total_raw=-110e3)

    cases: list[Any] = [None, {}, [], {**answer(), "time": 0}, {**answer(), "crossMarginSummary": None}]
    for name, value in (("szi", "0"), ("szi", "nan"), ("positionValue", "-1"), ("entryPx", None)):
        case = answer()
        case["assetPositions"][0]["position"][name] = value
        cases.append(case)
    for name, value in (("szi", "1e200"), ("positionValue", "1e300"), ("entryPx", "0"), ("entryPx", "-1")):
        case = answer()
        case["assetPositions"][0]["position"][name] = value
        cases.append(case)
    twice = answer()
    twice["assetPositions"] *= 2
    return [*cases, twice]


@pytest.mark.parametrize("answer", _broken())
def test_what_is_no_state(answer: Any) -> None:
    """It is refused as a whole: an error never closes a position."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_account_state(answer)


@pytest.mark.parametrize("reported", ["0", "-12.5", "1e16"])
def test_a_reported_level_that_no_price_reaches_is_none(reported: str) -> None:
    """As null means it: the account is understood where its own rules give none either."""
    answer = body([Held("BTC", 2.0, 60e3, 61e3)], time_ms=5, total_raw=1e6)
    assert answer["assetPositions"][0]["position"]["liquidationPx"] is None
    answer["assetPositions"][0]["position"]["liquidationPx"] = reported
    state = read_account_state(answer)
    assert state.positions[0].level is None
    assert not is_opaque(state, TABLES)


def test_an_empty_account() -> None:
    """It holds nothing, which is a valid answer."""
    state = read_account_state(body([], time_ms=5))
    assert state.positions == ()
    assert recomputed_levels(state, TABLES) == []
    assert not is_opaque(state, TABLES)
