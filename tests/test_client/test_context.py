"""liqstream/client/context.py: what a server tells, as columns; what is no such answer is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from liqstream.client import ClientError
from liqstream.client.context import decode_context

NOW: dict[str, Any] = {
    "open_interest_usd": 5,
    "open_interest_time": 1,
    "open_interest_1h": -0.5,
    "open_interest_24h": None,
    "funding_exchange": None,
    "funding_rate": None,
    "funding_time": None,
    "next_funding_time": None,
    "volume_24h_usd": None,
    "volume_time": None,
    "exchanges": [],
}
BODY: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "exchanges": ["okx"],
    "source": "live",
    "stale": False,
    "timestamp": 7_200_500,
    "start_time": 3_600_000,
    "interval_ms": 3_600_000,
    "columns": 2,
    "partial": True,
    "open_interest_usd": [None, 5],
    "open_interest_exchanges": [0, 1],
    "funding_rate": [None, 0.0001],
    "volume_usd": [3, None],
    "liquidations": {"interval_ms": 3_600_000, "timestamp": [7_200_000], "long_usd": [2], "short_usd": [0.5]},
    "now": NOW,
}


def test_columns_are_read() -> None:
    """Times count from the first; null is NaN, keys that are new are passed over."""
    context = decode_context(json.dumps(BODY | {"news": 1}).encode())
    assert context.open_time_ms.tolist() == [3_600_000, 7_200_000]
    assert math.isnan(context.open_interest_usd[0])
    assert context.volume_usd[0] == 3
    assert context.liquidations.short_usd.tolist() == [0.5]
    assert context.now.open_interest_1h == -0.5
    assert repr(context).startswith("<MarketContext BTCUSDT 2 columns of 3600 s, open interest 5")


@pytest.mark.parametrize(
    "bent",
    [{"columns": 3}, {"volume_usd": [1]}, {"now": None}, {"interval_ms": "1h"}, {"funding_rate": ["x", 1]}],
)
def test_what_cannot_be_read_is_refused(bent: dict[str, Any]) -> None:
    """Columns of different lengths, and values of other types."""
    with pytest.raises(ClientError, match="context cannot be read"):
        decode_context(json.dumps(BODY | bent).encode())
