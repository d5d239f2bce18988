"""The response of /ready: is there a fresh map of every symbol, and is every feed connected?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from liqstream.client.url_mask import masked
from liqstream.feeds.feed import FeedStatus, history_percent
from liqstream.fleet.coordinator import Coordinator
from liqstream.fleet.roles import NodeRole
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot, iso_utc
from liqstream.heatmap.young_market import young_facts
from liqstream.supervision.supervise import FailingTask, Supervisor


@dataclass(slots=True)
class Readiness:
    """Starting until `watch` is called; then ready, or degraded while anything is stale, cut off or failing.

    It is failed while the stream is down: clients are then better served elsewhere.
    """

    symbols: Sequence[str]
    tasks: Supervisor = field(default_factory=Supervisor)
    stream_is_down: Callable[[], bool] = lambda: False
    store_condition: Callable[[], str] = lambda: "ok"
    shares_port: bool = False
    """Whether other processes serve the same port, each with caps of its own."""
    positions: Callable[[], dict[str, Any]] = dict
    """What is reported of measured positions; {} where none are measured."""
    market_choice: Callable[[], dict[str, Any]] = dict
    """How the symbols are chosen; {} where they are named."""
    leaders_history: Callable[[str], int | None] = lambda _symbol: None
    """How much of a symbol's past the leader has; None once it is whole, or not known."""
    _maps: LiveMaps | None = None
    _statuses: Callable[[], dict[str, FeedStatus]] = dict
    _fleet: Coordinator | None = None
    _started: bool = False
    _stopping: bool = False

    def watch(
        self,
        maps: LiveMaps | None,
        statuses: Callable[[], dict[str, FeedStatus]],
        fleet: Coordinator | None = None,
    ) -> None:
        """Everything has started: report on these from now on. A server that only fans out has no maps."""
        self._maps, self._statuses, self._fleet, self._started = maps, statuses, fleet, True

    async def stopping(self, _app: web.Application) -> None:
        """The server goes down: report that it takes no new work."""
        self._stopping = True

    def source(self) -> str:
        """What the maps are made of, for the page's label."""
        sources = {self._symbol(symbol)["source"] for symbol in self.symbols}
        return next((name for name in ("simulated", "replay") if name in sources), "live")

    def report(self) -> dict[str, Any]:
        """The body of /ready."""
        symbols = {symbol: self._symbol(symbol) for symbol in self.symbols}
        feeds = {name: _feed(status) for name, status in self._statuses().items()}
        tasks = {name: _task(state) for name, state in self.tasks.failing().items()}
        return {
            "status": self._status(symbols, feeds, tasks),
            "role": self._fleet.role if self._fleet else NodeRole.STANDALONE,
            "redis": self._fleet.redis if self._fleet else "off",
            **(_fleet(self._fleet) if self._fleet else {}),
            **({"caps": "per process"} if self.shares_port else {}),
            **({"markets": chosen} if (chosen := self.market_choice()) else {}),
            "symbols": symbols,
            "feeds": feeds,
            **({"tasks": tasks} if tasks else {}),
            **({"positions": positions} if (positions := self.positions()) else {}),
            **({"store": condition} if (condition := self.store_condition()) != "ok" else {}),
        }

    def _status(
        self, symbols: dict[str, dict[str, Any]], feeds: dict[str, dict[str, Any]], tasks: dict[str, Any]
    ) -> str:
        if self._stopping:
            return "stopping"
        if not self._started:
            return "starting"
        if self.stream_is_down():
            return "failed"
        if not self._has_a_map():
            return "starting"
        if self._fleet is not None and (not self._fleet.leader or self._fleet.unmade()):
            return "degraded"
        is_sound = (
            not tasks
            and self.store_condition() == "ok"
            and all(not symbol["stale"] for symbol in symbols.values())
            and all(feed["connected"] for feed in feeds.values())
        )
        return "ready" if is_sound else "degraded"

    def _has_a_map(self) -> bool:
        """A server without data has nothing to give to clients that another could have served.

        One that only fans out gets maps once clients ask it for them, and must be sent those first: it counts
        as having one while somebody makes them.
        """
        maps, fleet = self._maps, self._fleet
        if fleet is not None and any(fleet.newest(symbol) is not None for symbol in self.symbols):
            return True
        if maps is None:
            return fleet is None or bool(fleet.leader)
        return any(map(maps.has_price, self.symbols))

    def _history(self, symbol: str) -> dict[str, int]:
        """How much of its past is there, here or, on a server that only fans out, where the maps are made."""
        if self._maps is None:
            percent = self.leaders_history(symbol)
        else:
            percent = history_percent(self._statuses(), self._maps.exchanges(symbol), symbol)
        return {} if percent is None else {"history_percent": percent}

    def _symbol(self, symbol: str) -> dict[str, Any]:
        is_unmade = self._fleet is not None and symbol in self._fleet.unmade()
        return self._state(symbol) | ({"unmade": True} if is_unmade else {})

    def _state(self, symbol: str) -> dict[str, Any]:
        last = self._fleet.newest(symbol) if self._fleet else None
        if self._maps is None:
            return {**_received(last), **self._history(symbol)}
        now_s = time.monotonic()
        last_record_s = [m.last_event_s for m in self._maps.markets(symbol) if m.last_event_s is not None]
        last = last or self._maps.last_snapshot(symbol)
        silent = self._maps.silent_exchanges(symbol)
        ages_ms = {name: None if age_s is None else round(age_s * 1000) for name, age_s in silent.items()}
        return {
            "source": self._maps.source(symbol),
            "stale": self._maps.is_stale(symbol),
            "age_ms": round((now_s - max(last_record_s)) * 1000) if last_record_s else None,
            "epoch": last.epoch if last else None,
            "seq": last.seq if last else None,
            **({"silent_ms": ages_ms} if ages_ms else {}),
            **young_facts(self._maps, symbol),
            **self._history(symbol),
        }


def _fleet(fleet: Coordinator) -> dict[str, Any]:
    """This server's place in its fleet; `leader` is "" while it knows of none."""
    return {"mode": fleet.mode, "server": fleet.server, "leader": fleet.leader}


def _received(last: HeatmapSnapshot | None) -> dict[str, Any]:
    """What a server without maps of its own knows of a symbol; no client may have subscribed to it yet."""
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


def _task(state: FailingTask) -> dict[str, Any]:
    return {
        "since": iso_utc(state.since_ms),
        "failures": state.failures,
        "last_error": masked(state.error),
        "next_try": iso_utc(state.next_try_ms),
    }


def _feed(status: FeedStatus) -> dict[str, Any]:
    age_s = None if status.last_message_s is None else time.monotonic() - status.last_message_s
    return {
        "connected": status.connected,
        "last_message_age_ms": None if age_s is None else round(age_s * 1000),
        "reconnects": status.reconnects,
        "last_error": masked(status.last_error),
        **({"last_refusal": status.last_refusal} if status.last_refusal else {}),
        **({"note": status.note} if status.note else {}),
        **({"next_try": iso_utc(status.next_try_ms)} if status.next_try_ms is not None else {}),
        **({"unproven": status.unproven} if status.unproven else {}),
        **({"address": masked(status.address)} if status.address else {}),
    }
