"""A snapshot as bytes: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.ladder import RUNGS_USD
from liqstream.heatmap.snapshot import HeatmapSnapshot, hash_snapshot
from liqstream.heatmap.wire_state import Grid
from liqstream.ws.snapshot_codec import BadPayloadError, decode_snapshot, encode_snapshot
from tests.snapshots import first_snapshot

rungs = st.lists(st.integers(0, len(RUNGS_USD) - 1), min_size=1, max_size=40)


@st.composite
def any_snapshot(draw: st.DrawFn) -> HeatmapSnapshot:
    """A snapshot of any shape."""
    long = RUNGS_USD[draw(rungs)]
    return HeatmapSnapshot(
        symbol=draw(st.sampled_from(["BTCUSDT", "ETHUSDT"])),
        timestamp_ms=draw(st.integers(0, 2**52)),
        epoch=draw(st.integers(1, 2_000_000_000_000)),
        seq=draw(st.integers(1, 2**40)),
        grid=Grid(draw(st.floats(1e-8, 1e8)), draw(st.floats(1e-8, 1e6)), len(long)),
        long=long,
        short=np.roll(long, 1),
        current_price=draw(st.floats(1e-8, 1e9)),
        positions_created=draw(st.integers(0, 10**6)),
        positions_consumed=draw(st.integers(0, 10**6)),
        stale=draw(st.booleans()),
        source=draw(st.sampled_from(["live", "replay", "simulated"])),
        quality=draw(st.sampled_from([(), ("gap",), ("gap", "warming_up")])),
        kernel=draw(st.sampled_from(["", "tiered"])),
    )


@given(any_snapshot())
def test_every_snapshot_survives_the_way(snapshot: HeatmapSnapshot) -> None:
    """All a reader would notice, the checksum and the head are the same after it."""
    read = decode_snapshot(encode_snapshot(snapshot), snapshot.symbol)
    assert hash_snapshot(read) == hash_snapshot(snapshot)
    assert read.checksum == snapshot.checksum
    assert (read.epoch, read.seq, read.timestamp_ms) == (snapshot.epoch, snapshot.seq, snapshot.timestamp_ms)
    assert read.positions_created == snapshot.positions_created
    assert read.positions_consumed == snapshot.positions_consumed


@given(st.binary(max_size=300))
def test_bytes_are_not_believed(payload: bytes) -> None:
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
    """Types, limits, lengths, version, symbol and checksum are all looked at."""
    said = orjson.loads(encode_snapshot(first_snapshot()))
    said[field] = value
    with pytest.raises(BadPayloadError):
        decode_snapshot(orjson.dumps(said), "BTCUSDT")


def test_a_field_of_a_later_version_is_passed_over() -> None:
    """Servers of a fleet are upgraded one after the other."""
    said = orjson.loads(encode_snapshot(first_snapshot())) | {"colour": "viridis"}
    assert decode_snapshot(orjson.dumps(said), "BTCUSDT").checksum == first_snapshot().checksum


def test_oversize_is_refused_before_it_is_read() -> None:
    """Ten megabytes cost a length check."""
    with pytest.raises(BadPayloadError, match="more than"):
        decode_snapshot(b"[" * 10_000_000, "BTCUSDT")
