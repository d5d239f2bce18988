"""A price track as bytes in Redis, for the other servers of a fleet: trusted only when all of it is checked.

It holds what was passed since the last few snapshots, not only since the newest: where a message is lost, or
overtakes the snapshot it is about, the next one makes up for it.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from liqstream.heatmap.price_track import Passed, PriceTrack
from liqstream.heatmap.snapshot import StreamPosition

MAX_PRICES_BYTES = 16 * 1024
_SEGMENTS = 3
"""Snapshots of which a message holds what was passed since."""
_MAX_INT = 2**53
_Ordinal = Annotated[int, Meta(ge=1, le=_MAX_INT)]
_Price = Annotated[float, Meta(gt=0, le=1e15)]
_Name = Annotated[str, Meta(min_length=1, max_length=64)]


class BadPricesError(ValueError):
    """Bytes that are no prices of ours; the message says why in one line."""


class _Segment(msgspec.Struct, frozen=True):
    """What exchanges passed after the snapshot `seq`: low and high, null where no bar made a new one."""

    seq: _Ordinal
    passed: Annotated[dict[_Name, tuple[_Price | None, _Price | None]], Meta(max_length=64)]


class Prices(msgspec.Struct, frozen=True):
    """A symbol's newest price, each exchange's last one, and what was passed; USD, times in UTC ms."""

    v: Literal[1]
    symbol: str
    epoch: _Ordinal
    timestamp_ms: Annotated[int, Meta(ge=0, le=_MAX_INT)]
    current_price: _Price
    last: Annotated[dict[_Name, _Price], Meta(min_length=1, max_length=64)]
    segments: Annotated[list[_Segment], Meta(min_length=1, max_length=16)]

    def note_in(self, track: PriceTrack) -> None:
        """Give a track what is in this message."""
        for segment in self.segments:
            passed = {
                name: Passed(math.inf if low is None else low, -math.inf if high is None else high)
                for name, (low, high) in segment.passed.items()
            }
            track.note_passed(StreamPosition(self.epoch, segment.seq), passed)
        track.note_price(self.timestamp_ms, self.current_price, self.last)


_decoder = msgspec.json.Decoder(Prices)


def encode_prices(symbol: str, track: PriceTrack) -> bytes | None:
    """The newest of a track; None while it knows no price or no snapshot."""
    newest = list(track.segments)[-_SEGMENTS:]
    if not newest or not track.last:
        return None
    segments = [
        _Segment(position.seq, {name: (_finite(it.low), _finite(it.high)) for name, it in passed.items()})
        for position, passed in newest
    ]
    epoch = newest[-1][0].epoch
    return msgspec.json.encode(
        Prices(1, symbol, epoch, track.timestamp_ms, track.current_price, track.last, segments)
    )


def decode_prices(payload: bytes, symbol: str) -> Prices:
    """The prices of `symbol` in `payload`. Raises BadPricesError for anything else."""
    if len(payload) > MAX_PRICES_BYTES:
        raise BadPricesError(f"{len(payload)} bytes, more than {MAX_PRICES_BYTES}")
    try:
        prices = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPricesError(str(error)) from None
    if prices.symbol != symbol:
        raise BadPricesError("another symbol's prices")
    return prices


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
