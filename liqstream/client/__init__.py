"""The Python client of a liqstream server; it needs none of the server's parts.

async with HeatmapClient("ws://127.0.0.1:8000") as client:
    async for snapshot in client.subscribe("BTCUSDT", "ETHUSDT", update_interval_s=1):
        print(snapshot.symbol, snapshot.current_price, snapshot.long_usd.sum())
"""

from .account import Account
from .errors import (
    CannotConnectError,
    ClientError,
    OldServerError,
    RefusedError,
    UnknownSymbolError,
)
from .forecast import Chance, ExpectedSide, Forecast, HorizonForecast, Skill
from .heatmap_client import HeatmapClient, Status
from .history import History
from .levels import Level, Levels
from .market_table import MarketTable, MarketTables
from .snapshot import Snapshot, Tick
from .subscription import Subscription

__all__ = [
    "Account",
    "CannotConnectError",
    "Chance",
    "ClientError",
    "ExpectedSide",
    "Forecast",
    "HeatmapClient",
    "History",
    "HorizonForecast",
    "Level",
    "Levels",
    "MarketTable",
    "MarketTables",
    "OldServerError",
    "RefusedError",
    "Skill",
    "Snapshot",
    "Status",
    "Subscription",
    "Tick",
    "UnknownSymbolError",
]
