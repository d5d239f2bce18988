"""The collector a server's settings ask for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from liqstream.ingest.feed_factory import exchange_feed
from liqstream.server.positions_setup import PositionsMetrics, make_collector, positions_report
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings
from liqstream.store.market_store import MarketStore


def settings_of(folder: Path, **options: Any) -> Settings:
    """Hyperliquid followed, positions on."""
    given = {"exchanges": "hyperliquid", "positions": True, "db_path": folder / "a.duckdb"}
    return load_settings(**(given | options))


@pytest.fixture(name="plain")
def _plain(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture(name="own_node")
def _own_node(tmp_path: Path) -> Settings:
    return settings_of(tmp_path, positions_url="http://localhost:3001", positions_weight=0)


@pytest.fixture(name="bad")
def _bad(tmp_path: Path) -> list[Settings]:
    return [settings_of(tmp_path, positions_weight=weight) for weight in (0, 59)]


async def test_feed_and_reads_share_one_ledger(plain: Settings) -> None:
    """Where both ask Hyperliquid itself."""
    store = await MarketStore.open(plain.db_path)
    feed = exchange_feed(plain, "hyperliquid")
    collector = make_collector(plain, store, [feed], leads=lambda: True)
    assert collector.ledger is feed.ledger
    assert collector.ledger.positions_most == 800
    assert collector.setup.base_url == "https://api.hyperliquid.xyz"
    report = positions_report(collector)
    assert report == {
        "state": "reading",
        "source": "live",
        "accounts": 0,
        "positions": 0,
        "trades": False,
        "deadline_factor": 1.0,
        "makers": 0,
        "fills_queued": 0,
    }
    collector.ended = "https://user:secret@x.y answers 403"
    assert "secret" not in positions_report(collector)["reason"]
    names = {family.name for family in PositionsMetrics(collector).collect()}
    assert {"liqstream_positions_deadline_factor", "liqstream_liquidation_capture_ratio"} <= names
    await store.close()


async def test_a_node_of_ones_own_has_no_limit(own_node: Settings) -> None:
    """And shares nothing with the feed."""
    store = await MarketStore.open(own_node.db_path)
    feed = exchange_feed(own_node, "hyperliquid")
    collector = make_collector(own_node, store, [feed], leads=lambda: True)
    assert feed.ledger is None
    assert collector.ledger.positions_most == math.inf
    assert collector.setup.base_url == "http://localhost:3001"
    assert collector.setup.fills_url == "https://api.hyperliquid.xyz"
    assert collector.setup.ws_url == "wss://api.hyperliquid.xyz"
    await store.close()


async def test_a_weight_that_is_not_allowed(bad: list[Settings]) -> None:
    """One line that says what is."""
    store = await MarketStore.open(bad[0].db_path)
    for settings in bad:
        with pytest.raises(BadSettingError, match="from 60 to 1100"):
            make_collector(settings, store, [], leads=lambda: True)
    await store.close()
