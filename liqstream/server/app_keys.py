"""What the application's parts share, by its key; app.py puts it there."""

from __future__ import annotations

from aiohttp import web

from liqstream.fleet.coordinator import Coordinator
from liqstream.ingest.pipeline import IngestPipeline
from liqstream.market.market_list import MarketList
from liqstream.metrics import Metrics
from liqstream.server.stream_watch import StreamWatch
from liqstream.settings.table import Settings
from liqstream.store.epoch_file import EpochFile
from liqstream.supervision.supervise import Supervisor

SETTINGS = web.AppKey("settings", Settings)
FOLLOWED = web.AppKey("followed", MarketList)
"""The list that SYMBOLS shows, for who changes it."""
METRICS = web.AppKey("metrics", Metrics)
PIPELINE = web.AppKey("pipeline", IngestPipeline)
EPOCHS = web.AppKey("epochs", EpochFile)
FLEET = web.AppKey("fleet", Coordinator)
"""Set where several servers share one stream (REDIS_ENABLED)."""
SUPERVISOR = web.AppKey("supervisor", Supervisor)
"""Runs every background task."""
WATCH = web.AppKey("stream_watch", StreamWatch)
"""Sends clients elsewhere while there are no snapshots."""
