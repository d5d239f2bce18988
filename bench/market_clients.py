"""The clients of the bench of many markets: maps of four markets each, and the table of all.

Run as `python -m bench.market_clients PORT MAPS TABLES CPU MARKETS`, a process of its own. It prints "ready"
once all have what they asked for. A line on stdin begins the span that is judged, the next one ends it; then
it prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from bench.live_clients import Client, Receipt, connected

MARKETS_EACH = 4
"""Of a client of maps."""
PRICES_EVERY_S = 1.0
"""The load has a new price of each market so often."""


@dataclass(eq=False)
class MapClient(Client):
    """Follows the markets of `symbol` (several, with commas) at a snapshot a second, in protocol 2."""

    by_symbol: dict[str, list[Receipt]] = field(default_factory=dict)

    def wish(self) -> str:
        symbols = json.dumps(self.symbol.split(","), separators=(",", ":"))
        return f'{{"action":"subscribe","symbols":{symbols},"update_interval":1,"proto":2}}'

    def take_message(self, frame: bytes) -> None:
        message = payload_of(frame)
        if message["type"] in ("snapshot", "delta"):
            receipt = Receipt(time.monotonic(), message["seq"], message["data"]["current_price"])
            self.by_symbol.setdefault(message["symbol"], []).append(receipt)
            if len(self.by_symbol) == len(self.symbol.split(",")):
                self.receipts.append(receipt)


@dataclass(eq=False)
class TableClient(Client):
    """Follows the table of markets; notes of what time the data of each is."""

    data_s: list[float] = field(default_factory=list)
    """UTC seconds of the newest data in each receipt."""

    def wish(self) -> str:
        return '{"action":"subscribe","stream":"markets","proto":2}'

    def take_message(self, frame: bytes) -> None:
        message = payload_of(frame)
        if message["type"] == "markets":
            self.receipts.append(Receipt(time.time(), message["seq"], 0.0))
            self.data_s.append(datetime.fromisoformat(message["timestamp"]).timestamp())


def payload_of(frame: bytes) -> dict[str, Any]:
    """The message in a server's text frame; {"type": ""} in any other."""
    if frame[0] != 0x81:
        return {"type": ""}
    head = {126: 4, 127: 10}.get(frame[1], 2)
    message: dict[str, Any] = orjson.loads(frame[head:])
    return message


def judged(
    maps: Sequence[MapClient], tables: Sequence[TableClient], began_s: float, ended_s: float
) -> dict[str, float]:
    """What the clients saw in a span of the monotonic clock.

    Snapshots, how many were passed over or came more than half a second late, tables, how many were missed,
    and the longest that a new price was not in a table, in s.
    """
    found = {"snapshots": 0.0, "passed_over": 0.0, "late": 0.0, "tables": 0.0, "tables_missed": 0.0}
    for client in maps:
        for receipts in client.by_symbol.values():
            inside = [each for each in receipts if began_s < each.at_s <= ended_s]
            found["snapshots"] += len(inside)
            found["passed_over"] += sum(after.seq - before.seq - 1 for before, after in pairwise(inside))
            found["late"] += sum(after.at_s - before.at_s > 1.5 for before, after in pairwise(inside))
    ahead_s, unseen_s = time.time() - time.monotonic(), 0.0
    for scanner in tables:
        for at, (before, after) in enumerate(pairwise(scanner.receipts)):
            if began_s < before.at_s - ahead_s and after.at_s - ahead_s <= ended_s:
                found["tables"] += 1
                found["tables_missed"] += after.seq - before.seq - 1
                # The exchange's next prices are of a second later, and not seen until the next table.
                unseen_s = max(unseen_s, after.at_s - scanner.data_s[at] - PRICES_EVERY_S)
    return {**found, "unseen_price_s": unseen_s, "lost": sum(each.lost for each in (*maps, *tables))}


async def run(port: int, maps: int, tables: int, markets: int) -> dict[str, float]:
    """Connect, wait for the span's two ends, and judge."""
    address, loop = f"127.0.0.1:{port}", asyncio.get_running_loop()
    names = [f"C{number:03}USDT" for number in range(markets)]
    groups = [",".join(names[at : at + MARKETS_EACH]) for at in range(0, markets, MARKETS_EACH)]
    followers = await connected(address, maps, groups, MapClient)
    scanners = await connected(address, tables, [""], TableClient)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    began_s = time.monotonic()
    await loop.run_in_executor(None, sys.stdin.readline)
    return judged(followers, scanners, began_s, time.monotonic())


def main() -> None:
    """Serve the bench as its clients."""
    port, maps, tables, cpu, markets = map(int, sys.argv[1:6])
    os.sched_setaffinity(0, {cpu})
    print(json.dumps(asyncio.run(run(port, maps, tables, markets))), flush=True)


if __name__ == "__main__":
    main()
