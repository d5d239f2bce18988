"""The tick message of protocol 2: the newest price, and what was passed since the snapshot before it.

It has no checksum and no seq of its own: it hides levels of the state that the client holds, changes none.
"""

from __future__ import annotations

import msgspec

from liqstream.heatmap.price_track import PriceSince
from liqstream.heatmap.snapshot import StreamPosition, iso_utc
from liqstream.wire.numbers import json_number


def tick_message(symbol: str, position: StreamPosition, *, n: int, price: PriceSince) -> bytes:
    """The tick about the snapshot at `position`; `n` counts the ticks made of the symbol. Prices in USD."""
    return msgspec.json.encode(
        {
            "type": "tick",
            "symbol": symbol,
            "epoch": position.epoch,
            "seq": position.seq,
            "n": n,
            "timestamp": iso_utc(price.timestamp_ms),
            "current_price": json_number(price.current_price),
            "low": json_number(price.low),
            "high": json_number(price.high),
        }
    )
