"""Cooldowns of the alerts file: a restart goes on with them, where the store or Redis has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from liqstream.alerts.firing import Firing
from liqstream.alerts.kept_cooldowns import COOLDOWN_KIND, COOLDOWN_LIMITS, KeptCooldowns
from liqstream.alerts.records import StoredRecords
from liqstream.alerts.rule_table import RuleBook
from liqstream.alerts.rules import OwnedRule, Rule
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from liqstream.supervision.timing import Timing


class Unreachable(StoredRecords):
    """Records that cannot be kept the first time."""

    attempts = 0
    kept: asyncio.Event

    async def put_all(self, records: Sequence[tuple[str, str, str]]) -> int:
        """Fails once."""
        self.attempts += 1
        if self.attempts == 1:
            raise StoreError("the disk is away")
        count = await super().put_all(records)
        self.kept.set()
        return count


RULES = [Rule(name=name, kind="sweep", to=["ops"], cooldown_s=900.0) for name in ("kept", "changed", "gone")]


async def test_a_cooldown_outlives_a_restart(tmp_path: Path) -> None:
    """Of a rule, market and side, until it is over; a changed rule begins anew, and a test begins none."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    now_ms = 1_780_000_000_000

    async def restarted(rules: list[Rule]) -> tuple[KeptCooldowns, RuleBook]:
        owned = [OwnedRule("", rule) for rule in rules]
        book = RuleBook(owned)
        records = await StoredRecords.open(store, COOLDOWN_KIND, COOLDOWN_LIMITS)
        timing = Timing(clock_s=lambda: 50.0, now_ms=lambda: now_ms)
        kept = KeptCooldowns(owned, book, records, timing=timing)
        await kept._resume()
        return kept, book

    def due(book: RuleBook, symbol: str, side: str, now_s: float) -> list[str]:
        (table,) = book.tables("sweep", symbol)
        rows = table.due(symbol, side, np.ones(len(table.rules), dtype=bool), now_s)
        return [table.rules[row].rule.name for row in rows]

    kept, _ = await restarted(RULES)
    for name in ("kept", "changed", "gone"):
        kept.take(Firing(name, "", "BTCUSDT", "sweep", "x", now_ms, facts={"side": "long"}))
    kept.take(Firing("kept", "", "BTCUSDT", "sweep", "x", now_ms, is_test=True, facts={"side": "short"}))
    kept.take(Firing("kept", "an owner", "ETHUSDT", "sweep", "x", now_ms, facts={"side": "long"}))
    await kept.keep()
    now_ms += 100_000
    rules = [RULES[0], replace(RULES[1], min_usd=5.0)]
    _, book = await restarted(rules)
    assert due(book, "BTCUSDT", "long", 50) == ["changed"]
    assert due(book, "BTCUSDT", "long", 50 + 900 - 101) == ["changed"]
    assert due(book, "BTCUSDT", "long", 50 + 900 - 99) == ["kept", "changed"]
    assert due(book, "BTCUSDT", "short", 50) == due(book, "ETHUSDT", "long", 50) == ["kept", "changed"]
    assert len(await StoredRecords.open(store, COOLDOWN_KIND, COOLDOWN_LIMITS)) == 1
    now_ms += 800_000
    _, book = await restarted(rules)
    assert due(book, "BTCUSDT", "long", 50) == ["kept", "changed"]
    records = await StoredRecords.open(store, COOLDOWN_KIND, COOLDOWN_LIMITS)
    assert len(records) == 0, "what is over is forgotten"
    await records.put("file", "x", "[" * 100_000)
    await restarted(rules)
    await store.close()


async def test_what_could_not_be_kept_is_kept_by_itself_once_that_works(tmp_path: Path) -> None:
    """Nothing else has to be raised for it: that may be an hour later, after a restart."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    owned = [OwnedRule("", rule) for rule in RULES]
    records = Unreachable(store, COOLDOWN_KIND, COOLDOWN_LIMITS)
    records.kept = asyncio.Event()
    kept = KeptCooldowns(owned, RuleBook(owned), records, unreachable=(StoreError,))
    kept.take(Firing("kept", "", "BTCUSDT", "sweep", "x", 1_780_000_000_000, facts={"side": "long"}))
    with pytest.raises(StoreError):
        await kept.keep()
    running = asyncio.create_task(kept.run())
    async with asyncio.timeout(10):
        await records.kept.wait()
    assert len(await StoredRecords.open(store, COOLDOWN_KIND, COOLDOWN_LIMITS)) == 1
    running.cancel()
    await asyncio.wait([running])
    await store.close()
