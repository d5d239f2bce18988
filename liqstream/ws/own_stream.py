"""What a server of a fleet generates itself, in stints: as leader, published first, or alone for its clients.

A stint has an epoch of its own and ends the moment another begins, without a task being cancelled: a step of
the model or a command to Redis that is on its way is let finish, and what comes of it is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

import structlog

from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import Tick, heatmap_update_generator
from liqstream.ws.inbox import Inbox
from liqstream.ws.redis_pubsub import REDIS_ERRORS

log = structlog.get_logger(__name__)

HOLD_BACK_S = 0.5
"""A server that begins to generate may be a moment behind what its clients saw. It waits this long at most
for its data to pass that, rather than let their clock run backwards."""
WARM_EVERY_S = 60.0
"""Maps nobody asks for are brought up to date this often, so that taking over takes no time."""


class _StintOverError(Exception):
    """Ends a local generator from within: it is not this server's turn any more, or in another epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class Stint:
    """A time of generating: with the token to publish by, or without for this server's clients alone."""

    epoch: int
    token: str
    began_s: float
    over: asyncio.Future[None]


class OwnStream:
    """Ticks of the local generator into `inbox`, while there is a stint.

    `publish` sends a tick under a token and says whether it was let; a refusal is told to `on_refused`, what
    Redis raises to `on_lost`: either ends the stint. `wake` makes the generator look at once.
    """

    def __init__(
        self,
        maps: LiveMaps,
        inbox: Inbox,
        *,
        symbols: Callable[[], frozenset[str]],
        interval_s: Callable[[], int],
        publish: Callable[[str, Tick], Awaitable[bool]],
        on_refused: Callable[[], None],
        on_lost: Callable[[BaseException], None],
        clock_s: Callable[[], float],
    ) -> None:
        self.stint: Stint | None = None
        self.wake = asyncio.Event()
        self.maps = maps
        self._inbox = inbox
        self._symbols = symbols
        self._interval_s = interval_s
        self._publish = publish
        self._on_refused = on_refused
        self._on_lost = on_lost
        self._clock_s = clock_s
        self._begun = asyncio.Event()

    def begin(self, epoch: int, token: str = "") -> None:
        """Generate in an epoch that was never used: with a token as leader, without one alone."""
        self.end()
        self._inbox.highest_epoch = max(self._inbox.highest_epoch, epoch)
        self.maps.start_epoch(epoch)
        self.stint = Stint(epoch, token, self._clock_s(), asyncio.get_running_loop().create_future())
        self._begun.set()

    def end(self) -> None:
        """Generate no more."""
        if self.stint is not None:
            self.stint.over.set_result(None)
            self.stint = None
            self.wake.set()

    async def run(self) -> None:
        """Generate whenever there is a stint, until cancelled."""
        while True:
            stint = self.stint
            if stint is None:
                self._begun.clear()
                await self._begun.wait()
                continue
            with suppress(_StintOverError):
                async with aclosing(self._ticks(stint)) as ticks:
                    async for tick in ticks:
                        await self._say(stint, tick)

    async def keep_warm(self, symbols: tuple[str, ...]) -> None:
        """Bring the maps up to date now and then while another server generates."""
        while True:
            await asyncio.sleep(WARM_EVERY_S)
            if self.stint is None:
                for symbol in symbols:
                    await self.maps.get_latest_heatmap_snapshot(symbol)

    def _ticks(self, stint: Stint) -> AsyncGenerator[Tick]:
        async def latest(symbol: str) -> HeatmapSnapshot | None:
            snapshot = await self.maps.get_latest_heatmap_snapshot(symbol)
            return None if snapshot is None or self._is_behind(snapshot, stint) else snapshot

        def symbols() -> frozenset[str]:
            self._check(stint)
            return self._symbols()

        return heatmap_update_generator(
            latest, active_symbols=symbols, interval_s=self._interval_s, wake=self.wake
        )

    def _is_behind(self, snapshot: HeatmapSnapshot, stint: Stint) -> bool:
        newest = self._inbox.newest.get(snapshot.symbol)
        behind = (
            newest is not None
            and snapshot.timestamp_ms < newest.timestamp_ms
            and self._clock_s() < stint.began_s + HOLD_BACK_S
        )
        if behind:
            asyncio.get_running_loop().call_later(HOLD_BACK_S / 4, self.wake.set)
        return behind

    def _check(self, stint: Stint) -> None:
        if self.stint is not stint:
            raise _StintOverError

    async def _say(self, stint: Stint, tick: Tick) -> None:
        """Only what was published, or needs not be, goes to this server's clients."""
        self._check(stint)
        for snapshot in tick:
            note_produced(snapshot)
        if stint.token:
            await self._publish_in(stint, tick)
            self._check(stint)
        for snapshot in tick:
            self._inbox.offer(snapshot)

    async def _publish_in(self, stint: Stint, tick: Tick) -> None:
        """Returns when the tick is out. Should the stint end first, the publication is left to itself."""
        publication = asyncio.ensure_future(self._publish(stint.token, tick))
        publication.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait((publication, stint.over), return_when=asyncio.FIRST_COMPLETED)
        self._check(stint)
        try:
            if not publication.result():
                self._on_refused()
        except REDIS_ERRORS as error:
            self._on_lost(error)


def note_produced(snapshot: HeatmapSnapshot) -> None:
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
