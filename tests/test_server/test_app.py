"""The application that the settings make: its routes, what it refuses, and that no failed task ends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient
from structlog.testing import capture_logs

from liqstream.ingest.pipeline import IngestPipeline
from liqstream.server.app import make_app
from liqstream.server.app_keys import METRICS, SETTINGS, SUPERVISOR
from liqstream.settings.load import BadSettingError
from liqstream.settings.server_role import ServerRole
from liqstream.settings.table import Settings
from liqstream.supervision.supervise import Supervisor
from tests.integration.test_api import paused_replay


def settings_of(folder: Path, role: ServerRole = ServerRole.ALL) -> Settings:
    return Settings(db_path=folder / "x.duckdb", symbols=("BTCUSDT",), replay="store", role=role)


async def test_a_server_starts_and_reports_itself(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """Every part is there, and nothing of it has failed."""
    app = make_app(settings_of(tmp_path), paused_replay)
    client = await aiohttp_client(app)
    async with client.get("/ready") as response:
        report = await response.json()
    assert (report["role"], report["redis"], list(report["symbols"])) == ("standalone", "off", ["BTCUSDT"])
    assert not app[SUPERVISOR].failing()


async def test_a_producer_serves_no_sockets_and_keeps_its_settings(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """WS_ENABLED stays what was set: `serves_stream` is what follows from it and the role."""
    settings = settings_of(tmp_path, ServerRole.PRODUCER)
    app = make_app(settings, paused_replay)
    assert app[SETTINGS] is settings
    client = await aiohttp_client(app)
    async with client.get("/ws/heatmap") as response:
        assert response.status == 503
    async with client.get("/health") as response:
        assert response.status == 200


async def test_a_background_task_that_fails_is_counted_and_named(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes on, degraded: /ready has its error and its next try."""

    async def fail(_self: IngestPipeline, _supervisor: Supervisor) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(IngestPipeline, "run", fail)
    with capture_logs():
        app = make_app(settings_of(tmp_path), paused_replay)
        client = await aiohttp_client(app)
        async with client.get("/ready") as response:
            report = await response.json()
    assert (response.status, report["status"]) == (200, "degraded")
    assert report["tasks"]["collect"]["last_error"] == "ValueError: broken"
    assert report["tasks"]["collect"]["next_try"] > report["tasks"]["collect"]["since"]
    count = app[METRICS].registry.get_sample_value("liqstream_task_failures_total", {"task": "collect"})
    assert count, "the next try may be at once"


def test_a_redis_url_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    """Before any resource is opened."""
    settings = settings_of(tmp_path).model_copy(update={"redis_enabled": True, "redis_url": "http://x"})
    with pytest.raises(BadSettingError, match="REDIS_URL"):
        make_app(settings, paused_replay)
    assert not (tmp_path / "x.duckdb").exists()
