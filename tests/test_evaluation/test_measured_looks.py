"""liqstream/evaluation/measured_looks.py: what is measured by distance, and what a map puts there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.evaluation.measured_looks import (
    CELLS,
    LONG,
    MAP,
    MOST_OF_SIDE,
    ROWS,
    SHORT,
    MeasuredLook,
    estimates_at,
    is_judged,
    measured_shares,
    mixed,
)
from liqstream.market import DAY_MS, HOUR_MS
from liqstream.model.kernel import tiered
from tests.support.measured_days import Look, measured_days
from tests.support.realised import aligned_bars

MARK = 60_000.0


def look_of(outward: list[float], usd: list[float], coverage: float = 0.5, side: int = LONG) -> MeasuredLook:
    """Positions of one side, so far (log) beyond the mark."""
    sign = 1.0 if side == SHORT else -1.0
    level = MARK * np.exp(sign * np.array(outward))
    is_long = np.full(len(outward), side == LONG)
    return MeasuredLook(0, MARK, (coverage, coverage), is_long, level, np.array(usd))


def of_file(look: Look) -> MeasuredLook:
    """A published look: it tells the coverage of both sides together."""
    coverage = look.tracked_usd / (2 * look.open_interest_usd)
    usd = look.position_usd / look.mark * look.level
    return MeasuredLook(look.time_ms, look.mark, (coverage, coverage), look.is_long, look.level, usd)


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_shares_by_distance(side: int) -> None:
    """Cells of .1 % from the mark outward; what is touched or beyond 10 % is not there."""
    outward = [0.0005, 0.0015, 0.0016, 0.0999, 0.1001, -0.001]
    found, accounts = measured_shares(look_of(outward, [1.0] * 6, side=side), side)
    assert found is not None
    assert accounts == 4
    assert found.sum() == pytest.approx(1)
    assert found[[0, 1, CELLS - 1]].tolist() == [0.25, 0.5, 0.25]
    assert measured_shares(look_of(outward, [1.0] * 6, side=side), 1 - side) == (None, 0)


def test_no_position_is_the_whole_of_a_side() -> None:
    """One counts 5 % of its side at most, before the shares are made."""
    found, _ = measured_shares(look_of([0.0105, 0.0205, 0.0305], [98.0, 1.0, 1.0]), LONG)
    assert found is not None
    most = MOST_OF_SIDE * 100
    assert found[[10, 20, 30]] == pytest.approx(np.array([most, 1.0, 1.0]) / (most + 2))


def test_sizes_apart_and_another_mark() -> None:
    """Positions of some size alone; distances as from a later price."""
    look = look_of([0.0105, 0.0205], [50_000.0, 500_000.0])
    small, accounts = measured_shares(look, LONG, between=(0, 1e5))
    assert small is not None
    assert (accounts, small[10]) == (1, 1.0)
    moved, _ = measured_shares(look, LONG, mark=MARK * np.exp(-0.01))
    assert moved is not None
    assert moved[[0, 10]].sum() == 1


def test_the_gate() -> None:
    """Known open interest and accounts with a level in reach, both."""
    fifteen = ([0.01 + 0.001 * each for each in range(15)], [1.0] * 15)
    assert is_judged(look_of(*fifteen, coverage=0.15), LONG)
    assert not is_judged(look_of(*fifteen, coverage=0.149), LONG)
    assert not is_judged(look_of(fifteen[0][1:], fifteen[1][1:]), LONG)
    assert not is_judged(look_of(*fifteen), SHORT)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("coin", "longs", "shorts"), [("BTC", 70, 156), ("ETH", 1, 92), ("SOL", 0, 0), ("HYPE", 0, 0)]
)
def test_how_many_published_looks_can_be_judged(coin: str, longs: int, shorts: int) -> None:
    """Of the 156 of each coin."""
    looks = [of_file(look) for look in measured_days(coin)]
    assert len(looks) == 156
    assert [sum(is_judged(look, side) for look in looks) for side in (LONG, SHORT)] == [longs, shorts]


def test_nothing_put_anywhere_is_even() -> None:
    """And a twentieth of what is put is."""
    assert mixed(np.zeros(CELLS)).tolist() == [1 / CELLS] * CELLS
    one = np.zeros(CELLS)
    one[3] = 7.0
    assert mixed(one)[[3, 4]] == pytest.approx([0.9505, 0.0005])


def test_every_row_states_shares_of_the_past_alone() -> None:
    """At the times asked for; later bars change nothing, to the bit (one row's bins begin elsewhere)."""
    bars = aligned_bars(4)
    times = {int(bars.open_time_ms[-1]) + bars.interval_ms - hours * HOUR_MS for hours in (0, 24)}
    found = estimates_at(bars, tiered(), times)
    assert set(found) == times
    for shares in found.values():
        assert shares.shape == (len(ROWS), 2, CELLS)
        assert shares.sum(axis=2) == pytest.approx(np.ones((len(ROWS), 2)))
        assert np.sort(shares[ROWS.index("permuted")], axis=1).tolist() == np.sort(shares[0], axis=1).tolist()
    early = min(times)
    cut = bars[: -DAY_MS // bars.interval_ms]
    again = estimates_at(cut, tiered(), times)[early]
    rounded = ROWS.index("one_sided")
    assert again[rounded] == pytest.approx(found[early][rounded], abs=1e-9)
    assert np.delete(again, rounded, axis=0).tolist() == np.delete(found[early], rounded, axis=0).tolist()


def test_a_level_the_price_has_passed_is_in_no_row() -> None:
    """The last bar fell 3 %: longs within 3 % above are gone, nearest cells below hold what stands."""
    bars = aligned_bars(3)
    end = int(bars.open_time_ms[-1]) + bars.interval_ms
    before = estimates_at(bars, tiered(), {end})[end]
    fallen = replace(bars, low=bars.low.copy(), close=bars.close.copy())
    fallen.low[-1] = fallen.close[-1] = bars.close[-1] * 0.97
    after = estimates_at(fallen, tiered(), {end})[end]
    row = ROWS.index(MAP)
    assert not np.allclose(before[row, LONG], after[row, LONG], atol=1e-3)
    beyond = after[ROWS.index("beyond_24h")]
    assert beyond[LONG, 0] > 0.005 > beyond[SHORT, 0]
