"""The Python client of a liqstream server; it needs none of the server's parts.

async with HeatmapClient("ws://127.0.0.1:8000") as client:
    async for snapshot in client.subscribe("BTCUSDT", "ETHUSDT", update_interval_s=1):
        print(snapshot.symbol, snapshot.current_price, snapshot.long_usd.sum())
"""

from liqstream.client.errors import (
    CannotConnectError,
    ClientError,
    OldServerError,
    RefusedError,
    UnknownSymbolError,
)
from liqstream.client.heatmap_client import HeatmapClient, Status
from liqstream.client.history import History
from liqstream.client.levels import Level, Levels
from liqstream.client.snapshot import Snapshot
from liqstream.client.stream import Account
from liqstream.client.subscription import Subscription

__all__ = [
    "Account",
    "CannotConnectError",
    "ClientError",
    "HeatmapClient",
    "History",
    "Level",
    "Levels",
    "OldServerError",
    "RefusedError",
    "Snapshot",
    "Status",
    "Subscription",
    "UnknownSymbolError",
]
