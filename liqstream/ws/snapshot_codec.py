"""A snapshot as bytes, for other servers: written once per snapshot, believed only after inspection.

JSON, so that `redis-cli SUBSCRIBE heatmap:BTCUSDT` shows something a person can read.
"""

from __future__ import annotations

import math
import time
from typing import Annotated, Literal

import msgspec
import numpy as np

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.wire_state import Grid
from liqstream.market import DAY_MS, Source

MAX_PAYLOAD_BYTES = 256 * 1024
"""A map of 300 levels takes 2-5 KB; whatever is far beyond that is no snapshot of ours."""
MAX_EPOCH_AHEAD_MS = 10 * 365 * DAY_MS
"""An epoch further in the future is forged. It moves with the clock, so that the epoch after one at the
limit is within it again."""

_Text = Annotated[str, msgspec.Meta(max_length=64)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Usd = Annotated[
    list[Annotated[int, msgspec.Meta(ge=0, le=10**15)]], msgspec.Meta(min_length=1, max_length=10_000)
]


class BadPayloadError(ValueError):
    """Bytes that are no snapshot of ours; the message says why in one line."""


class _Payload(msgspec.Struct):
    """What is said; a key that a later version adds is passed over."""

    v: Literal[1]
    symbol: _Text
    timestamp_ms: _Count
    epoch: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    p0: _Positive
    step: _Positive
    long: _Usd
    short: _Usd
    current_price: _Positive
    positions_created: _Count
    positions_consumed: _Count
    stale: bool
    source: Source
    quality: Annotated[list[_Text], msgspec.Meta(max_length=64)]
    kernel: _Text
    checksum: _Count


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Payload)


def encode_snapshot(snapshot: HeatmapSnapshot) -> bytes:
    """The snapshot with everything it says, about 10 bytes per level."""
    return _encoder.encode(
        _Payload(
            v=1,
            symbol=snapshot.symbol,
            timestamp_ms=snapshot.timestamp_ms,
            epoch=snapshot.epoch,
            seq=snapshot.seq,
            p0=snapshot.grid.p0,
            step=snapshot.grid.step,
            long=snapshot.long.tolist(),
            short=snapshot.short.tolist(),
            current_price=snapshot.current_price,
            positions_created=snapshot.positions_created,
            positions_consumed=snapshot.positions_consumed,
            stale=snapshot.stale,
            source=snapshot.source,
            quality=list(snapshot.quality),
            kernel=snapshot.kernel,
            checksum=snapshot.checksum,
        )
    )


def decode_snapshot(payload: bytes, symbol: str) -> HeatmapSnapshot:
    """The snapshot of `symbol` in `payload`.

    Raises BadPayloadError for anything oversized, malformed, out of range, about another symbol, or whose
    levels do not add up to its checksum.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadPayloadError(f"{len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}")
    try:
        said = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPayloadError(str(error)) from None
    if said.symbol != symbol:
        raise BadPayloadError("another symbol's snapshot")
    if len(said.long) != len(said.short):
        raise BadPayloadError("long and short differ in length")
    if not all(map(math.isfinite, (said.p0, said.step, said.current_price))):
        raise BadPayloadError("a price that is no number")
    if said.epoch > time.time() * 1000 + MAX_EPOCH_AHEAD_MS:
        raise BadPayloadError("an epoch of the far future")
    snapshot = _snapshot(said)
    if snapshot.checksum != said.checksum:
        raise BadPayloadError("the checksum differs")
    return snapshot


def _snapshot(said: _Payload) -> HeatmapSnapshot:
    return HeatmapSnapshot(
        symbol=said.symbol,
        timestamp_ms=said.timestamp_ms,
        epoch=said.epoch,
        seq=said.seq,
        grid=Grid(said.p0, said.step, len(said.long)),
        long=np.array(said.long, dtype=np.int64),
        short=np.array(said.short, dtype=np.int64),
        current_price=said.current_price,
        positions_created=said.positions_created,
        positions_consumed=said.positions_consumed,
        stale=said.stale,
        source=said.source,
        quality=tuple(said.quality),
        kernel=said.kernel,
    )
