"""liqstream/client/liquidations.py: realised liquidations as a server has them; what is none is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liqstream.client import ClientError
from liqstream.client.liquidations import decode_liquidations

EVENT = {
    "timestamp": 1_780_000_000_000,
    "exchange": "okx",
    "side": "short",
    "price": 1.25e-05,
    "quantity": 4_000_000,
    "notional_usd": 50,
}
TOTAL = {"timestamp": 1_780_000_000_000, "interval_ms": 300_000, "long_usd": 0, "short_usd": 2.5e6}
BODY: dict[str, Any] = {
    "symbol": "PEPEUSDT",
    "exchanges": ["okx"],
    "data": [EVENT],
    "older_omitted": 3,
    "totals": [TOTAL],
}


def test_every_field_is_read() -> None:
    """Keys that are new are passed over; `capture` is only there where an exchange publishes none."""
    found = decode_liquidations(json.dumps(BODY | {"later": 1}).encode())
    assert found.events[0].price == 1.25e-05
    assert (found.totals[0].open_time_ms, found.totals[0].short_usd) == (1_780_000_000_000, 2.5e6)
    assert found.capture == {}
    assert repr(found) == "<RealisedLiquidations PEPEUSDT 4 events, longs 0, shorts 2.5M>"
    table = found.to_pandas()
    assert table["short_usd"].tolist() == [2.5e6]
    assert str(table.index[0]) == "2026-05-28 20:26:40+00:00"


@pytest.mark.parametrize(
    "bent",
    [
        {"data": None},
        {"data": [{**EVENT, "side": "up"}]},
        {"totals": [{**TOTAL, "long_usd": None}]},
        {"symbol": 5},
    ],
)
def test_what_cannot_be_read_is_refused(bent: dict[str, Any]) -> None:
    """In one sentence."""
    with pytest.raises(ClientError, match="liquidations cannot be read"):
        decode_liquidations(json.dumps(BODY | bent).encode())
