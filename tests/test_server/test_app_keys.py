"""liqstream/server/app_keys.py: the keys of the application's parts."""

from __future__ import annotations

from aiohttp import web

from liqstream.server import app_keys
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings


def test_what_needs_no_start_is_there_at_once() -> None:
    """The rest is set as the application starts, each under a key of its own."""
    keys = {name: key for name, key in vars(app_keys).items() if isinstance(key, web.AppKey)}
    app = make_app(load_settings(symbols="BTCUSDT", replay="store"))
    there = {name for name, key in keys.items() if key in app}
    assert there == {"SETTINGS", "METRICS", "SUPERVISOR", "WATCH", "FOLLOWED"}
    assert len({str(key) for key in keys.values()}) == len(keys)
