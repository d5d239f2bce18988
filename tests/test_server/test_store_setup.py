"""liqstream/server/store_setup.py: the store is open while the server runs, and old data goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from liqstream.http.app_keys import STORE
from liqstream.server.app_keys import SETTINGS, SUPERVISOR
from liqstream.server.store_setup import store_ctx
from liqstream.settings.table import Settings
from liqstream.supervision.supervise import Supervisor
from tests.support.store_records import candle

PLAYED = (("", "", True), ("store", "", False), ("", "2026-01-01", False))


@pytest.fixture
def app(tmp_path: Path) -> web.Application:
    made = web.Application()
    made[SUPERVISOR] = Supervisor()
    made[SETTINGS] = Settings(_env_file=None, db_path=tmp_path / "m.duckdb")
    return made


@pytest.mark.parametrize(("replay", "demo_start", "expires"), PLAYED)
async def test_what_is_played_is_never_too_old(
    app: web.Application, replay: str, demo_start: str, expires: bool
) -> None:
    """By the computer's clock a recording, or a simulated market of another time, would be."""
    app[SETTINGS] = app[SETTINGS].model_copy(update={"replay": replay, "demo_start": demo_start})
    running = store_ctx(app)
    await anext(running)
    await app[STORE].append([candle(0)])
    await asyncio.sleep(0)
    assert ("retention" in app[SUPERVISOR].names) == expires
    with pytest.raises(StopAsyncIteration):
        await anext(running)
