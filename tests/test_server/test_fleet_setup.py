"""A server's coordinator, as its settings have it."""

from __future__ import annotations

import pytest

from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.fleet.roles import NodeRole
from liqstream.metrics import Metrics
from liqstream.server.fleet_setup import check_redis_url, make_coordinator
from liqstream.settings.load import BadSettingError
from liqstream.settings.table import Settings
from liqstream.store.epoch_file import EpochFile


async def test_each_process_has_a_name_of_its_own() -> None:
    """Without maps it only fans out; no connection is made yet."""
    settings = Settings(redis_enabled=True, redis_url="redis://127.0.0.1:1")
    one, two = (
        make_coordinator(
            settings,
            manager=ConnectionManager(),
            maps=None,
            epochs=EpochFile(None, on_failure=lambda: None),
            metrics=Metrics(),
            symbols=settings.symbols,
        )
        for _ in range(2)
    )
    assert one.server != two.server
    assert (one.role, one.redis, one.leader) == (NodeRole.FANOUT, "down", "")


def test_a_redis_url_is_checked_only_where_it_is_used() -> None:
    """Before anything else is started, in one line."""
    check_redis_url(Settings(redis_enabled=False, redis_url="http://x"))
    check_redis_url(Settings(redis_enabled=True))
    with pytest.raises(BadSettingError, match="REDIS_URL must start with"):
        check_redis_url(Settings(redis_enabled=True, redis_url="http://x"))
