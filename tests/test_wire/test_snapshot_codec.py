"""A snapshot as bytes: what is encoded is decoded, and nothing else is accepted."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import QUANTISED_USD
from liqstream.heatmap.snapshot import HeatmapSnapshot, SilentExchange
from liqstream.wire.snapshot_codec import BadPayloadError, decode_snapshot, encode_snapshot
from tests.support.snapshots import first_snapshot

rungs = st.lists(st.integers(0, len(QUANTISED_USD) - 1), min_size=1, max_size=40)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "symbol": st.sampled_from(["BTCUSDT", "ETHUSDT"]),
    "timestamp_ms": st.integers(0, 2**52),
    "epoch": st.integers(1, 2_000_000_000_000),
    "seq": st.integers(1, 2**40),
    "current_price": st.floats(1e-8, 1e9),
    "positions_created": st.integers(0, 10**6),
    "positions_consumed": st.integers(0, 10**6),
    "quality": st.sampled_from([(), ("gap",), ("gap", "warming_up")]),
    "kernel": st.sampled_from(["", "tiered"]),
    "silent": st.sampled_from([(), (SilentExchange("okx", 0),)]),
}
"""Values of the fields whose type alone would allow too much."""


def _of_type(kind: Any) -> st.SearchStrategy[Any]:
    """JSON has no other floats than finite ones."""
    return st.floats(allow_nan=False, allow_infinity=False) if kind is float else st.from_type(kind)


@st.composite
def any_snapshot(draw: st.DrawFn) -> HeatmapSnapshot:
    """A snapshot of any shape, with something drawn for each of its fields."""
    long = QUANTISED_USD[draw(rungs)]
    levels: dict[str, Any] = {
        "grid": Grid(draw(st.floats(1e-8, 1e8)), draw(st.floats(1e-8, 1e6)), len(long)),
        "long": long,
        "short": np.roll(long, 1),
    }
    types = get_type_hints(HeatmapSnapshot)
    drawn: dict[str, Any] = {
        field.name: draw(VALUES.get(field.name, _of_type(types[field.name])))
        for field in fields(HeatmapSnapshot)
        if field.name not in levels
    }
    return HeatmapSnapshot(**levels, **drawn)


@given(any_snapshot())
def test_every_snapshot_survives_the_way(snapshot: HeatmapSnapshot) -> None:
    """Each field is the same after it, and so is the checksum."""
    read = decode_snapshot(encode_snapshot(snapshot), snapshot.symbol)
    for field in fields(HeatmapSnapshot):
        was, now = getattr(snapshot, field.name), getattr(read, field.name)
        assert np.array_equal(was, now) and type(was) is type(now), field.name  # noqa: PT018
    assert read.checksum == snapshot.checksum


@given(st.binary(max_size=300))
def test_other_bytes_are_refused(payload: bytes) -> None:
    """Whatever arrives, the answer is one error that can be counted."""
    with pytest.raises(BadPayloadError):
        decode_snapshot(payload, "BTCUSDT")


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_noticed_or_harmless(at: int, value: int) -> None:
    """What still reads as a snapshot has the very levels its checksum was made of."""
    snapshot = first_snapshot()
    payload = bytearray(encode_snapshot(snapshot))
    payload[at % len(payload)] = value
    try:
        read = decode_snapshot(bytes(payload), "BTCUSDT")
    except BadPayloadError:
        return
    assert np.array_equal(read.long, snapshot.long)
    assert np.array_equal(read.short, snapshot.short)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 2),
        ("symbol", "ETHUSDT"),
        ("epoch", 0),
        ("epoch", 2**53),
        ("seq", -1),
        ("p0", 0),
        ("step", 1e400),
        ("current_price", None),
        ("long", []),
        ("long", [1] * 299),
        ("short", [-1] * 300),
        ("short", [0.5] * 300),
        ("source", "guessed"),
        ("stale", 1),
        ("quality", ["x" * 100]),
        ("checksum", 1),
    ],
)
def test_a_field_out_of_range_is_refused(field: str, value: object) -> None:
    """Types, limits, lengths, version, symbol and checksum are all checked."""
    payload = orjson.loads(encode_snapshot(first_snapshot()))
    payload[field] = value
    with pytest.raises(BadPayloadError):
        decode_snapshot(orjson.dumps(payload), "BTCUSDT")


def test_a_field_of_a_later_version_is_passed_over() -> None:
    """Servers of a fleet are upgraded one after the other."""
    payload = orjson.loads(encode_snapshot(first_snapshot())) | {"colour": "viridis"}
    assert decode_snapshot(orjson.dumps(payload), "BTCUSDT").checksum == first_snapshot().checksum


def test_oversize_is_refused_before_it_is_read() -> None:
    """Ten megabytes cost a length check."""
    with pytest.raises(BadPayloadError, match="more than"):
        decode_snapshot(b"[" * 10_000_000, "BTCUSDT")
