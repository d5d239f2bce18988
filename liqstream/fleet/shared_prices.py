"""Prices in a fleet: the leader publishes what its ticks are made of, every server makes its own from it.

A channel per symbol and a plain PUBLISH: nothing is kept, and what is lost makes a mask late, never wrong.
Only symbols that some client of the fleet follows are published, and a server receives only those of which
its own clients want ticks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress

import structlog
from redis import asyncio as aioredis
from redis.asyncio.client import PubSub

from liqstream.fleet.redis_pubsub import RECONNECT_S, REDIS_ERRORS, RedisNames
from liqstream.fleet.scripts import closed_is_broken
from liqstream.heatmap.price_track import PriceSince, PriceTrack
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.supervision.supervise import raise_if_cancelled
from liqstream.wire.price_codec import BadPricesError, decode_prices, encode_prices

log = structlog.get_logger(__name__)

_WAIT_S = 0.25
"""For a message, before what is wanted is looked at again: a symbol's first ticks are as late at most."""


class SharedPrices:
    """Joins one server's prices to the fleet's; `publish` and `receive` are tasks of their own.

    `track_of` gives this server's own price track of a symbol; it is published while `leads` says so, for the
    symbols of `demanded`, at most `per_s` times a second. Prices of the symbols of `wanted` are received, and
    `on_price` is called with those of which there are new ones.
    """

    def __init__(
        self,
        redis: aioredis.Redis,
        names: RedisNames,
        *,
        leads: Callable[[], bool],
        demanded: Callable[[], AbstractSet[str]],
        wanted: Callable[[], AbstractSet[str]],
        per_s: float,
    ) -> None:
        self.track_of: Callable[[str], PriceTrack | None] = lambda _symbol: None
        self.on_price: Callable[[Iterable[str]], None] = lambda _symbols: None
        self._redis = redis  # the caller closes it
        self._wanted = wanted  # symbols of which this server's own clients want ticks now
        self._followed: AbstractSet[str] = frozenset()  # what `_of_channel` was made of
        self._of_channel: dict[str, str] = {}  # of the channels that are subscribed to
        self._names = names  # of the channels
        self._leads = leads  # whether this server publishes now
        self._demanded = demanded  # symbols that some client of the fleet follows
        self._per_s = per_s  # publications of a symbol a second at most
        self._tracks: dict[str, PriceTrack] = {}  # what was received, by symbol
        self._changed: set[str] = set()  # to be published
        self._has_changed = asyncio.Event()  # set when something is in `_changed`

    def note(self, symbols: Iterable[str]) -> None:
        """Prices of these symbols are new on this server."""
        if self._leads():
            self._changed.update(symbols)
            self._has_changed.set()

    def price_since(self, symbol: str, position: StreamPosition) -> PriceSince | None:
        """What the fleet's leader published, as of a snapshot; None if unknown."""
        track = self._tracks.get(symbol)
        return None if track is None else track.since(position)

    async def publish(self) -> None:
        """Publish what is new, the first after a quiet time at once, until cancelled."""
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            changed, self._changed = self._changed & self._demanded(), set()
            if self._leads():
                await self._publish(sorted(changed))
            await asyncio.sleep(1 / self._per_s)

    async def _publish(self, symbols: Sequence[str]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for symbol in symbols:
            track = self.track_of(symbol)
            payload = None if track is None else encode_prices(symbol, track)
            if payload is not None:
                _ = pipeline.publish(self._names.prices(symbol), payload)
        try:
            with closed_is_broken():
                await pipeline.execute()
        except REDIS_ERRORS as error:
            log.debug("prices_not_published", reason=str(error))

    async def receive(self) -> None:
        """Take what the leader publishes, until cancelled; while Redis is away it keeps connecting."""
        while True:
            pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
            try:
                with closed_is_broken():
                    self._followed, self._of_channel = frozenset(), {}
                    while True:
                        await self._follow_wanted(pubsub)
                        if not pubsub.subscribed:  # nobody wants any, and there is nothing to read from
                            await asyncio.sleep(_WAIT_S)
                            continue
                        message = await pubsub.get_message(timeout=_WAIT_S)
                        if message is not None:
                            self._take(message["channel"].decode(), message["data"])
                            await asyncio.sleep(0)  # what came together is read without a wait
            except REDIS_ERRORS as error:
                raise_if_cancelled(error)
                log.debug("prices_not_received", reason=str(error))
            finally:
                with suppress(*REDIS_ERRORS), closed_is_broken():
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(RECONNECT_S)

    async def _follow_wanted(self, pubsub: PubSub) -> None:
        """Receive what is wanted now, and keep nothing of what is not."""
        wanted_now = self._wanted()
        if wanted_now == self._followed:
            return
        self._followed = frozenset(wanted_now)
        wanted = {self._names.prices(symbol): symbol for symbol in self._followed}
        before, self._of_channel = self._of_channel, wanted
        if added := wanted.keys() - before.keys():
            await pubsub.subscribe(*added)
        if ended := before.keys() - wanted.keys():
            await pubsub.unsubscribe(*ended)
            for channel in ended:
                self._tracks.pop(before[channel], None)

    def _take(self, channel: str, payload: bytes) -> None:
        symbol = self._of_channel.get(channel)
        if symbol is None:
            return  # of a symbol that nobody wants any more
        try:
            prices = decode_prices(payload, symbol)
        except BadPricesError as error:
            log.warning("published_prices_refused", symbol=symbol, reason=str(error)[:200])
            return
        prices.note_in(self._tracks.setdefault(symbol, PriceTrack()))
        self.on_price((symbol,))
