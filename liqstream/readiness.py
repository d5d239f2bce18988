"""The answer of /ready: is there a fresh map of every symbol, and is every feed alive?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from liqstream.feeds.feed import FeedStatus
from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ws.shared_updates import SharedUpdates


@dataclass(slots=True)
class Readiness:
    """Starting until `watch` is called; then ready, or degraded while anything is stale or cut off."""

    symbols: tuple[str, ...]
    _maps: LiveMaps | None = None
    _statuses: Callable[[], dict[str, FeedStatus]] = dict
    _fleet: SharedUpdates | None = None
    _started: bool = False
    _stopping: bool = False

    def watch(
        self,
        maps: LiveMaps | None,
        statuses: Callable[[], dict[str, FeedStatus]],
        fleet: SharedUpdates | None = None,
    ) -> None:
        """Everything has started: report on these from now on. A server that only fans out has no maps."""
        self._maps, self._statuses, self._fleet, self._started = maps, statuses, fleet, True

    async def stopping(self, _app: web.Application) -> None:
        """The server goes down: no new work, please."""
        self._stopping = True

    def source(self) -> str:
        """What the maps are made of, for the page's label."""
        sources = {self._symbol(symbol)["source"] for symbol in self.symbols}
        return next((name for name in ("simulated", "replay") if name in sources), "live")

    def report(self) -> dict[str, Any]:
        """The body of /ready."""
        symbols = {symbol: self._symbol(symbol) for symbol in self.symbols}
        feeds = {name: _feed(status) for name, status in self._statuses().items()}
        return {
            "status": self._status(symbols, feeds),
            "role": self._fleet.role if self._fleet else "standalone",
            "redis": self._fleet.redis if self._fleet else "off",
            **(_fleet(self._fleet) if self._fleet else {}),
            "symbols": symbols,
            "feeds": feeds,
        }

    def _status(self, symbols: dict[str, dict[str, Any]], feeds: dict[str, dict[str, Any]]) -> str:
        if self._stopping:
            return "stopping"
        if not self._started:
            return "starting"
        if self._fleet is not None and not self._fleet.leader:
            return "degraded"
        sound = all(not symbol["stale"] for symbol in symbols.values()) and all(
            feed["connected"] for feed in feeds.values()
        )
        return "ready" if sound else "degraded"

    def _symbol(self, symbol: str) -> dict[str, Any]:
        last = self._fleet.newest(symbol) if self._fleet else None
        if self._maps is None:
            return _shared(last)
        now_s = time.monotonic()
        spoke_s = [m.last_event_s for m in self._maps.markets(symbol) if m.last_event_s is not None]
        last = last or self._maps.last_snapshot(symbol)
        return {
            "source": self._maps.source(symbol),
            "stale": self._maps.is_stale(symbol),
            "age_ms": round((now_s - max(spoke_s)) * 1000) if spoke_s else None,
            "epoch": last.epoch if last else None,
            "seq": last.seq if last else None,
        }


def _fleet(fleet: SharedUpdates) -> dict[str, Any]:
    """How this server stands in its fleet; `leader` is "" while it knows of none."""
    return {"mode": fleet.mode, "server": fleet.server, "leader": fleet.leader}


def _shared(last: HeatmapSnapshot | None) -> dict[str, Any]:
    """What a server without maps of its own knows of a symbol; nobody may have asked for it yet."""
    if last is None:
        return {"source": None, "stale": False, "age_ms": None, "epoch": None, "seq": None}
    age_ms = max(0, time.time_ns() // 1_000_000 - last.timestamp_ms)
    return {
        "source": last.source,
        "stale": last.stale,
        "age_ms": age_ms,
        "epoch": last.epoch,
        "seq": last.seq,
    }


def _feed(status: FeedStatus) -> dict[str, Any]:
    age_s = None if status.last_message_s is None else time.monotonic() - status.last_message_s
    return {
        "connected": status.connected,
        "last_message_age_ms": None if age_s is None else round(age_s * 1000),
        "reconnects": status.reconnects,
        "last_error": status.last_error,
        **({"address": status.address} if status.address else {}),
    }
