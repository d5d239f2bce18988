"""The answer of /ready: is there a fresh map of every symbol, and is every feed alive?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from liqstream.feeds.feed import FeedStatus
from liqstream.heatmap.latest import LiveMaps


@dataclass(slots=True)
class Readiness:
    """Starting until `watch` is called; then ready, or degraded while anything is stale or cut off."""

    symbols: tuple[str, ...]
    _maps: LiveMaps | None = None
    _statuses: Callable[[], dict[str, FeedStatus]] | None = None
    _stopping: bool = False

    def watch(self, maps: LiveMaps, statuses: Callable[[], dict[str, FeedStatus]]) -> None:
        """Everything has started: report on these from now on."""
        self._maps, self._statuses = maps, statuses

    async def stopping(self, _app: web.Application) -> None:
        """The server goes down: no new work, please."""
        self._stopping = True

    def source(self) -> str:
        """What the maps are made of, for the page's label."""
        sources = {self._maps.source(symbol) for symbol in self.symbols} if self._maps else set()
        return next((name for name in ("simulated", "replay") if name in sources), "live")

    def report(self) -> dict[str, Any]:
        """The body of /ready."""
        symbols = {symbol: self._symbol(symbol) for symbol in self.symbols}
        feeds = {name: _feed(status) for name, status in (self._statuses() if self._statuses else {}).items()}
        return {
            "status": self._status(symbols, feeds),
            "role": "standalone",
            "redis": "off",
            "symbols": symbols,
            "feeds": feeds,
        }

    def _status(self, symbols: dict[str, dict[str, Any]], feeds: dict[str, dict[str, Any]]) -> str:
        if self._stopping:
            return "stopping"
        if self._maps is None:
            return "starting"
        sound = all(not symbol["stale"] for symbol in symbols.values()) and all(
            feed["connected"] for feed in feeds.values()
        )
        return "ready" if sound else "degraded"

    def _symbol(self, symbol: str) -> dict[str, Any]:
        if self._maps is None:
            return {"source": None, "stale": True, "age_ms": None, "epoch": None, "seq": None}
        now_s = time.monotonic()
        spoke_s = [m.last_event_s for m in self._maps.markets(symbol) if m.last_event_s is not None]
        last = self._maps.last_snapshot(symbol)
        return {
            "source": self._maps.source(symbol),
            "stale": self._maps.is_stale(symbol),
            "age_ms": round((now_s - max(spoke_s)) * 1000) if spoke_s else None,
            "epoch": last.epoch if last else None,
            "seq": last.seq if last else None,
        }


def _feed(status: FeedStatus) -> dict[str, Any]:
    age_s = None if status.last_message_s is None else time.monotonic() - status.last_message_s
    return {
        "connected": status.connected,
        "last_message_age_ms": None if age_s is None else round(age_s * 1000),
        "reconnects": status.reconnects,
        "last_error": status.last_error,
    }
