"""liqstream/wire/tick_message.py: the newest price as a message."""

from __future__ import annotations

import json

from liqstream.heatmap.price_track import PriceSince
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.tick_message import tick_message
from tests.test_api_schemas import check_message


def test_a_tick_names_its_snapshot_its_price_and_the_extremes_since() -> None:
    """Whole prices without a fraction, and no key that asyncapi.yaml does not list."""
    price = PriceSince(1_766_932_200_500, 98_450.0, 98_400.5, 98_451.25, is_moved=True)
    message = json.loads(tick_message("BTCUSDT", StreamPosition(1_766_932_200_000, 41), n=17, price=price))
    assert message == {
        "type": "tick",
        "symbol": "BTCUSDT",
        "epoch": 1_766_932_200_000,
        "seq": 41,
        "n": 17,
        "timestamp": "2025-12-28T14:30:00.500Z",
        "current_price": 98_450,
        "low": 98_400.5,
        "high": 98_451.25,
    }
    assert check_message(message) == "tick"
