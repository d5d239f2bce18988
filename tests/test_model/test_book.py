"""liqstream/model/book.py: every dollar added stands, or is on the books as gone."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.model.bar_path import BarPath, walk
from liqstream.model.book import MIN_BINS, Book, Totals
from liqstream.model.far_store import COARSE
from liqstream.model.kernel import tiered
from liqstream.model.spread import BIN_WIDTH, spread_of
from tests.support.market_bars import bars_of_prices, random_bars


def paths_of(prices: list[list[float]]) -> list[BarPath]:
    return walk(bars_of_prices(np.array(prices, dtype=np.float64)), BIN_WIDTH, spread_of(tiered()).masses)


def balance(totals: Totals) -> float:
    return totals.standing + totals.consumed + totals.decayed + totals.swept


def test_the_books_balance_bar_by_bar() -> None:
    """added = standing + consumed + decayed + swept, and what stands is in the arrays."""
    book = Book(spread_of(tiered()))
    for path in walk(random_bars(300), BIN_WIDTH, book.spread.masses):
        book.step(path, 1e6, 0.01)
        for totals, array in ((book.long_totals, book.long), (book.short_totals, book.short)):
            assert balance(totals) == pytest.approx(totals.added)
            assert array.sum() * book.scale == pytest.approx(totals.standing)
    assert book.long_totals.added == pytest.approx(300e6)
    assert book.long_totals.consumed > 0 < book.short_totals.consumed


def test_a_bar_consumes_what_it_touches() -> None:
    """A fall of a tenth takes all longs down to there and no short; what was consumed is returned."""
    book = Book(spread_of(tiered()))
    first, crash = paths_of([[100, 101, 99, 100], [100, 100, 90, 90]])
    assert book.step(first, 1e6, 0.0) == (0.0, 0.0)
    stood = book.long.sum(axis=0)
    touched = stood[crash.low + 1 - book.first_bin :].sum()
    longs, shorts = book.step(crash, 0.0, 0.0)
    assert longs >= touched > 0
    assert shorts == 0.0
    assert not book.long[:, crash.low + 1 - book.first_bin :].any()
    assert book.long_totals.consumed == longs


def test_decay_takes_its_share_of_both_sides() -> None:
    """However often, until the scale would underflow and is folded into the arrays."""
    book = Book(spread_of(tiered()))
    path, *_ = paths_of([[100, 101, 99, 100]])
    flat, *_ = paths_of([[100, 100, 100, 100]])
    book.step(path, 1e6, 0.0)
    standing = book.long_totals.standing
    for _ in range(40):
        book.step(flat, 0.0, 0.5)
    assert book.scale > 1e-9
    assert book.long.sum() * book.scale == pytest.approx(standing * 0.5**40)
    assert book.short_totals.decayed == pytest.approx(book.short_totals.added - book.short_totals.swept)


def test_the_array_follows_the_price_and_far_levels_wait() -> None:
    """At the same size; a level left far behind is there, within a coarse bin, when the price returns."""
    book = Book(spread_of(tiered()))
    low, high = paths_of([[100, 101, 99, 100], [1000, 1010, 990, 1000]])
    (back,) = paths_of([[105, 105, 105, 105]])
    book.step(low, 1e6, 0.0)
    first_bin, stood = book.first_bin, book.long.sum(axis=0)
    book.step(high, 0.0, 0.0)
    assert book.first_bin > first_bin
    assert book.long.shape[1] == MIN_BINS
    assert not book.long.any()
    assert book.far[0].usd.sum() == pytest.approx(book.long_totals.standing)
    assert book.long_totals.standing == pytest.approx(1e6 - book.long_totals.swept)
    book.step(back, 0.0, 0.5)
    assert book.long_totals.standing == pytest.approx((1e6 - book.long_totals.swept) / 2)
    middle = np.average(np.arange(MIN_BINS) + book.first_bin, weights=book.long.sum(axis=0))
    assert middle == pytest.approx(np.average(np.arange(MIN_BINS) + first_bin, weights=stood), abs=COARSE)


def test_a_fall_through_far_levels_consumes_them() -> None:
    """In one bar that reaches beyond the array."""
    book = Book(spread_of(tiered()))
    low, high = paths_of([[100, 101, 99, 100], [1000, 1010, 990, 1000]])
    (crash,) = paths_of([[1000, 1000, 50, 50]])
    book.step(low, 1e6, 0.0)
    standing = book.long_totals.standing
    book.step(high, 0.0, 0.0)
    assert book.step(crash, 0.0, 0.0)[0] == pytest.approx(standing)
    assert book.long_totals.standing == pytest.approx(0.0, abs=1e-6)
    assert not book.far[0]


def test_a_copy_is_independent() -> None:
    """A step of the copy leaves the book as it was."""
    book = Book(spread_of(tiered()))
    first, second = paths_of([[100, 101, 99, 100], [100, 105, 95, 100]])
    book.step(first, 1e6, 0.0)
    long, totals = book.long.copy(), balance(book.long_totals)
    other = book.copy()
    other.step(second, 1e6, 0.5)
    np.testing.assert_array_equal(book.long, long)
    assert balance(book.long_totals) == totals
    assert other.long_totals.added == pytest.approx(2e6)


def test_a_book_at_rest_is_the_same_book_in_less() -> None:
    """It rests after every bar, through moves of the array and far stores; a copy of it is unpacked."""
    awake, resting = Book(spread_of(tiered())), Book(spread_of(tiered()))
    for path in walk(random_bars(400, volatility=0.02), BIN_WIDTH, awake.spread.masses):
        assert resting.step(path, 1e6, 0.01) == awake.step(path, 1e6, 0.01)
        resting.rest()
        resting.rest()
        assert resting.rests
    assert resting.nbytes < awake.nbytes / 2
    copied = resting.copy()
    assert (copied.rests, resting.rests) == (False, True)
    for name in ("first_bin", "scale", "long_totals", "short_totals", "highest_long", "lowest_short"):
        assert getattr(copied, name) == getattr(awake, name)
    assert copied.long.tobytes() == awake.long.tobytes()
    assert copied.short.tobytes() == awake.short.tobytes()
    assert any(awake.far)
