"""The stream of one server in a fleet: the leader's snapshots, or its own while there is no other way.

The same iterator of batches as `heatmap_update_generator`, so that nothing behind it knows of Redis. Which
snapshots they are is the `StreamMode` (roles.py), decided after each sync with the fleet.

Whoever begins to generate, or marks maps stale, starts an epoch above every one it has sent or seen; a
follower whose clients have seen more than the leader's epoch asks the leader to start one above.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import structlog
from redis import asyncio as aioredis
from redis.exceptions import ResponseError

from liqstream.fleet.latest_snapshots import LatestSnapshots
from liqstream.fleet.leader_lease import FleetState
from liqstream.fleet.local_generator import LocalGenerator, log_produced
from liqstream.fleet.membership import DemandSource, FleetConfig, Membership
from liqstream.fleet.reception import Reception
from liqstream.fleet.redis_pubsub import REDIS_ERRORS, subscribe_to_symbols
from liqstream.fleet.roles import NodeRole, StreamMode
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import SnapshotBatch
from liqstream.metrics import Metrics
from liqstream.store.epoch_file import EpochFile
from liqstream.supervision.supervise import Supervisor, Work, raise_swallowed_cancellation
from liqstream.supervision.timing import SYSTEM_TIMING, Timing
from liqstream.wire.snapshot_codec import MAX_EPOCH_AHEAD_MS

log = structlog.get_logger(__name__)

STREAM, LINK, LISTEN, GENERATE = "stream", "fleet-link", "fleet-listen", "fleet-generate"
"""Tasks by name; the first is whoever reads `batches`."""
RETRY_S = 30.0
"""A loop that failed waits no longer before it is begun anew: the fleet would miss this server."""
RESPONSE_TIMEOUT_S = 1.0
"""How long a REST request waits for the leader to generate a symbol."""
EPOCH_SPREAD_MS = 4096
"""Epochs of servers that start alone at the same moment differ by up to this much."""


class Coordinator:
    """Takes part in the fleet while `running()`; `batches()` is the server's stream.

    `demand` is that of this server's clients. `maps` is None on a server that cannot generate. `epochs`,
    loaded, keeps the epochs its clients were sent. The coordinator closes `redis`.
    """

    def __init__(
        self,
        redis: aioredis.Redis,
        config: FleetConfig,
        demand: DemandSource,
        *,
        maps: LiveMaps | None,
        epochs: EpochFile,
        metrics: Metrics,
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        self.mode = StreamMode.FOLLOWER
        self._redis = redis  # closed when `running` ends
        self._config = config  # its symbols are all that is received
        self._demand = demand  # of this server's clients; `_watch_demand` is the one reader of its `changed`
        self._metrics = metrics  # the application's
        self._now_ms = timing.now_ms  # UTC ms; epochs are made of it
        # What is known of the fleet; written by the sync task alone, but for what is received and published.
        self._membership = Membership(redis, config, demand, maps=maps, metrics=metrics, timing=timing)
        self.fleet_demand, self.unmade = self._membership.demand, self._membership.unmade
        # An epoch further ahead no server of the fleet would take (snapshot_codec.py); clients then go back.
        lowest_epoch = min(epochs.highest, timing.now_ms() + MAX_EPOCH_AHEAD_MS)
        self.snapshots = LatestSnapshots(epochs.keep, lowest_epoch=lowest_epoch)  # what clients may get
        self._generator: LocalGenerator | None = None  # None where there are no maps
        if maps is not None:
            # Never replaced: its terms come and go.
            self._generator = LocalGenerator(
                maps,
                self.snapshots,
                demand=self._membership.demand,
                publish=self._membership.publish,
                on_refused=self._lose_lease,
                on_redis_down=self._on_redis_down,
                clock_s=timing.clock_s,
            )
        self._last_used_epoch = 0  # the highest epoch of a term that is over; never gone on with
        self._progress = asyncio.Event()  # set by each sync and snapshot, cleared by who waits
        self._reception = Reception(timing.clock_s, self._membership.sync_now)  # written by what receives

    def batches(self) -> AsyncIterator[SnapshotBatch]:
        """What is new of the active symbols, without end; a slow reader gets the newest of each."""
        return self.snapshots.batches()

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Take part in the fleet while the context is open; then make room for the next leader at once.

        Each loop is a task of `supervisor`, which begins it anew should it fail.
        """
        loops: dict[str, Work] = {
            LINK: self._sync_forever,
            LISTEN: self._receive,
            "fleet-demand": self._watch_demand,
        }
        if self._generator is not None:
            self._generator.on_failure = supervisor.report
            loops |= {GENERATE: self._generate, "fleet-warm": self._keep_warm}
        try:
            async with AsyncExitStack() as running:
                for name, loop in loops.items():
                    background = supervisor.background(name, loop, longest_wait_s=RETRY_S)
                    _ = await running.enter_async_context(background)
                yield
        finally:
            await self._membership.leave()
            await self._redis.aclose()

    def needed_tasks(self) -> tuple[str, ...]:
        """The tasks without which this server has no snapshots just now."""
        if self._generator is None:
            return (STREAM, LINK, LISTEN)
        return (STREAM, LISTEN) if self.mode == StreamMode.FOLLOWER and self.leader else (STREAM, GENERATE)

    async def _generate(self) -> None:
        assert self._generator is not None
        try:
            await self._generator.run()
        except Exception:
            if self.mode == StreamMode.LEADER:
                await self._resign("its maps cannot be made")
            raise

    async def _keep_warm(self) -> None:
        assert self._generator is not None
        await self._generator.keep_warm(self._config.symbols)

    # What REST and /ready see

    @property
    def role(self) -> NodeRole:
        """LEADER, FOLLOWER or FANOUT."""
        if self._generator is None:
            return NodeRole.FANOUT
        return NodeRole.LEADER if self.mode == StreamMode.LEADER else NodeRole.FOLLOWER

    @property
    def server(self) -> str:
        """This server's name in its fleet."""
        return self._config.server

    @property
    def leader(self) -> str:
        """The leader's name, "" while none is known."""
        return self._membership.leader

    @property
    def redis(self) -> str:
        """up or down."""
        return "up" if self._membership.redis_is_up else "down"

    def newest(self, symbol: str) -> HeatmapSnapshot | None:
        """The symbol's newest snapshot so far, without a request to anybody."""
        return self.snapshots.newest.get(symbol)

    async def latest(self, symbol: str) -> HeatmapSnapshot | None:
        """The symbol's map now, also if no client subscribes to it; None if the fleet has none.

        The request makes the leader generate the symbol for a while. If no leader does within a second, a
        server with maps of its own answers from them, another with its last one, marked stale.
        """
        self._membership.add_rest_demand(symbol)
        if self.mode == StreamMode.FOLLOWER and not self._is_current(symbol):
            self._membership.sync_now.set()
            await self._wait_until_current(symbol)
        newest = self.snapshots.newest.get(symbol)
        if self.mode == StreamMode.FOLLOWER and self._is_current(symbol):
            return newest
        if self._generator is not None:
            return await self._generator.maps.get_latest_heatmap_snapshot(symbol)
        return replace(newest, stale=True) if newest else None

    def _is_current(self, symbol: str) -> bool:
        return self._membership.is_current(self.snapshots.newest.get(symbol))

    async def _wait_until_current(self, symbol: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(RESPONSE_TIMEOUT_S):
                while not self._is_current(symbol):
                    self._progress.clear()
                    await self._progress.wait()

    # Syncs, and what follows from each

    async def _sync_forever(self) -> None:
        while True:
            raise_swallowed_cancellation()
            # Cleared before the sync: what happens during it asks for another one.
            self._membership.sync_now.clear()
            try:
                if self.mode != StreamMode.LEADER:
                    self._reception.check()
                await self._on_sync(await self._membership.sync(self._needed_epoch()))
            except REDIS_ERRORS as error:
                self._on_redis_down(error)
            except Exception as error:
                # Nobody knows what the fleet is doing: go on alone until the next sync succeeds.
                self._on_redis_down(error)
                raise
            await self._membership.wait()

    def _needed_epoch(self) -> int:
        """As high as what this server's clients have seen, and above every epoch of its own that is over."""
        return max(self.snapshots.highest_epoch, self._last_used_epoch + 1)

    def _on_redis_down(self, error: BaseException) -> None:
        if self._membership.redis_is_up or self.mode not in (StreamMode.FALLBACK, StreamMode.CUT_OFF):
            log.warning("redis lost", reason=str(error) or type(error).__name__, role=self.role)
            self._metrics.redis_lost.inc()
        self._membership.forget()
        if isinstance(error, ResponseError):
            self._membership.election.resign()  # Redis is there and refuses: another server may be let
        if self._generator is None:
            self._cut_off()
        elif self.mode != StreamMode.FALLBACK:
            self._begin(self._generator, StreamMode.FALLBACK, self._start_alone())

    async def _on_sync(self, fleet: FleetState) -> None:
        if self._generator is not None and fleet.leader == self.server:
            await self._lead(self._generator, fleet.epoch)
        elif self.mode == StreamMode.LEADER or (fleet.leader and fleet.epoch >= self._needed_epoch()):
            self._follow()
        elif self._membership.election.leaderless_s() > self._config.stale_after_s:
            self._cut_off()
        self._offer_unsent()
        self._progress.set()

    async def _lead(self, generator: LocalGenerator, epoch: int) -> None:
        election, lease = self._membership.election, self._membership.lease
        token = lease.token(epoch)
        if election.has_resigned():
            await self._membership.leave()  # Redis refused what this server published
        elif election.should_resign():
            await self._resign("own feeds are silent")
        elif epoch <= self._last_used_epoch:
            # The lease is still that of a term that is over, whose seqs were used: ask for another epoch.
            self._membership.sync_now.set()
        elif generator.term is None or generator.term.token != token:
            self._begin(generator, StreamMode.LEADER, epoch, token)

    async def _resign(self, reason: str) -> None:
        """Make room for another leader."""
        log.warning("resigned", reason=reason)
        self._membership.election.resign()
        self._follow()
        await self._membership.leave()

    # Modes

    def _start_alone(self) -> int:
        """An epoch no other server starts alone at the same moment: all of them lose Redis at once."""
        now_ms, above = self._now_ms(), self._needed_epoch() + 1
        self._last_used_epoch = max(now_ms, above) + random.randrange(EPOCH_SPREAD_MS)
        return self._last_used_epoch

    def _begin(self, generator: LocalGenerator, mode: StreamMode, epoch: int, token: str = "") -> None:
        self._enter(mode, epoch)
        self._use_up(generator)
        generator.begin(epoch, token)

    def _follow(self) -> None:
        if self.mode != StreamMode.FOLLOWER:
            self._enter(StreamMode.FOLLOWER, None)
        if self._generator is not None:
            self._use_up(self._generator)
            self._generator.end()

    def _use_up(self, generator: LocalGenerator) -> None:
        """The epoch of the term that ends now is never gone on with: its seqs were used."""
        if generator.term is not None:
            self._last_used_epoch = max(self._last_used_epoch, generator.term.epoch)

    def _lose_lease(self) -> None:
        log.warning("lease lost")
        self._follow()
        self._membership.sync_now.set()

    def _cut_off(self) -> None:
        """Without maps of its own: send every map once more, marked stale."""
        if self._generator is not None or self.mode == StreamMode.CUT_OFF:
            return
        epoch = self._start_alone()
        self._enter(StreamMode.CUT_OFF, epoch)
        for snapshot in list(self.snapshots.newest.values()):
            marked = replace(snapshot, epoch=epoch, seq=1, stale=True)
            log_produced(marked)
            self.snapshots.offer(marked)

    def _enter(self, mode: StreamMode, epoch: int | None) -> None:
        log.info("fleet mode", mode=mode, was=self.mode, epoch=epoch)
        self.mode = mode
        self._metrics.redis_leader.set(mode == StreamMode.LEADER)
        self._metrics.redis_fallback.set(mode in (StreamMode.FALLBACK, StreamMode.CUT_OFF))

    # Local demand, and what is received

    async def _watch_demand(self) -> None:
        while True:
            await self._demand.changed.wait()
            self._demand.changed.clear()
            self.snapshots.set_active(self._demand.active_symbols())
            self._offer_unsent()
            self._membership.demand.changed.set()
            self._membership.sync_now.set()

    def _offer_unsent(self) -> None:
        """Send symbols that became active their newest snapshot, if it is known to be current."""
        for symbol in list(self.snapshots.unsent):
            newest = self.snapshots.newest.get(symbol)
            if newest is not None and (self.mode == StreamMode.CUT_OFF or self._is_current(symbol)):
                self.snapshots.offer(newest)

    async def _receive(self) -> None:
        snapshots = subscribe_to_symbols(
            self._redis,
            self._config.symbols,
            names=self._config.names,
            on_garbage=self._count_garbage,
            on_wake=self._membership.sync_now.set,
            on_reception=self._reception.observe,
        )
        async for batch in snapshots:
            for snapshot in batch:
                self._take(snapshot)

    def _count_garbage(self, reason: str) -> None:
        self._metrics.redis_garbage.inc()
        log.warning("not a snapshot", reason=reason[:200])

    def _take(self, snapshot: HeatmapSnapshot) -> None:
        if self.mode == StreamMode.FOLLOWER:
            self._membership.observe_published(snapshot)
        if self.snapshots.offer(snapshot):
            self._metrics.count_received(snapshot.symbol)
        self._progress.set()
