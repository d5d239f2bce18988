"""What a server of a fleet generates itself, in terms: as leader, published first, or for its clients alone.

A term has an epoch of its own and ends the moment another begins, without a task being cancelled: a step of
the model or a command to Redis that is under way is let finish, and its result is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

import structlog

from liqstream.fleet.latest_snapshots import LatestSnapshots
from liqstream.fleet.membership import DemandSource
from liqstream.fleet.redis_pubsub import REDIS_ERRORS
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import OnFailure, SnapshotBatch, heatmap_update_generator

log = structlog.get_logger(__name__)

CATCH_UP_S = 0.5
"""The data of a server that begins to generate may be a moment older than what its clients were sent. It then
waits this long at most for newer data, rather than let their clock run backwards."""
WARM_EVERY_S = 60.0
"""Maps without demand are brought up to date this often, so that taking over takes no time."""


class _TermEndedError(Exception):
    """Ends a local generator from within: its term is over."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One run of generating under one epoch: with the fencing token to publish by, or "" to publish nothing.

    `began_s` is monotonic, in s; `ended` is done once the term is over.
    """

    epoch: int
    token: str
    began_s: float
    ended: asyncio.Future[None]


class LocalGenerator:
    """Generates batches into `latest` while there is a term.

    `publish` publishes a batch under a token and returns False where it is refused: then `on_refused` is
    called; what Redis raises goes to `on_redis_down`. Either is expected to end the term. `demand.changed`,
    set, makes it look at the demand at once.
    """

    def __init__(
        self,
        maps: LiveMaps,
        latest: LatestSnapshots,
        *,
        demand: DemandSource,
        publish: Callable[[str, SnapshotBatch], Awaitable[bool]],
        on_refused: Callable[[], None],
        on_redis_down: Callable[[BaseException], None],
        clock_s: Callable[[], float],
    ) -> None:
        self.term: Term | None = None
        self.maps = maps
        self.on_failure: OnFailure | None = None
        """Called for a map that cannot be made while others can."""
        self._latest = latest  # the coordinator's, shared: it also holds what other servers generated
        self._demand = demand  # of the whole fleet
        self._publish = publish  # awaited under the term's token
        self._on_refused = on_refused  # called while the term still stands
        self._on_redis_down = on_redis_down  # called while the term still stands
        self._clock_s = clock_s  # monotonic, s
        self._has_term = asyncio.Event()  # set by `begin`, cleared by `run` when it finds no term

    def begin(self, epoch: int, token: str = "") -> None:
        """Generate in an epoch that was never used: with a token as leader, without one alone."""
        self.end()
        self._latest.highest_epoch = max(self._latest.highest_epoch, epoch)
        self.maps.start_epoch(epoch)
        self.term = Term(epoch, token, self._clock_s(), asyncio.get_running_loop().create_future())
        self._has_term.set()

    def end(self) -> None:
        """Generate no more; without a term nothing happens."""
        if self.term is not None:
            self.term.ended.set_result(None)
            self.term = None
            # The generator sleeps until its next round: awake, it finds that its term is over.
            self._demand.changed.set()

    async def run(self) -> None:
        """Generate whenever there is a term, until cancelled."""
        while True:
            term = self.term
            if term is None:
                self._has_term.clear()
                await self._has_term.wait()
                continue
            # Before anything of it is published: other servers pass it on at once.
            await self._latest.keep_epoch(term.epoch)
            with suppress(_TermEndedError):
                async with aclosing(self._batches(term)) as batches:
                    async for batch in batches:
                        await self._send(term, batch)

    async def keep_warm(self, symbols: Sequence[str]) -> None:
        """Bring the maps up to date once a minute while another server generates, until cancelled."""
        while True:
            await asyncio.sleep(WARM_EVERY_S)
            if self.term is None:
                for symbol in symbols:
                    await self.maps.get_latest_heatmap_snapshot(symbol)

    def _batches(self, term: Term) -> AsyncGenerator[SnapshotBatch]:
        async def newest(symbol: str) -> HeatmapSnapshot | None:
            """The symbol's map, unless clients were sent a newer one."""
            snapshot = await self.maps.get_latest_heatmap_snapshot(symbol)
            return None if snapshot is None or self._must_catch_up(snapshot, term) else snapshot

        def active_symbols() -> frozenset[str]:
            """The fleet's, for as long as the term lasts."""
            self._check(term)
            return self._demand.active_symbols()

        return heatmap_update_generator(
            newest,
            active_symbols=active_symbols,
            interval_s=self._demand.interval_s,
            wake=self._demand.changed,
            on_failure=self.on_failure,
        )

    def _must_catch_up(self, snapshot: HeatmapSnapshot, term: Term) -> bool:
        newest = self._latest.newest.get(snapshot.symbol)
        is_older = (
            newest is not None
            and snapshot.timestamp_ms < newest.timestamp_ms
            and self._clock_s() < term.began_s + CATCH_UP_S
        )
        if is_older:
            asyncio.get_running_loop().call_later(CATCH_UP_S / 4, self._demand.changed.set)
        return is_older

    def _check(self, term: Term) -> None:
        if self.term is not term:
            raise _TermEndedError

    async def _send(self, term: Term, batch: SnapshotBatch) -> None:
        """Only what was published, or need not be, goes to this server's clients."""
        self._check(term)
        for snapshot in batch:
            log_produced(snapshot)
        if term.token:
            await self._publish_in(term, batch)
            self._check(term)
        for snapshot in batch:
            self._latest.offer(snapshot)

    async def _publish_in(self, term: Term, batch: SnapshotBatch) -> None:
        """Return when the batch is published; should the term end first, the publication is left to itself.

        It is not cancelled, for a command must not be cancelled in flight (scripts.unbroken).
        """
        publication = asyncio.ensure_future(self._publish(term.token, batch))
        # Read the error of one left to itself, or asyncio would log that nobody did.
        publication.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait((publication, term.ended), return_when=asyncio.FIRST_COMPLETED)
        self._check(term)
        try:
            if not publication.result():
                self._on_refused()
        except REDIS_ERRORS as error:
            self._on_redis_down(error)


def log_produced(snapshot: HeatmapSnapshot) -> None:
    """Log a snapshot before it can reach a client, for whoever audits what a fleet's clients received."""
    log.debug(
        "produced",
        symbol=snapshot.symbol,
        epoch=snapshot.epoch,
        seq=snapshot.seq,
        checksum=snapshot.checksum,
        timestamp_ms=snapshot.timestamp_ms,
        stale=snapshot.stale,
    )
