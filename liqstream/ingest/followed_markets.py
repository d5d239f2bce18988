"""Which markets the feeds deliver, changed while they run: new ones with their past, ended ones let go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from liqstream.feeds.feed import Feed
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.ingest.liquidation_spans import LiquidationSpans
from liqstream.ingest.own_bars import market_of
from liqstream.market import MarketEvent, MarketKey
from liqstream.store.market_store import MarketStore


def markets_of(feed: Feed) -> list[MarketKey]:
    """The markets a feed delivers now."""
    return [MarketKey(feed.exchange, symbol) for symbol in feed.symbols]


class FollowedMarkets:
    """Changes what `feeds` deliver. `renew` makes maps of stored history, `forget` drops the rest."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        store: MarketStore,
        maps: LiveMaps,
        spans: LiquidationSpans,
        interval_ms: int,
        *,
        renew: Callable[[set[MarketKey]], Awaitable[None]],
        forget: Callable[[MarketKey], None],
    ) -> None:
        self._feeds = tuple(feeds)  # asked to follow other symbols
        self._store = store  # has the past of what is new
        self._maps = maps  # lose what is ended
        self._spans = spans  # of the liquidation channels
        self._interval_ms = interval_ms  # of the bars
        self._renew = renew  # see the class
        self._forget = forget  # see the class
        # Markets that are followed no more; a batch that was on its way must not begin them anew.
        self._ended: set[MarketKey] = set()

    def of(self, batch: Sequence[MarketEvent]) -> Sequence[MarketEvent]:
        """What a batch has of markets that are followed."""
        if not self._ended:
            return batch
        left = [record for record in batch if market_of(record) not in self._ended]
        return batch if len(left) == len(batch) else type(batch)(left)  # type: ignore[call-arg]

    async def follow(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Collect these symbols from now on, by exchange; an exchange that is not named goes on as it is.

        New ones are shown as the store has them, and their past is fetched behind that. What is not followed
        any more is dropped from memory; the store keeps it. Raises StoreError where it cannot be read.
        """
        for feed in self._feeds:
            if feed.exchange in wanted and tuple(wanted[feed.exchange]) != feed.symbols:
                await self._follow(feed, wanted[feed.exchange])

    async def _follow(self, feed: Feed, symbols: Sequence[str]) -> None:
        before = set(markets_of(feed))
        after = {MarketKey(feed.exchange, symbol) for symbol in symbols}
        newest = {
            key.symbol: await self._store.newest_bar_ms(key.exchange, key.symbol, self._interval_ms)
            for key in sorted(after - before, key=lambda key: key.symbol)
        }
        self._ended = (self._ended | (before - after)) - after
        await self._renew({key for key in after - before if newest[key.symbol] is not None})
        feed.follow(symbols, newest)
        for key in before - after:
            self._forget(key)
            await self._maps.forget(key)
        self._store.enqueue(self._spans.end(feed.exchange, before - after))
