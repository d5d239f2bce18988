"""The stream of one server in a fleet: the leader's snapshots, or its own while there is no other way.

The same iterator of ticks as `heatmap_update_generator`, so that nothing behind it knows of Redis. A server
is one of

    leader    holds the lease: runs the local generator, publishes each tick, then yields it
    follower  yields what the leader published
    fallback  Redis is away: runs the local generator for its own clients
    cut_off   Redis or every leader is away and there is no local generator: the last maps, marked stale

Whoever begins to generate, or marks maps stale, starts an epoch above every one it has sent or seen; a
follower whose clients have seen more than the leader's epoch asks the leader to start one above.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Literal

import structlog
from redis import asyncio as aioredis

from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import Tick, heatmap_update_generator
from liqstream.metrics import Metrics
from liqstream.ws.inbox import Inbox
from liqstream.ws.lease import Fleet, Lease, Wants
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
HOLD_BACK_S = 0.5
"""A server that begins to generate may be a moment behind what its clients saw. It waits this long at most
for its data to pass that, rather than let their clock run backwards."""
RESIGN_AFTER_SYNCS = 3
"""A leader without fresh data makes room for a server that has some; not at once, for a source that is silent
to all falls silent to each at another moment."""
ASKED_FOR_S = 60.0
"""A symbol asked for over REST counts as wanted for this long, so that a polling page is served."""
ANSWER_WITHIN_S = 1.0
WARM_EVERY_S = 60.0
"""A follower brings its own maps up to date this often, so that taking over takes no time."""

Mode = Literal["leader", "follower", "fallback", "cut_off"]


class _StintOverError(Exception):
    """Ends a local generator from within: it is not this server's turn any more, or in another epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stint:
    """A time of generating: with the token to publish by, or without for this server's clients alone."""

    token: str
    began_s: float
    over: asyncio.Future[None]


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
        self._maps = maps
        self._active_symbols = active_symbols
        self._interval_s = interval_s
        self._changed = changed
        self._stale_after_s = stale_after_s
        self._metrics = metrics
        self._clock_s = clock_s
        self._now_ms = now_ms
        self._lease_s = lease_s
        self._lease = Lease(
            redis, names, server=server, symbols=self._symbols, lease_s=lease_s, clock_s=clock_s
        )
        self._inbox = Inbox()
        self._others: tuple[Wants, ...] = ()
        self._truths: dict[str, Order] = {}
        self._alone_epoch = 0
        self._led_s = clock_s()
        self._resigned_until_s = 0.0
        self._outdone_syncs = 0
        self._stint: _Stint | None = None
        self._stint_changed = asyncio.Event()
        self._generator_wake = asyncio.Event()
        self._link_wake = asyncio.Event()
        self._news = asyncio.Event()
        self._asked_until_s: dict[str, float] = {}

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
                if self._maps is not None:
                    parts.create_task(self._generate(self._maps), name="fleet-generate")
                    parts.create_task(self._keep_warm(self._maps), name="fleet-warm")
        finally:
            with suppress(*REDIS_ERRORS):
                await self._lease.release()
            await self._redis.aclose()

    # What REST and /ready see

    @property
    def role(self) -> str:
        """leader, follower or fanout."""
        if self._maps is None:
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
        if self._stint is None and self.mode == "follower" and not self._is_vouched(symbol):
            self._link_wake.set()
            await self._vouched_soon(symbol)
        newest = self._inbox.newest.get(symbol)
        if self._stint is None and self._is_vouched(symbol):
            return newest
        if self._maps is not None:
            return await self._maps.get_latest_heatmap_snapshot(symbol)
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
                    self._wants(), may_lead=self._may_lead(), needed_epoch=self._needed_epoch()
                )
            except REDIS_ERRORS as error:
                self._lost(error)
            else:
                await self._found(fleet)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(SYNC_S, self._lease_s / 3)):
                    await self._link_wake.wait()

    def _wants(self) -> Wants:
        now_s = self._clock_s()
        self._asked_until_s = {s: until_s for s, until_s in self._asked_until_s.items() if until_s > now_s}
        return Wants(self._active_symbols() | self._asked_until_s.keys(), self._interval_s(), self._is_fit())

    def _is_fit(self) -> bool:
        """True if this server's own data would make a good stream: it is half a stale time old at most."""
        if self._maps is None:
            return False
        now_s, maps = self._clock_s(), self._maps
        ages_s = (market.age_s(now_s) for symbol in self._symbols for market in maps.markets(symbol))
        return min(ages_s, default=math.inf) <= self._stale_after_s / 2

    def _may_lead(self) -> bool:
        """Who has no fresh data leads only when nobody else has for a lease time."""
        if self._maps is None or self._clock_s() < self._resigned_until_s:
            return False
        return self._is_fit() or self._clock_s() > self._led_s + self._lease_s

    def _needed_epoch(self) -> int:
        """As high as what this server's clients have seen, and above what it has said alone."""
        return max(self._inbox.highest_epoch, self._alone_epoch + 1)

    def _lost(self, error: BaseException) -> None:
        if self.redis_is_up or not self._alone():
            log.warning("redis lost", reason=str(error) or type(error).__name__, role=self.role)
            self._metrics.redis_lost.inc()
        self._set_up(False)
        self._others, self._truths, self.leader = (), {}, ""
        if self._maps is None:
            self._cut_off()
        elif self.mode != "fallback":
            self._begin("fallback", self._start_alone())

    def _alone(self) -> bool:
        return self.mode in ("fallback", "cut_off")

    async def _found(self, fleet: Fleet) -> None:
        if not self.redis_is_up:
            log.info("redis found", leader=fleet.leader or None, epoch=fleet.epoch)
        self._set_up(True)
        enough = fleet.epoch >= self._needed_epoch()
        if fleet.others != self._others:
            self._generator_wake.set()
        self._others, self._truths, self.leader = fleet.others, dict(fleet.truths), fleet.leader
        if fleet.leader:
            self._led_s = self._clock_s()
        if fleet.leader == self._lease.server:
            await self._lead(fleet.epoch)
        elif fleet.leader and (enough or self.mode == "leader"):
            self._follow()
        elif not fleet.leader and self._clock_s() > self._led_s + self._stale_after_s:
            self._cut_off()
        self._offer_awaited()
        self._news.set()

    async def _lead(self, epoch: int) -> None:
        token = self._lease.token(epoch)
        outdone = not self._is_fit() and any(wants.fit for wants in self._others)
        self._outdone_syncs = self._outdone_syncs + 1 if outdone else 0
        if self._outdone_syncs >= RESIGN_AFTER_SYNCS:
            log.warning("resigned", reason="own feeds are silent")
            self._resigned_until_s = self._clock_s() + self._lease_s
            await self._lease.release()
            self._follow()
        elif self._stint is None or self._stint.token != token:
            self._begin("leader", epoch, token)

    def _set_up(self, is_up: bool) -> None:
        self.redis_is_up = is_up
        self._metrics.redis_up.set(is_up)

    # Modes

    def _start_alone(self) -> int:
        """An epoch no other server starts alone at the same moment: all of them lose Redis at once."""
        self._alone_epoch = max(self._now_ms(), self._inbox.highest_epoch + 1) + random.randrange(4096)
        return self._alone_epoch

    def _begin(self, mode: Mode, epoch: int, token: str = "") -> None:
        """Generate, in a new epoch."""
        if self._maps is None:
            return
        self._enter(mode, epoch)
        self._inbox.highest_epoch = max(self._inbox.highest_epoch, epoch)
        self._maps.start_epoch(epoch)
        self._end_stint()
        self._stint = _Stint(token, self._clock_s(), asyncio.get_running_loop().create_future())
        self._stint_changed.set()
        self._generator_wake.set()

    def _follow(self) -> None:
        if self.mode != "follower":
            self._enter("follower", None)
        self._end_stint()

    def _end_stint(self) -> None:
        if self._stint is not None:
            self._stint.over.set_result(None)
            self._stint = None
            self._generator_wake.set()

    def _cut_off(self) -> None:
        """Without maps of its own: say of every map that it is old now."""
        if self._maps is not None or self.mode == "cut_off":
            return
        epoch = self._start_alone()
        self._enter("cut_off", epoch)
        for snapshot in list(self._inbox.newest.values()):
            marked = replace(snapshot, epoch=epoch, seq=1, stale=True)
            _note_produced(marked)
            self._inbox.offer(marked)

    def _enter(self, mode: Mode, epoch: int | None) -> None:
        log.info("fleet mode", mode=mode, was=self.mode, epoch=epoch)
        self.mode = mode
        self._metrics.redis_leader.set(mode == "leader")
        self._metrics.redis_fallback.set(mode in ("fallback", "cut_off"))

    # What is wanted

    async def _watch_demand(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._inbox.follow(self._active_symbols())
            self._offer_awaited()
            self._generator_wake.set()
            self._link_wake.set()

    def _offer_awaited(self) -> None:
        """Give those who just came what is known to be current."""
        for symbol in list(self._inbox.awaited):
            newest = self._inbox.newest.get(symbol)
            if newest is not None and (self.mode == "cut_off" or self._is_vouched(symbol)):
                self._inbox.offer(newest)

    def _is_vouched(self, symbol: str) -> bool:
        newest = self._inbox.newest.get(symbol)
        return newest is not None and order(newest) >= self._truths.get(symbol, (newest.epoch + 1, 0))

    # What comes in

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

    # What goes out

    async def _generate(self, maps: LiveMaps) -> None:
        while True:
            stint = self._stint
            if stint is None:
                self._stint_changed.clear()
                await self._stint_changed.wait()
                continue
            with suppress(_StintOverError):
                async with aclosing(self._own_ticks(maps, stint)) as ticks:
                    async for tick in ticks:
                        await self._say(stint, tick)

    def _own_ticks(self, maps: LiveMaps, stint: _Stint) -> AsyncGenerator[Tick]:
        async def latest(symbol: str) -> HeatmapSnapshot | None:
            snapshot = await maps.get_latest_heatmap_snapshot(symbol)
            return None if snapshot is None or self._is_behind(snapshot, stint) else snapshot

        def symbols() -> frozenset[str]:
            self._check(stint)
            wanted = self._wants().symbols
            return wanted.union(*(each.symbols for each in self._others))

        def interval_s() -> int:
            return min([self._interval_s(), *(each.interval_s for each in self._others)])

        return heatmap_update_generator(
            latest, active_symbols=symbols, interval_s=interval_s, wake=self._generator_wake
        )

    def _is_behind(self, snapshot: HeatmapSnapshot, stint: _Stint) -> bool:
        newest = self._inbox.newest.get(snapshot.symbol)
        behind = (
            newest is not None
            and snapshot.timestamp_ms < newest.timestamp_ms
            and self._clock_s() < stint.began_s + HOLD_BACK_S
        )
        if behind:
            asyncio.get_running_loop().call_later(HOLD_BACK_S / 4, self._generator_wake.set)
        return behind

    def _check(self, stint: _Stint) -> None:
        if self._stint is not stint:
            raise _StintOverError

    async def _say(self, stint: _Stint, tick: Tick) -> None:
        """Publish a tick if this server leads; only what was published, or needs not be, is yielded."""
        self._check(stint)
        for snapshot in tick:
            _note_produced(snapshot)
        if stint.token:
            await self._publish(stint, tick)
            self._check(stint)
        for snapshot in tick:
            self._inbox.offer(snapshot)

    async def _publish(self, stint: _Stint, tick: Tick) -> None:
        """Returns when the tick is out. Should the stint end first, the publication is left to itself."""
        if not self._lease.is_believed():
            self._lose_lease()
            return
        began_s = self._clock_s()
        publication = asyncio.ensure_future(
            publish_snapshot(
                self._redis, *tick, names=self._names, token=stint.token, ttl_ms=self._lease.truth_ms
            )
        )
        publication.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait((publication, stint.over), return_when=asyncio.FIRST_COMPLETED)
        self._check(stint)
        try:
            heard = publication.result()
        except REDIS_ERRORS as error:
            self._lost(error)
            return
        if heard is None or not self._lease.is_believed():
            self._lose_lease()
            return
        self._metrics.redis_publish_duration.observe(self._clock_s() - began_s)
        self._metrics.redis_published.inc(len(tick))
        self._truths |= {snapshot.symbol: order(snapshot) for snapshot in tick}

    def _lose_lease(self) -> None:
        log.warning("lease lost")
        self._follow()
        self._link_wake.set()

    async def _keep_warm(self, maps: LiveMaps) -> None:
        while True:
            await asyncio.sleep(WARM_EVERY_S)
            if self._stint is None:
                for symbol in self._symbols:
                    await maps.get_latest_heatmap_snapshot(symbol)


def _note_produced(snapshot: HeatmapSnapshot) -> None:
    """For whoever audits a fleet: every snapshot that may reach a client, before it can."""
    log.debug(
        "produced",
        symbol=snapshot.symbol,
        epoch=snapshot.epoch,
        seq=snapshot.seq,
        checksum=snapshot.checksum,
        timestamp_ms=snapshot.timestamp_ms,
        stale=snapshot.stale,
    )
