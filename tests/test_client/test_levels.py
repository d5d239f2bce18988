"""Densities on their grid, their changes and their checksum."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from liqstream.client.levels import Level, Levels, grid_prices

LEVELS = Levels.of(98_000.0, 0.5, [900.0, 0.0, 0.0], [0.0, 0.0, 700.0])


def test_the_checksum_is_the_documented_one() -> None:
    """CRC-32 over p0, step, long and short as little-endian float64 (docs/websocket_api.md)."""
    figures = (98_000.0, 0.5, 900.0, 0.0, 0.0, 0.0, 0.0, 700.0)
    assert LEVELS.checksum == zlib.crc32(struct.pack("<8d", *figures))


def test_occupied_levels_are_those_with_any_usd() -> None:
    """By ascending price."""
    assert LEVELS.occupied() == (Level(98_000.0, 900.0, 0.0), Level(98_001.0, 0.0, 700.0))


def test_changes_make_new_levels_and_leave_the_old_ones() -> None:
    """Arrays are read-only: a state that was handed out does not change."""
    changed = LEVELS.changed(([1], [5.0]), ([], []))
    assert changed.long_usd.tolist() == [900.0, 5.0, 0.0]
    assert LEVELS.long_usd.tolist() == [900.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        changed.long_usd[0] = 1.0


@pytest.mark.parametrize(
    ("indices", "values", "sentence"),
    [([3], [1.0], "outside of the grid's 3"), ([-1], [1.0], "outside"), ([0], [], "1 indices beside 0")],
)
def test_changes_outside_of_the_grid_are_refused(
    indices: list[int], values: list[float], sentence: str
) -> None:
    """The client asks for the whole state then."""
    with pytest.raises(ValueError, match=sentence):
        LEVELS.changed((indices, values), ([], []))


def test_sides_of_unequal_length_are_refused() -> None:
    """A grid has one figure of each side per level."""
    with pytest.raises(ValueError, match="2 long levels beside 1"):
        Levels.of(1.0, 1.0, [1.0, 2.0], [1.0])


def test_prices_have_the_decimals_of_the_step() -> None:
    """No 0.30000000000000004 in anybody's table."""
    assert grid_prices(0.1, 0.1, 4).tolist() == [0.1, 0.2, 0.3, 0.4]
    assert grid_prices(90_000.0, 50.0, 2).tolist() == [90_000.0, 90_050.0]
    assert np.all(np.diff(LEVELS.prices) == 0.5)


def test_a_mask_hides_what_was_passed_whole_and_nothing_that_was_touched() -> None:
    """Longs from `low` up, shorts from `high` down, by the edges of their levels; these stay as they are."""
    levels = Levels.of(100.0, 10.0, [1, 2, 3], [4, 5, 6])
    masked = levels.masked(105.0, 114.9)
    assert (masked.long_usd.tolist(), masked.short_usd.tolist()) == ([1, 0, 0], [0, 5, 6])
    masked = levels.masked(105.1, 115.0)
    assert (masked.long_usd.tolist(), masked.short_usd.tolist()) == ([1, 2, 0], [0, 0, 6])
    assert (levels.long_usd.tolist(), levels.short_usd.tolist()) == ([1, 2, 3], [4, 5, 6])
    assert not masked.long_usd.flags.writeable
