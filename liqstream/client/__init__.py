"""The Python client of a liqstream server; it needs none of the server's parts.

async with HeatmapClient("ws://127.0.0.1:8000") as client:
    async for snapshot in client.subscribe("BTCUSDT", "ETHUSDT", update_interval_s=1):
        print(snapshot.symbol, snapshot.current_price, snapshot.long_usd.sum())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .account import Account
    from .connection import Status
    from .context import ContextNow, ExchangeContext, LiquidationColumns, MarketContext
    from .errors import (
        CannotConnectError,
        ClientError,
        MarketEndedError,
        OldServerError,
        RefusedError,
        UnknownSymbolError,
    )
    from .forecast import Chance, ExpectedSide, Forecast, HorizonForecast, Reach, Skill
    from .heatmap_client import HeatmapClient
    from .history import History
    from .levels import Level, Levels
    from .liquidations import LiquidationEvent, LiquidationTotals, RealisedLiquidations
    from .market_table import MarketTable, MarketTables
    from .measured_score import MeasuredBaseline, MeasuredFigures, MeasuredScore, MeasuredSide
    from .positions import (
        Coverage,
        FoundLiquidations,
        LevelAges,
        MeasuredPosition,
        MeasuredPositions,
    )
    from .score import MapScore, ScoreFigures, ScoreGain, SideScore
    from .snapshot import Snapshot, Tick
    from .subscription import Subscription

__all__ = [
    "Account",
    "CannotConnectError",
    "Chance",
    "ClientError",
    "ContextNow",
    "Coverage",
    "ExchangeContext",
    "ExpectedSide",
    "Forecast",
    "FoundLiquidations",
    "HeatmapClient",
    "History",
    "HorizonForecast",
    "Level",
    "LevelAges",
    "Levels",
    "LiquidationColumns",
    "LiquidationEvent",
    "LiquidationTotals",
    "MapScore",
    "MarketContext",
    "MarketEndedError",
    "MarketTable",
    "MarketTables",
    "MeasuredBaseline",
    "MeasuredFigures",
    "MeasuredPosition",
    "MeasuredPositions",
    "MeasuredScore",
    "MeasuredSide",
    "OldServerError",
    "Reach",
    "RealisedLiquidations",
    "RefusedError",
    "ScoreFigures",
    "ScoreGain",
    "SideScore",
    "Skill",
    "Snapshot",
    "Status",
    "Subscription",
    "Tick",
    "UnknownSymbolError",
]

_MODULES = {
    "Account": "account",
    "CannotConnectError": "errors",
    "Chance": "forecast",
    "ClientError": "errors",
    "ContextNow": "context",
    "Coverage": "positions",
    "ExchangeContext": "context",
    "ExpectedSide": "forecast",
    "Forecast": "forecast",
    "FoundLiquidations": "positions",
    "HeatmapClient": "heatmap_client",
    "History": "history",
    "HorizonForecast": "forecast",
    "Level": "levels",
    "LevelAges": "positions",
    "Levels": "levels",
    "LiquidationColumns": "context",
    "LiquidationEvent": "liquidations",
    "LiquidationTotals": "liquidations",
    "MapScore": "score",
    "MarketContext": "context",
    "MarketEndedError": "errors",
    "MarketTable": "market_table",
    "MarketTables": "market_table",
    "MeasuredBaseline": "measured_score",
    "MeasuredFigures": "measured_score",
    "MeasuredPosition": "positions",
    "MeasuredPositions": "positions",
    "MeasuredScore": "measured_score",
    "MeasuredSide": "measured_score",
    "OldServerError": "errors",
    "Reach": "forecast",
    "RealisedLiquidations": "liquidations",
    "RefusedError": "errors",
    "ScoreFigures": "score",
    "ScoreGain": "score",
    "SideScore": "score",
    "Skill": "forecast",
    "Snapshot": "snapshot",
    "Status": "connection",
    "Subscription": "subscription",
    "Tick": "snapshot",
    "UnknownSymbolError": "errors",
}
"""Where each name is. A module is imported when it is asked for: whoever needs an address alone does not wait
for aiohttp and NumPy."""


def __getattr__(name: str) -> Any:
    """A name of this package, from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Every name of this package."""
    return sorted({*globals(), *__all__})
