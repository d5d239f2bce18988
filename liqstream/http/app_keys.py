"""What the handlers share, by its key in the application; app.py puts it there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from liqstream.alerts.firing import Firings
from liqstream.alerts.records import OwnedRecords
from liqstream.fanout.market_stream import MarketStream
from liqstream.heatmap.history import Histories
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ingest.measured_layer import MeasuredLayer
from liqstream.store.market_store import MarketStore
from liqstream.store.owned_records import RecordLimits

FIRINGS = web.AppKey("firings", Firings)
"""Takes every alert that is raised here to all that deliver it."""
LATEST: web.AppKey[Callable[[str], Awaitable[HeatmapSnapshot | None]]] = web.AppKey("latest")
"""A symbol's newest snapshot: the maps', or the fleet's where several servers share one stream."""
MAPS = web.AppKey("maps", LiveMaps)
RECORDS: web.AppKey[Callable[[str, RecordLimits], Awaitable[OwnedRecords]]] = web.AppKey("records")
"""Opens what is kept for owners, by kind; any server of a fleet reads and writes the same."""
STORE = web.AppKey("store", MarketStore)
HISTORIES = web.AppKey("histories", Histories)
MEASURED_LAYER = web.AppKey("measured_layer", MeasuredLayer)
"""Set where positions are measured."""
SYMBOLS: web.AppKey[Sequence[str]] = web.AppKey("symbols")
"""The symbols that are followed now; the list may change."""
MARKETS = web.AppKey("markets", MarketStream)
"""The newest table of markets, this server's own or the fleet's."""
