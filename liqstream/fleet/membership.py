"""One server's membership in its fleet: the exchange with Redis, and what it shows of the other servers.

It states the demand of this server's clients, holds the lease or not, publishes under it, and keeps who
leads, what the others need and which positions are published. What that means for the stream is the
coordinator's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from redis import asyncio as aioredis

from liqstream.fleet.leader_election import LeaderElection
from liqstream.fleet.leader_lease import Demand, FleetState, Lease
from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames, publish_snapshot
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.snapshot import NO_POSITION, HeatmapSnapshot, StreamPosition
from liqstream.heatmap.updates import SnapshotBatch
from liqstream.metrics import Metrics
from liqstream.supervision.timing import Timing

log = structlog.get_logger(__name__)

SYNC_S = 0.3
"""From one sync to the next. With the socket timeout of 1 s a hung Redis is noticed in 1.3 s."""
UNMADE_S = 10.0
"""So long after clients asked for it, a symbol of which no leader publishes a map is unmade."""
REST_DEMAND_S = 60.0
"""A symbol requested over REST counts as demand for this long, so that a polling page is served."""


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """A server's place in its fleet: `server` names it there, `symbols` is all that may be served now.

    `lease_s` is the lease time; data that is older than `stale_after_s` is stale.
    """

    names: RedisNames
    server: str
    symbols: Sequence[str]
    lease_s: float
    stale_after_s: float


@dataclass(frozen=True, slots=True)
class DemandSource:
    """Where demand is read: the symbols and the interval in s that clients need now.

    `changed` is set by whoever changes either, and cleared by the one reader.
    """

    active_symbols: Callable[[], frozenset[str]]
    interval_s: Callable[[], int]
    changed: asyncio.Event


class Membership:
    """`sync` once and again; between two of them the attributes hold what the last one showed.

    `local` is the demand of this server's own clients. `maps` is None on a server that cannot lead.
    `leader` is "" while none is known. `sync_now`, set, ends the wait for the next sync.
    """

    def __init__(
        self,
        redis: aioredis.Redis,
        config: FleetConfig,
        local: DemandSource,
        *,
        maps: LiveMaps | None,
        metrics: Metrics,
        timing: Timing,
    ) -> None:
        self.server = config.server
        self.leader = ""
        self.redis_is_up = False
        self.sync_now = asyncio.Event()
        self.demand = DemandSource(self._fleet_symbols, self._fleet_interval_s, asyncio.Event())
        """Of the whole fleet, this server included."""
        self.lease = Lease(
            redis,
            config.names,
            server=config.server,
            symbols=config.symbols,
            lease_s=config.lease_s,
            clock_s=timing.clock_s,
        )
        self.election = LeaderElection(
            maps,
            config.symbols,
            lease_s=config.lease_s,
            stale_after_s=config.stale_after_s,
            clock_s=timing.clock_s,
        )
        self._redis = redis  # the coordinator closes it
        self._names = config.names  # of the keys and channels a publication writes
        self._local = local  # this server's clients' demand, without REST's
        self._metrics = metrics  # the application's
        self._clock_s = timing.clock_s  # monotonic, s
        self._sync_s = min(SYNC_S, config.lease_s / 3)  # s between two syncs; a lease outlives a missed one
        self._others: tuple[Demand, ...] = ()  # of each sync; none while Redis is away
        # Per symbol the published position: of each sync, and newer where this server published or received
        # a snapshot since. None while Redis is away.
        self._published: dict[str, StreamPosition] = {}
        self._rest_until_s: dict[str, float] = {}  # symbol -> clock_s until which its REST demand lasts
        # Of each symbol that this server's clients need and another leads without publishing: clock_s since.
        self._unmade_since_s: dict[str, float] = {}
        self._logged: frozenset[str] = frozenset()  # of them, those in the log

    # Demand

    def add_rest_demand(self, symbol: str) -> None:
        """Count `symbol` as demand for the next minute."""
        self._rest_until_s[symbol] = self._clock_s() + REST_DEMAND_S

    def _local_symbols(self) -> frozenset[str]:
        now_s = self._clock_s()
        self._rest_until_s = {s: until_s for s, until_s in self._rest_until_s.items() if until_s > now_s}
        return self._local.active_symbols() | self._rest_until_s.keys()

    def _fleet_symbols(self) -> frozenset[str]:
        return self._local_symbols().union(*(other.symbols for other in self._others))

    def _fleet_interval_s(self) -> int:
        return min([self._local.interval_s(), *(other.interval_s for other in self._others)])

    # The exchange

    async def sync(self, needed_epoch: int) -> FleetState:
        """Exchange with the fleet once; `needed_epoch` is the least epoch the stream must be in.

        Raises what redis-py raises.
        """
        fleet = await self.lease.sync(
            Demand(self._local_symbols(), self._local.interval_s(), self.election.is_fit()),
            may_lead=self.election.may_lead(),
            needed_epoch=needed_epoch,
        )
        if not self.redis_is_up:
            log.info("redis found", leader=fleet.leader or None, epoch=fleet.epoch)
        self._set_up(True, leader=fleet.leader)
        if fleet.others != self._others:
            self.demand.changed.set()
        self._others, self._published = fleet.others, dict(fleet.published)
        self.election.observe(fleet)
        self._observe_unmade(fleet)
        return fleet

    def unmade(self) -> frozenset[str]:
        """Symbols that clients wait for and the leader makes no map of; it may not follow them."""
        now_s = self._clock_s()
        return frozenset(s for s, since_s in self._unmade_since_s.items() if now_s > since_s + UNMADE_S)

    def _observe_unmade(self, fleet: FleetState) -> None:
        is_led = fleet.leader not in ("", self.server)
        waiting = self._local_symbols() - fleet.published.keys() if is_led else frozenset()
        now_s = self._clock_s()
        self._unmade_since_s = {symbol: self._unmade_since_s.get(symbol, now_s) for symbol in waiting}
        unmade = self.unmade()
        if unmade - self._logged:
            cure = "one LIQSTREAM_SYMBOLS for all servers of the fleet"
            log.warning("symbols not made", symbols=sorted(unmade)[:10], leader=fleet.leader, cure=cure)
        self._logged = unmade

    async def wait(self) -> None:
        """Wait until the next sync is due, or `sync_now` is set."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._sync_s):
                await self.sync_now.wait()

    def forget(self) -> None:
        """Redis is away: nothing is known of the fleet."""
        self._set_up(False, leader="")
        self._others, self._published, self._unmade_since_s = (), {}, {}

    async def leave(self) -> None:
        """Give up lease and demand, so that another leads at once; a Redis that is away is no error."""
        with suppress(*REDIS_ERRORS):
            await self.lease.release()

    def _set_up(self, is_up: bool, *, leader: str) -> None:
        self.redis_is_up, self.leader = is_up, leader
        self._metrics.redis_up.set(is_up)
        self._metrics.redis_led.set(bool(leader))

    # Published positions

    def is_current(self, snapshot: HeatmapSnapshot | None) -> bool:
        """True for a snapshot that is not older than the published position of its symbol."""
        published = None if snapshot is None else self._published.get(snapshot.symbol)
        return snapshot is not None and published is not None and snapshot.position >= published

    def observe_published(self, snapshot: HeatmapSnapshot) -> None:
        """Take in a snapshot that was received: it is published, whatever the last sync showed."""
        known = self._published.get(snapshot.symbol, NO_POSITION)
        self._published[snapshot.symbol] = max(snapshot.position, known)

    async def publish(self, token: str, batch: SnapshotBatch) -> bool:
        """Publish under the lease; False if it is another's, or could be by this server's own clock.

        Raises what redis-py raises.
        """
        if not self.lease.is_valid_locally():
            return False
        began_s = self._clock_s()
        receivers = await publish_snapshot(
            self._redis, *batch, names=self._names, token=token, ttl_ms=self.lease.latest_ttl_ms
        )
        # The script checks the token as it writes, so a leader that slept through its lease changes nothing
        # in Redis. This second check (time counts from before the sync was sent) covers our own clients.
        if receivers is None or not self.lease.is_valid_locally():
            return False
        self._metrics.redis_publish_duration.observe(self._clock_s() - began_s)
        self._metrics.redis_published.inc(len(batch))
        self._published |= {snapshot.symbol: snapshot.position for snapshot in batch}
        return True
