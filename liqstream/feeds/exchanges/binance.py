"""Binance USD-M perpetual futures. https://developers.binance.com/docs/derivatives/usds-margined-futures

The stream's liquidations are a lower bound: since 2026-04-10 the largest forced order per symbol and second.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from liqstream.feeds.dialects.binance_style import BinanceStyle


class Binance(BinanceStyle):
    """See the module."""

    name: ClassVar[str] = "binance"
    display_name: ClassVar[str] = "Binance"
    rest_url: ClassVar[str] = "https://fapi.binance.com"
    ws_url: ClassVar[str] = "wss://fstream.binance.com"
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = (
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info",
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
        "https://developers.binance.com/docs/derivatives/change-log",
    )
    unproven: ClassVar[tuple[str, ...]] = ("open interest: one side",)
    stream_path: ClassVar[str] = "/market/stream"
    announces_contracts: ClassVar[bool] = True
