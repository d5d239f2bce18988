"""Feeds of a market of which all is history: nothing more happens while a test looks at it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from liqstream.feeds.bar_replay import ReplayFeed
from liqstream.feeds.feed import Feed
from liqstream.market import MarketEvent


def paused_replays(
    recorded: Callable[[str], list[MarketEvent]], exchanges: Collection[str], *, warmup_ms: int
) -> Callable[..., Coroutine[Any, Any, Sequence[Feed]]]:
    """What makes a feed of BTCUSDT on each of `exchanges`, from what `recorded` returns of it."""

    async def made(*_: object) -> Sequence[Feed]:
        return [
            ReplayFeed(
                recorded(exchange), exchange=exchange, symbol="BTCUSDT", speed=1e-6, warmup_ms=warmup_ms
            )
            for exchange in exchanges
        ]

    return made
