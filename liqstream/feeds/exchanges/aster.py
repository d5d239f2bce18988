"""Aster perpetual futures. https://github.com/asterdex/api-docs

It speaks as Binance does, at the older address of the streams. Of each symbol and second the latest forced
order is sent. Open interest of the past is not kept, and the path of its present is in no document.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from liqstream.feeds.dialects.binance_style import FUNDING_LIMIT, BinanceStyle
from liqstream.feeds.pacing import Limit


class Aster(BinanceStyle):
    """See the module."""

    name: ClassVar[str] = "aster"
    display_name: ClassVar[str] = "Aster"
    rest_url: ClassVar[str] = "https://fapi.asterdex.com"
    ws_url: ClassVar[str] = "wss://fstream.asterdex.com"
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = ("https://github.com/asterdex/api-docs",)
    unproven: ClassVar[tuple[str, ...]] = (
        "open interest: its path is in no document",
        "open interest: one side",
    )
    limits: ClassVar[tuple[Limit, ...]] = (
        Limit(2400.0, 60.0, used_header="X-MBX-USED-WEIGHT-1M"),
        FUNDING_LIMIT,
    )
    keeps_open_interest: ClassVar[bool] = False
