"""Whether a market is of the coin its name says, kept over restarts: a stranger is left out from the start.

It is judged by its price beside those of other exchanges (heatmap/same_coin.py), which need not be there when
a server starts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

from liqstream.feeds.venue_state import VenueState, state_path
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.market import MarketKey
from liqstream.settings.table import Settings

COIN = "coin of "
"""How the names of these verdicts begin in the file."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class CoinVerdicts:
    """Keeps what `maps` find in the file at `path`, as verdicts of each exchange."""

    def __init__(self, path: Path, maps: LiveMaps) -> None:
        self._state = VenueState(path, _now_ms)
        self._maps = maps
        self._writing: set[asyncio.Task[None]] = set()  # kept alive until they are done

    async def recall(self, markets: Collection[MarketKey]) -> None:
        """Tell the maps which of these markets were strangers, and keep what they find from now on.

        Where none but strangers are followed of a symbol there is nothing they would be kept out of.
        """
        await self._state.sync()
        strangers = [market for market in markets if self._was_stranger(market)]
        known = {market.symbol for market in markets if market not in strangers}
        for market in strangers:
            if market.symbol in known:
                self._maps.recall_other_coin(market)
        self._maps.on_coin_judged = self._note

    def _was_stranger(self, market: MarketKey) -> bool:
        found = self._state.verdicts(market.exchange).get(f"{COIN}{market.symbol}")
        return isinstance(found, dict) and found.get("other") is True

    def _note(self, market: MarketKey, other: bool, price_usd: float) -> None:
        name = f"{COIN}{market.symbol}"
        known = self._state.verdicts(market.exchange).get(name)
        if isinstance(known, dict) and known.get("other") is other:
            return
        is_it = "another one, or counted otherwise" if other else "the same"
        sentence = f"{is_it} than elsewhere, at {price_usd:.6g} USD" if other else f"{is_it} as elsewhere"
        verdict = {"verdict": sentence, "other": other, "decided_ms": _now_ms()}
        self._state.save_verdict(market.exchange, name, verdict)
        task = asyncio.get_running_loop().create_task(self._state.sync())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Wait until everything is written."""
        if self._writing:
            await asyncio.wait(self._writing)


@asynccontextmanager
async def coins_kept(settings: Settings, maps: LiveMaps, symbols: Sequence[str]) -> AsyncIterator[None]:
    """Keep what these maps find, in the file beside the store; `symbols` are what the server begins with."""
    verdicts = CoinVerdicts(state_path(settings.db_path), maps)
    await verdicts.recall([MarketKey(*each) for each in product(settings.exchanges, symbols)])
    try:
        yield
    finally:
        await verdicts.close()
