"""Whatever is lost, garbled or asked for again: the client holds the server's state or asks for it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liqstream.client.messages import DeltaMessage, SnapshotMessage, decode
from liqstream.client.symbol_stream import SymbolStream
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import QUANTISED_USD
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from liqstream.wire.frames import text_frame
from tests.support.snapshots import first_snapshot, next_snapshot

ROWS = 6
COLUMNS, DELTA = Variant(Shape.COLUMNS, 0), Variant(Shape.DELTA, 0)

rungs = st.lists(st.integers(0, 40), min_size=ROWS, max_size=ROWS)
ticks = st.lists(
    st.tuples(rungs, rungs, st.sampled_from(["delta", "whole", "lost", "garbled", "twice"]), st.booleans()),
    min_size=1,
    max_size=30,
)


def snapshot(seq: int, long: list[int], short: list[int], *, moved: bool) -> EncodedSnapshot:
    grid = Grid(100.5 if moved else 100.0, 0.5, ROWS)
    said = HeatmapSnapshot(
        symbol="BTCUSDT",
        timestamp_ms=1_780_000_000_000 + seq,
        epoch=1_780_000_000_000,
        seq=seq,
        grid=grid,
        long=QUANTISED_USD[np.array(long)],
        short=QUANTISED_USD[np.array(short)],
        current_price=101.25,
        positions_created=0,
        positions_consumed=0,
        stale=False,
        source="replay",
    )
    return EncodedSnapshot(said)


def said(encoded: EncodedSnapshot, base: EncodedSnapshot | None) -> SnapshotMessage | DeltaMessage:
    """The message as it comes over the wire."""
    frame = encoded.frame(DELTA if base else COLUMNS, base=base)
    text = frame[frame.index(b'{"') :].decode()
    assert text_frame(text.encode()) == frame
    message = decode(text)
    assert isinstance(message, SnapshotMessage | DeltaMessage)
    return message


@given(ticks)
def test_a_state_is_the_servers_or_none(rows: list[tuple[list[int], list[int], str, bool]]) -> None:
    """Every state handed on is the server's at that seq; a lost one is asked for and comes back whole."""
    stream, base, last_seq = SymbolStream("BTCUSDT"), None, 0
    for seq, (long, short, fate, moved) in enumerate(rows, start=1):
        encoded = snapshot(seq, long, short, moved=moved)
        whole = fate == "whole" or stream.must_ask_for_whole()
        message = said(encoded, None if whole else base)
        base = encoded
        if fate == "lost":
            continue
        if fate == "garbled":
            message = msgspec.structs.replace(message, checksum=message.checksum ^ 1)
        state = stream.take(message)
        if fate == "twice":
            assert stream.take(msgspec.structs.replace(said(encoded, None), repeat=True)) in (
                None,
                stream.snapshot,
            )
        if state is None:
            assert fate in ("garbled", "twice") or isinstance(message, DeltaMessage)
            continue
        assert state.seq == seq > last_seq
        assert state.checksum == encoded.snapshot.checksum
        assert state.prices.tolist() == encoded.snapshot.grid.prices().tolist()
        last_seq = state.seq
    final = stream.take(said(snapshot(len(rows) + 1, rows[0][0], rows[0][1], moved=False), None))
    assert final is not None
    assert final.long_usd.tolist() == QUANTISED_USD[np.array(rows[0][0])].tolist()
    assert not stream.must_ask_for_whole()


def test_a_delta_has_the_kernel_of_its_base() -> None:
    """It does not name it itself."""
    stream = SymbolStream("BTCUSDT")
    first = replace(first_snapshot(), kernel="tiered")
    base, encoded = EncodedSnapshot(first), EncodedSnapshot(next_snapshot(first))
    stream.take(said(base, None))
    state = stream.take(said(encoded, base))
    assert state is not None
    assert (state.seq, state.kernel) == (2, "tiered")
