"""The Python client and the browser's keep to one table of behaviours: tests/client_behaviours.json.

tests/js/client_behaviours.test.js plays the same table to web/js/websocket-client.js.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from liqstream.client import ClientError, HeatmapClient, OldServerError, RefusedError, Snapshot
from tests.support.scripted_server import ScriptedServer

BEHAVIOURS = json.loads((Path(__file__).parents[1] / "client_behaviours.json").read_text())


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour["name"])
async def test_client_behaves_as_the_table_says(behaviour: dict[str, Any]) -> None:
    """What the client sends, hands on and counts is what the table has."""
    server = ScriptedServer(behaviour["connections"])
    symbols = behaviour.get("symbols", ["BTCUSDT"])
    async with (
        server.serve() as url,
        HeatmapClient(url, backoff=lambda _: 0.0) as client,
        asyncio.timeout(10),
    ):
        ticks = behaviour.get("ticks", False)
        snapshots = client.subscribe(*symbols, update_interval_s=1, keep=100, ticks=ticks)
        got = [_shown(await anext(snapshots), named=len(symbols) > 1) for _ in behaviour["gets"]]
        await server.finished.wait()
        if "ends" in behaviour:
            error, sentence = ENDS[behaviour["ends"]]
            with pytest.raises(error, match=sentence):
                await anext(snapshots)
        accounts = {symbol: asdict(client.account(symbol)) for symbol in behaviour.get("accounts", ())}
        assert client.not_understood == behaviour.get("not_understood", 0)
        if "confirmed" in behaviour:
            assert client.is_confirmed("BTCUSDT") == behaviour["confirmed"]
    assert got == behaviour["gets"]
    assert server.mistakes == []
    assert accounts == behaviour.get("accounts", {})


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour["name"])
def test_every_account_adds_up(behaviour: dict[str, Any]) -> None:
    """The table itself keeps the identity wherever all of a symbol is within one epoch."""
    for symbol, account in behaviour.get("accounts", {}).items():
        states = [
            step["say"]
            for steps in behaviour["connections"]
            for step in steps
            if step.get("say", {}).get("symbol") == symbol and not step["say"].get("repeat")
        ]
        seqs = [state["seq"] for state in states]
        if seqs and seqs == sorted(set(seqs)) and len({state["epoch"] for state in states}) == 1:
            explained = sum(account[name] for name in ("skipped", "dropped", "missed", "away"))
            assert seqs[-1] - seqs[0] == account["received"] - 1 + explained


ENDS: dict[str, tuple[type[ClientError], str]] = {
    "refused": (RefusedError, "for good: [14]"),
    "old": (OldServerError, "only protocol 1"),
}


def _shown(snapshot: Snapshot, *, named: bool) -> dict[str, Any]:
    shown = {
        "epoch": snapshot.epoch,
        "seq": snapshot.seq,
        "long": snapshot.long_usd.tolist(),
        "short": snapshot.short_usd.tolist(),
    }
    if snapshot.tick is not None:
        shown |= {"tick": snapshot.tick.n, "price": snapshot.current_price}
    return shown | ({"symbol": snapshot.symbol} if named else {})
