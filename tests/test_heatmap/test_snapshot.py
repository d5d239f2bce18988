"""A snapshot says when, what and how sure; its hash tells whether that is news."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.snapshot import HeatmapSnapshot, LiquidationLevel, hash_snapshot, iso_utc


@pytest.fixture
def snapshot() -> HeatmapSnapshot:
    """Three levels, the middle one empty."""
    return HeatmapSnapshot(
        symbol="BTCUSDT",
        timestamp_ms=1_766_932_200_000,
        epoch=1,
        seq=1,
        grid=Grid(98_000.0, 500.0, 3),
        long=np.array([1_500_000, 0, 0]),
        short=np.array([0, 0, 200_000]),
        current_price=98_450.0,
        positions_created=1,
        positions_consumed=0,
        stale=False,
        source="replay",
    )


def test_levels_are_those_where_something_stands(snapshot: HeatmapSnapshot) -> None:
    """Empty levels are not said."""
    assert snapshot.levels == (
        LiquidationLevel(98_000.0, 1_500_000, 0),
        LiquidationLevel(99_000.0, 0, 200_000),
    )


def test_times_are_iso_utc() -> None:
    """Whole seconds stay short; milliseconds are kept where there are any."""
    assert iso_utc(1_766_932_200_000) == "2025-12-28T14:30:00Z"
    assert iso_utc(1_766_932_200_120) == "2025-12-28T14:30:00.120Z"


def test_the_checksum_is_that_of_the_wire_contract(snapshot: HeatmapSnapshot) -> None:
    """CRC-32 over p0, step, long[] and short[] as little-endian float64: any language can prove it."""
    numbers = np.array([98_000, 500, 1_500_000, 0, 0, 0, 0, 200_000], dtype="<f8")
    assert snapshot.checksum == zlib.crc32(numbers.tobytes())


@pytest.mark.parametrize(
    "change",
    [
        {"current_price": 98_451.0},
        {"stale": True},
        {"quality": ("gap",)},
        {"source": "live"},
        {"kernel": "broad"},
        {"long": np.array([1_500_000, 1, 0])},
        {"grid": Grid(98_000.0, 1000.0, 3)},
    ],
)
def test_what_a_reader_would_notice_changes_the_hash(
    snapshot: HeatmapSnapshot, change: dict[str, object]
) -> None:
    """A flag that flips is news even while no level moves."""
    assert hash_snapshot(replace(snapshot, **change)) != hash_snapshot(snapshot)  # type: ignore[arg-type]


def test_time_alone_is_no_change(snapshot: HeatmapSnapshot) -> None:
    """A clock that ticks over the same map need not be sent."""
    later = replace(snapshot, timestamp_ms=snapshot.timestamp_ms + 5000, seq=2, epoch=9)
    assert hash_snapshot(later) == hash_snapshot(snapshot)
