"""liqstream/client/positions.py: measured positions as a server has them; what is none is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from liqstream.client import ClientError, HeatmapClient
from liqstream.client.positions import decode_positions
from tests.support.measured_server import collector_of, measured_server, until_read

POSITION: dict[str, Any] = {
    "address": "0x1234..abcd",
    "side": "long",
    "usd": 5,
    "size": 1.5,
    "entry": None,
    "level": 95_000.5,
    "margin": "cross",
    "age_ms": 61_000,
    "moves_with_others": True,
}
BODY: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "measured": True,
    "source": "live",
    "state": "reading",
    "data": [POSITION],
}


def test_what_is_not_known_yet_is_none() -> None:
    """Keys that are new are passed over."""
    found = decode_positions(json.dumps(BODY | {"news": 1}).encode())
    assert (found.coverage, found.age, found.sentence, found.liquidations) == (None, None, None, None)
    assert found.positions[0].level == 95_000.5
    assert repr(found) == "<MeasuredPositions BTCUSDT 1 of 5, live: nothing known yet>"


@pytest.mark.parametrize(
    "bent",
    [
        {"data": None},
        {"data": [{**POSITION, "side": "up"}]},
        {"data": [{**POSITION, "level": None}]},
        {"coverage": {"long": 1}},
        {"symbol": 5},
    ],
)
def test_what_cannot_be_read_is_refused(bent: dict[str, Any]) -> None:
    """In one sentence."""
    with pytest.raises(ClientError, match="positions cannot be read"):
        decode_positions(json.dumps(BODY | bent).encode())


@pytest.mark.simulated
async def test_every_field_that_a_server_serves_is_read(tmp_path: Path) -> None:
    """Of each object the client has all keys and no other; a band and a side are what was asked for."""
    async with measured_server(tmp_path) as server:
        await until_read(server, 60)
        collector = collector_of(server)
        collector.liquidations.capture.note_trade("BTC", collector.now_ms(), 100.0, is_covered=False)
        served = await (await server.get("/api/positions/BTCUSDT?limit=3")).json()
        async with HeatmapClient(str(server.make_url("/"))) as client:
            found = await client.positions("BTC/USDT:USDT", most=200)
            price = (await client.latest("BTCUSDT")).current_price
            some = await client.positions("BTCUSDT", side="short", prices=(price, 1.2 * price), most=5)
            with pytest.raises(ClientError, match="from 1 to 200"):
                await client.positions("BTCUSDT", most=201)
    assert served.pop("measured") is True
    assert {("positions" if key == "data" else key) for key in served} == set(found.__struct_fields__)
    for key, part in (
        ("coverage", found.coverage),
        ("age", found.age),
        ("liquidations", found.liquidations),
    ):
        assert part is not None
        assert set(served[key]) == set(part.__struct_fields__)
    assert set(served["data"][0]) == set(found.positions[0].__struct_fields__)
    assert found.source == "simulated"
    assert found.sentence is not None
    assert "if open interest counts one side" in found.sentence
    assert 0 < len(some.positions) <= 5
    assert {each.side for each in some.positions} == {"short"}
    assert all(price <= each.level <= 1.2 * price for each in some.positions)
