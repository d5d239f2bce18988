"""The Python client and the browser's keep to one table of behaviours: tests/client_behaviours.json.

tests/js/client_behaviours.test.js plays the same table to web/js/websocket-client.js.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from liqstream.client import HeatmapClient, RefusedError, Snapshot
from tests.test_client.scripted_server import ScriptedServer

BEHAVIOURS = json.loads((Path(__file__).parents[1] / "client_behaviours.json").read_text())


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour["name"])
async def test_client_behaves_as_the_table_says(behaviour: dict[str, Any]) -> None:
    """What the client says, hands on and counts is what the table has."""
    server = ScriptedServer(behaviour["connections"])
    async with server.serve() as url, HeatmapClient(url, backoff=lambda _: 0.0) as client:
        snapshots = client.subscribe("BTCUSDT", update_interval_s=1, keep=100)
        got = [_told(await anext(snapshots)) for _ in behaviour["gets"]]
        await server.finished.wait()
        if behaviour.get("ends") == "refused":
            with pytest.raises(RefusedError, match="for good: 45"):
                await anext(snapshots)
        account = client.account("BTCUSDT")
    assert got == behaviour["gets"]
    assert server.mistakes == []
    for name, value in behaviour.get("account", {}).items():
        assert getattr(account, name) == value, name


def _told(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "epoch": snapshot.epoch,
        "seq": snapshot.seq,
        "long": snapshot.long_usd.tolist(),
        "short": snapshot.short_usd.tolist(),
    }
