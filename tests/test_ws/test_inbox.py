"""Whatever is offered in whatever order, a symbol's snapshots come out in theirs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ws.inbox import Inbox
from liqstream.ws.redis_pubsub import order
from tests.snapshots import first_snapshot

FIRST = first_snapshot()
snapshots = st.builds(
    lambda symbol, epoch, seq: replace(FIRST, symbol=symbol, epoch=epoch, seq=seq),
    st.sampled_from(["BTCUSDT", "ETHUSDT"]),
    st.integers(1, 4),
    st.integers(1, 6),
)


async def drained(inbox: Inbox) -> list[HeatmapSnapshot]:
    """Everything that waits."""
    ticks = inbox.ticks()
    found: list[HeatmapSnapshot] = []
    while inbox.has_mail():
        found += await anext(ticks)
    return found


@given(st.lists(st.lists(snapshots, max_size=8), max_size=8))
def test_only_what_is_newer_comes_out(batches: list[list[HeatmapSnapshot]]) -> None:
    """Per symbol (epoch, seq) only grows, nothing comes twice, and the newest offered comes last."""

    async def run() -> None:
        inbox = Inbox()
        inbox.follow(frozenset({"BTCUSDT", "ETHUSDT"}))
        seen: list[HeatmapSnapshot] = []
        for batch in batches:
            for snapshot in batch:
                inbox.offer(snapshot)
            seen += await drained(inbox)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            offered = [order(s) for batch in batches for s in batch if s.symbol == symbol]
            orders = [order(s) for s in seen if s.symbol == symbol]
            assert orders == sorted(set(orders))
            assert orders[-1:] == ([max(offered)] if offered else [])
        assert inbox.highest_epoch == max((s.epoch for batch in batches for s in batch), default=0)

    asyncio.run(run())


async def test_a_symbol_that_is_followed_again_gets_the_one_it_had() -> None:
    """Nobody followed it in between: who comes now must not wait for the market to move."""
    inbox = Inbox()
    inbox.follow(frozenset({"BTCUSDT"}))
    assert inbox.offer(FIRST)
    assert not inbox.offer(FIRST)
    assert await drained(inbox) == [FIRST]
    inbox.follow(frozenset())
    inbox.follow(frozenset({"BTCUSDT"}))
    assert inbox.awaited == {"BTCUSDT"}
    assert inbox.offer(FIRST)
    assert await drained(inbox) == [FIRST]


async def test_what_nobody_follows_is_known_but_not_yielded() -> None:
    """It costs no broadcast, and its epoch counts."""
    inbox = Inbox()
    assert inbox.offer(FIRST)
    assert inbox.newest["BTCUSDT"] is FIRST
    assert inbox.highest_epoch == FIRST.epoch
    assert not inbox.has_mail()
