"""liqstream/server/bracket_setup.py: a server starts with the brackets it read last, and goes on reading."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.http.app_keys import MAPS
from liqstream.ingest.bracket_loop import brackets_path
from liqstream.server.app import make_app
from liqstream.server.app_keys import SUPERVISOR
from liqstream.settings.load import load_settings
from tests.integration.test_api import paused_replay


@pytest.fixture
def app(tmp_path: Path) -> web.Application:
    """Beside its store lie brackets of another leverage than the bundled ones."""
    settings = load_settings(db_path=tmp_path / "m.duckdb", symbols="BTCUSDT", replay="store")
    kept = {"binance": {"as_of": "2026-11-26", "symbols": {"BTCUSDT": [[0, 1e9, 0.01, 30, 0]]}}}
    brackets_path(settings.db_path).write_text(json.dumps(kept))
    return make_app(settings, paused_replay)


async def test_the_maps_begin_with_the_kept_brackets(app: web.Application) -> None:
    """Before any exchange was asked."""
    async with TestClient(TestServer(app)):
        assert app[MAPS].model.kernel_of("BTCUSDT", "binance").max_leverage == 30
        assert app[SUPERVISOR].failing() == {}
