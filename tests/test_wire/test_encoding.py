"""Every variant of a snapshot holds the same, and is made once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.price_grid import Grid
from liqstream.wire.delta import delta_data
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from liqstream.wire.snapshot_message import column_data
from tests.support.frame_reader import FrameReader, Message, StateReader, assert_says
from tests.support.snapshots import first_snapshot, next_snapshot

V1, COLUMNS, DELTA = (Variant(shape, 0) for shape in Shape)


def read(frame: bytes) -> Message:
    (message,) = FrameReader().messages(frame)
    return message


@given(share=st.floats(0, 1), seed=st.integers(0, 99), window_bits=st.sampled_from((0, 9, 15)))
def test_every_variant_holds_the_same(share: float, seed: int, window_bits: int) -> None:
    """Full or delta, plain or deflated: the rebuilt state is the snapshot, and the checksum proves it."""
    old = first_snapshot(seed=seed)
    new = next_snapshot(old, changed_share=share, seed=seed)
    base, encoded = EncodedSnapshot(old), EncodedSnapshot(new)
    for shape in Shape:
        reader, frames = StateReader(), FrameReader()
        variant = Variant(shape, window_bits)
        for frame in (base.frame(variant), encoded.frame(variant, base=base)):
            for message in frames.messages(frame):
                reader.take(message)
                assert ("checksum" in message) == (shape is not Shape.V1)
        assert_says(reader.state["BTCUSDT"], new)


def test_a_frame_is_made_once() -> None:
    """The same bytes object for every client of a variant."""
    encoded = EncodedSnapshot(first_snapshot())
    assert encoded.frame(V1) is encoded.frame(V1)
    assert encoded.frame(V1) is not encoded.frame(V1, skipped=2)


def test_what_differs_between_clients_is_in_the_frame() -> None:
    """skipped, repeat and prev_seq stand where they belong, and nowhere else."""
    old = first_snapshot()
    encoded = EncodedSnapshot(next_snapshot(old))
    message = read(encoded.frame(V1, skipped=3, repeat=True))
    assert (message["skipped"], message["repeat"]) == (3, True)
    delta = read(encoded.frame(DELTA, base=EncodedSnapshot(old)))
    assert (delta["type"], delta["prev_seq"]) == ("delta", 1)
    assert "repeat" not in delta
    assert "prev_seq" not in read(encoded.frame(COLUMNS, base=EncodedSnapshot(old)))


@pytest.mark.parametrize("what", ["everything changed", "the grid moved", "a new epoch", "another kernel"])
def test_a_full_snapshot_where_a_delta_would_not_do(what: str) -> None:
    """A delta that is hardly smaller, or has nothing to build on, is not sent."""
    old = first_snapshot()
    new = {
        "everything changed": next_snapshot(old, changed_share=1.0),
        "the grid moved": replace(next_snapshot(old), grid=Grid(90_050.0, 50.0, 300)),
        "a new epoch": replace(next_snapshot(old), epoch=2),
        "another kernel": replace(next_snapshot(old), kernel="broad"),
    }[what]
    assert read(EncodedSnapshot(new).frame(DELTA, base=EncodedSnapshot(old)))["type"] == "snapshot"


def test_a_delta_is_sent_up_to_six_tenths_of_the_whole() -> None:
    """By the bytes of both `data`; the few around them move the limit by less than .02."""
    old = first_snapshot()
    sent = []
    for share in np.linspace(0.1, 0.6, 26):
        new = next_snapshot(old, changed_share=float(share))
        whole = len(orjson.dumps(column_data(new), option=orjson.OPT_SERIALIZE_NUMPY))
        changed = len(orjson.dumps(delta_data(old, new), option=orjson.OPT_SERIALIZE_NUMPY))
        kind = read(EncodedSnapshot(new).frame(DELTA, base=EncodedSnapshot(old)))["type"]
        sent.append((changed / whole, kind == "delta"))
    assert all(is_delta for size, is_delta in sent if size < 0.58)
    assert not any(is_delta for size, is_delta in sent if size > 0.62)
    assert 0.5 < min(size for size, is_delta in sent if not is_delta) < 0.7


def test_whole_prices_are_whole_numbers() -> None:
    """98000, not 98000.0: v1 clients have them so, and they are shorter."""
    frame = EncodedSnapshot(first_snapshot()).frame(V1)
    assert b'"price":90000,' in frame
    fine = replace(first_snapshot(), grid=Grid(0.5, 0.05, 300))
    assert b'"price":0.55,' in EncodedSnapshot(fine).frame(V1)


def test_a_delta_is_small() -> None:
    """At 5 % changed levels at most 3 % of the v1 bytes; columns and deflated v1 at most a quarter."""
    old = first_snapshot()
    base, encoded = EncodedSnapshot(old), EncodedSnapshot(next_snapshot(old, changed_share=0.05))
    v1 = len(encoded.frame(V1))
    assert len(encoded.frame(DELTA, base=base)) <= 0.03 * v1
    assert len(encoded.frame(COLUMNS)) <= 0.25 * v1
    assert len(encoded.frame(Variant(Shape.V1, 15))) <= 0.25 * v1
