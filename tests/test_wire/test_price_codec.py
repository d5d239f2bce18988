"""liqstream/wire/price_codec.py: a price track through Redis, and nothing else that may lie there."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from liqstream.heatmap.price_track import NOTHING_PASSED, Passed, PriceTrack
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.price_codec import MAX_PRICES_BYTES, BadPricesError, decode_prices, encode_prices


def made_track() -> PriceTrack:
    track = PriceTrack()
    for seq in range(1, 8):
        low = 90.0 + seq
        passed = {"binance": Passed(low, -math.inf), "okx": NOTHING_PASSED, "bybit": Passed(math.inf, 120.0)}
        track.note_passed(StreamPosition(7, seq), passed)
    track.note_price(1_766_932_200_500, 100.5, {"binance": 100.0, "okx": 101.0, "bybit": 99.5})
    return track


def payload_of(track: PriceTrack) -> bytes:
    payload = encode_prices("BTCUSDT", track)
    assert payload is not None
    return payload


def test_another_server_knows_what_was_passed_since_the_last_snapshots() -> None:
    """Of the newest ones the same, of older ones what the messages it got had of them."""
    track, other = made_track(), PriceTrack()
    decode_prices(payload_of(track), "BTCUSDT").note_in(other)
    for seq in (5, 6, 7):
        assert other.since(StreamPosition(7, seq)) == track.since(StreamPosition(7, seq))
    assert other.timestamp_ms == 1_766_932_200_500
    assert other.since(StreamPosition(6, 7)) is None


def test_there_is_nothing_to_say_before_a_price_or_a_snapshot() -> None:
    """None."""
    track = PriceTrack()
    track.note_price(5, 100.0, {"binance": 100.0})
    assert encode_prices("BTCUSDT", track) is None
    assert encode_prices("BTCUSDT", PriceTrack()) is None


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(payload_of(made_track())) | fields).encode()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"[" * 5000,
        b" " * (MAX_PRICES_BYTES + 1),
        changed(v=2),
        changed(symbol="ETHUSDT"),
        changed(epoch=0),
        changed(epoch=2**60),
        changed(timestamp_ms=-1),
        changed(current_price=0),
        changed(current_price=None),
        changed(last={}),
        changed(last={"okx": -1}),
        changed(last={"": 1}),
        changed(segments=[]),
        changed(segments=[{"seq": 0, "passed": {}}]),
        changed(segments=[{"seq": 1, "passed": {"okx": [1]}}]),
        changed(segments=[{"seq": 1, "passed": {"okx": [0, 1]}}]),
        changed(segments=[{"seq": 1, "passed": {}}] * 17),
    ],
)
def test_what_is_no_message_of_ours_is_refused(payload: bytes) -> None:
    """In one line, whatever it is."""
    with pytest.raises(BadPricesError):
        decode_prices(payload, "BTCUSDT")


def test_a_key_of_a_later_version_is_passed_over() -> None:
    """Servers of two versions run side by side during an upgrade."""
    assert decode_prices(changed(later=1), "BTCUSDT").current_price == 100.5
