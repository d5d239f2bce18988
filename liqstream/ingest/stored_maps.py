"""Makes maps of what the store holds, of many markets beside everything else.

With weeks behind it a market takes a third of a second: hundreds of them would keep the port closed, or a
feed from listening, for minutes. Once a market has a price, its map is made when somebody asks for it
(heatmap/market_states.py).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import chain, zip_longest

from liqstream.feeds.feed import Feed
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.ingest.followed_markets import markets_of
from liqstream.market import MarketKey

AT_ONCE = 30
"""So many markets are waited for: a symbol on three exchanges is three."""


class StoredMaps:
    """Of the markets that `feeds` deliver; `renew` makes the maps of some of them anew, of stored history."""

    def __init__(
        self, feeds: Sequence[Feed], maps: LiveMaps, renew: Callable[[set[MarketKey]], Awaitable[None]]
    ) -> None:
        self._feeds = tuple(feeds)  # know what is watched
        self._maps = maps  # know what has a price
        self._renew = renew  # see the class
        # Markets that wait, and whether a map that there is has to be made anew.
        self._waiting: dict[MarketKey, bool] = {}
        self._arrived = asyncio.Event()  # set by each of them

    async def show_first(self) -> None:
        """Make the maps of a start: it waits for the first markets, of the first symbols of each feed."""
        rounds = zip_longest(*map(markets_of, self._feeds))
        markets = [market for market in chain.from_iterable(rounds) if market is not None]
        self._wait(markets[AT_ONCE:], anew=False)
        await self._renew(set(markets[:AT_ONCE]))

    async def make_anew(self, markets: set[MarketKey]) -> None:
        """Make these anew: now if they are few, else soon."""
        if len(markets) <= AT_ONCE:
            await self._renew(markets)
        else:
            self._wait(markets, anew=True)

    async def run(self) -> None:
        """Make those that wait, one after the other, what is watched by then first; until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                watched = {symbol for feed in self._feeds for symbol in feed.watched_by()}
                first = next(iter(self._waiting))
                market = next((each for each in self._waiting if each.symbol in watched), first)
                # Of a market with a price a map is made when it is asked for, and the table asks for all.
                if self._waiting.pop(market) or math.isnan(self._maps.market(market).price_usd):
                    await self._renew({market})

    def forget(self, market: MarketKey) -> None:
        """Make none of a market that is followed no more."""
        self._waiting.pop(market, None)

    def _wait(self, markets: Collection[MarketKey], *, anew: bool) -> None:
        for market in markets:
            self._waiting[market] = anew or self._waiting.get(market, False)
            self._arrived.set()
