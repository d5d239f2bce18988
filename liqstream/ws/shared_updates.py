"""The stream of one server in a fleet: the leader's snapshots, or its own while there is no other way.

The same iterator of ticks as `heatmap_update_generator`, so that nothing behind it knows of Redis. A server
is one of

    leader    holds the lease: generates, publishes each tick, then yields it
    follower  yields what the leader published
    fallback  Redis is away: generates for its own clients
    cut_off   Redis or every leader is away and there is no local generator: the last maps, marked stale

Whoever begins to generate, or marks maps stale, starts an epoch above every one it has sent or seen; a
follower whose clients have seen more than the leader's epoch asks the leader to start one above.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import structlog
from redis import asyncio as aioredis

from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import Tick
from liqstream.metrics import Metrics
from liqstream.ws.candidacy import Candidacy
from liqstream.ws.inbox import Inbox
from liqstream.ws.lease import Fleet, Lease, Wants
from liqstream.ws.own_stream import OwnStream, note_produced
from liqstream.ws.redis_pubsub import (
    NOTHING,
    REDIS_ERRORS,
    Order,
    RedisNames,
    order,
    publish_snapshot,
    subscribe_to_symbols,
)

log = structlog.get_logger(__name__)

SYNC_S = 0.3
"""How often a server talks to its fleet. With the socket timeout of 1 s a hung Redis is noticed in 1.3 s."""
ASKED_FOR_S = 60.0
"""A symbol asked for over REST counts as wanted for this long, so that a polling page is served."""
ANSWER_WITHIN_S = 1.0

Mode = Literal["follower", "leader", "fallback", "cut_off"]


class SharedUpdates:
    """`run()` takes part in the fleet until cancelled; `ticks()` is its stream.

    `maps` is None on a server that cannot generate. `active_symbols`, `interval_s` and `changed` are the
    connection manager's. `server` names this process in its fleet.
    """

    def __init__(
        self,
        redis: aioredis.Redis,
        *,
        names: RedisNames,
        server: str,
        symbols: Iterable[str],
        maps: LiveMaps | None,
        active_symbols: Callable[[], frozenset[str]],
        interval_s: Callable[[], int],
        changed: asyncio.Event,
        lease_s: float,
        stale_after_s: float,
        metrics: Metrics,
        clock_s: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.mode: Mode = "follower"
        self.redis_is_up = False
        self.leader = ""
        self.server = server
        self._redis = redis
        self._names = names
        self._symbols = tuple(symbols)
        self._active_symbols = active_symbols
        self._interval_s = interval_s
        self._changed = changed
        self._sync_s = min(SYNC_S, lease_s / 3)
        self._stale_after_s = stale_after_s
        self._metrics = metrics
        self._clock_s = clock_s
        self._now_ms = now_ms
        self._lease = Lease(
            redis, names, server=server, symbols=self._symbols, lease_s=lease_s, clock_s=clock_s
        )
        self._candidacy = Candidacy(
            maps, self._symbols, lease_s=lease_s, stale_after_s=stale_after_s, clock_s=clock_s
        )
        self._inbox = Inbox()
        self._own = None if maps is None else self._own_stream(maps)
        self._others: tuple[Wants, ...] = ()
        self._truths: dict[str, Order] = {}
        self._spent_epoch = 0
        self._link_wake = asyncio.Event()
        self._news = asyncio.Event()
        self._asked_until_s: dict[str, float] = {}

    def _own_stream(self, maps: LiveMaps) -> OwnStream:
        return OwnStream(
            maps,
            self._inbox,
            symbols=lambda: self._wanted_here().union(*(each.symbols for each in self._others)),
            interval_s=lambda: min([self._interval_s(), *(each.interval_s for each in self._others)]),
            publish=self._publish,
            on_refused=self._lose_lease,
            on_lost=self._lost,
            clock_s=self._clock_s,
        )

    def ticks(self) -> AsyncIterator[Tick]:
        """What is new of the followed symbols, in order."""
        return self._inbox.ticks()

    async def run(self) -> None:
        """Take part in the fleet until cancelled; then make room for the next leader at once."""
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._link(), name="fleet-link")
                parts.create_task(self._listen(), name="fleet-listen")
                parts.create_task(self._watch_demand(), name="fleet-demand")
                if self._own is not None:
                    parts.create_task(self._own.run(), name="fleet-generate")
                    parts.create_task(self._own.keep_warm(self._symbols), name="fleet-warm")
        finally:
            with suppress(*REDIS_ERRORS):
                await self._lease.release()
            await self._redis.aclose()

    # What REST and /ready see

    @property
    def role(self) -> str:
        """leader, follower or fanout."""
        if self._own is None:
            return "fanout"
        return "leader" if self.mode == "leader" else "follower"

    @property
    def redis(self) -> str:
        """up or down."""
        return "up" if self.redis_is_up else "down"

    def newest(self, symbol: str) -> HeatmapSnapshot | None:
        """The symbol's newest snapshot so far, without asking anybody."""
        return self._inbox.newest.get(symbol)

    async def latest(self, symbol: str) -> HeatmapSnapshot | None:
        """The symbol's map now, also if nobody follows it; None if the fleet has none.

        Asking makes the leader generate the symbol for a while. If no leader answers within a second, a
        server with maps of its own answers from them, another with its last one, marked stale.
        """
        self._asked_until_s[symbol] = self._clock_s() + ASKED_FOR_S
        if self.mode == "follower" and not self._is_vouched(symbol):
            self._link_wake.set()
            await self._vouched_soon(symbol)
        newest = self._inbox.newest.get(symbol)
        if self.mode == "follower" and self._is_vouched(symbol):
            return newest
        if self._own is not None:
            return await self._own.maps.get_latest_heatmap_snapshot(symbol)
        return replace(newest, stale=True) if newest else None

    async def _vouched_soon(self, symbol: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while not self._is_vouched(symbol):
                    self._news.clear()
                    await self._news.wait()

    # The link to the fleet

    async def _link(self) -> None:
        while True:
            self._link_wake.clear()
            try:
                fleet = await self._lease.sync(
                    Wants(self._wanted_here(), self._interval_s(), self._candidacy.is_fit()),
                    may_lead=self._candidacy.may_lead(),
                    needed_epoch=self._needed_epoch(),
                )
                await self._found(fleet)
            except REDIS_ERRORS as error:
                self._lost(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._sync_s):
                    await self._link_wake.wait()

    def _wanted_here(self) -> frozenset[str]:
        now_s = self._clock_s()
        self._asked_until_s = {s: until_s for s, until_s in self._asked_until_s.items() if until_s > now_s}
        return self._active_symbols() | self._asked_until_s.keys()

    def _needed_epoch(self) -> int:
        """As high as what this server's clients have seen, and above every epoch of its own that is over."""
        return max(self._inbox.highest_epoch, self._spent_epoch + 1)

    def _lost(self, error: BaseException) -> None:
        if self.redis_is_up or self.mode not in ("fallback", "cut_off"):
            log.warning("redis lost", reason=str(error) or type(error).__name__, role=self.role)
            self._metrics.redis_lost.inc()
        self._set_up(False)
        self._others, self._truths, self.leader = (), {}, ""
        if self._own is None:
            self._cut_off()
        elif self.mode != "fallback":
            self._begin(self._own, "fallback", self._start_alone())

    async def _found(self, fleet: Fleet) -> None:
        if not self.redis_is_up:
            log.info("redis found", leader=fleet.leader or None, epoch=fleet.epoch)
        self._set_up(True)
        enough = fleet.epoch >= self._needed_epoch()
        if self._own is not None and fleet.others != self._others:
            self._own.wake.set()
        self._others, self._truths, self.leader = fleet.others, dict(fleet.truths), fleet.leader
        self._candidacy.note(fleet)
        if self._own is not None and fleet.leader == self.server:
            await self._lead(self._own, fleet.epoch)
        elif self.mode == "leader" or (fleet.leader and enough):
            self._follow()
        elif self._candidacy.leaderless_s() > self._stale_after_s:
            self._cut_off()
        self._offer_awaited()
        self._news.set()

    async def _lead(self, own: OwnStream, epoch: int) -> None:
        token = self._lease.token(epoch)
        if self._candidacy.is_outdone():
            log.warning("resigned", reason="own feeds are silent")
            self._candidacy.resign()
            self._follow()
            await self._lease.release()
        elif epoch <= self._spent_epoch:
            # The lease is still that of a stint that is over, whose seqs were used: ask for another epoch.
            self._link_wake.set()
        elif own.stint is None or own.stint.token != token:
            self._begin(own, "leader", epoch, token)

    def _set_up(self, is_up: bool) -> None:
        self.redis_is_up = is_up
        self._metrics.redis_up.set(is_up)

    # Modes

    def _start_alone(self) -> int:
        """An epoch no other server starts alone at the same moment: all of them lose Redis at once."""
        self._spent_epoch = max(self._now_ms(), self._needed_epoch() + 1) + random.randrange(4096)
        return self._spent_epoch

    def _begin(self, own: OwnStream, mode: Mode, epoch: int, token: str = "") -> None:
        self._enter(mode, epoch)
        self._spend(own)
        own.begin(epoch, token)

    def _follow(self) -> None:
        if self.mode != "follower":
            self._enter("follower", None)
        if self._own is not None:
            self._spend(self._own)
            self._own.end()

    def _spend(self, own: OwnStream) -> None:
        """The epoch of the stint that ends now is never gone on with."""
        if own.stint is not None:
            self._spent_epoch = max(self._spent_epoch, own.stint.epoch)

    def _lose_lease(self) -> None:
        log.warning("lease lost")
        self._follow()
        self._link_wake.set()

    def _cut_off(self) -> None:
        """Without maps of its own: say of every map that it is old now."""
        if self._own is not None or self.mode == "cut_off":
            return
        epoch = self._start_alone()
        self._enter("cut_off", epoch)
        for snapshot in list(self._inbox.newest.values()):
            marked = replace(snapshot, epoch=epoch, seq=1, stale=True)
            note_produced(marked)
            self._inbox.offer(marked)

    def _enter(self, mode: Mode, epoch: int | None) -> None:
        log.info("fleet mode", mode=mode, was=self.mode, epoch=epoch)
        self.mode = mode
        self._metrics.redis_leader.set(mode == "leader")
        self._metrics.redis_fallback.set(mode in ("fallback", "cut_off"))

    # What is wanted, what comes in, what goes out

    async def _watch_demand(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._inbox.follow(self._active_symbols())
            self._offer_awaited()
            if self._own is not None:
                self._own.wake.set()
            self._link_wake.set()

    def _offer_awaited(self) -> None:
        """Give those who just came what is known to be current."""
        for symbol in list(self._inbox.awaited):
            newest = self._inbox.newest.get(symbol)
            if newest is not None and (self.mode == "cut_off" or self._is_vouched(symbol)):
                self._inbox.offer(newest)

    def _is_vouched(self, symbol: str) -> bool:
        newest, truth = self._inbox.newest.get(symbol), self._truths.get(symbol)
        return newest is not None and truth is not None and order(newest) >= truth

    async def _listen(self) -> None:
        snapshots = subscribe_to_symbols(
            self._redis,
            self._symbols,
            names=self._names,
            on_garbage=self._note_garbage,
            on_bell=self._link_wake.set,
            on_lost=self._link_wake.set,
        )
        async for tick in snapshots:
            for snapshot in tick:
                self._take(snapshot)

    def _note_garbage(self, reason: str) -> None:
        self._metrics.redis_garbage.inc()
        log.warning("not a snapshot", reason=reason[:200])

    def _take(self, snapshot: HeatmapSnapshot) -> None:
        if self.mode == "follower":
            self._truths[snapshot.symbol] = max(order(snapshot), self._truths.get(snapshot.symbol, NOTHING))
        if self._inbox.offer(snapshot):
            self._metrics.redis_received.labels(snapshot.symbol).inc()
        self._news.set()

    async def _publish(self, token: str, tick: Tick) -> bool:
        """Publish under the lease; False if it is another's, or could be by this server's own clock."""
        if not self._lease.is_believed():
            return False
        began_s = self._clock_s()
        heard = await publish_snapshot(
            self._redis, *tick, names=self._names, token=token, ttl_ms=self._lease.truth_ms
        )
        if heard is None or not self._lease.is_believed():
            return False
        self._metrics.redis_publish_duration.observe(self._clock_s() - began_s)
        self._metrics.redis_published.inc(len(tick))
        self._truths |= {snapshot.symbol: order(snapshot) for snapshot in tick}
        return True
