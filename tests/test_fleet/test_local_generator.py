"""Terms of a local generator: what it publishes and sends, and what it leaves out once a term is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as BrokenConnectionError

from liqstream.fleet.latest_snapshots import LatestSnapshots
from liqstream.fleet.local_generator import CATCH_UP_S, LocalGenerator
from liqstream.fleet.membership import DemandSource
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import SnapshotBatch
from liqstream.market import MarkPrice
from liqstream.store.market_store import MarketStore
from tests.support.fleet import END_MS, SYMBOL, keep_nothing, make_maps

TIMEOUT_S = 10


@dataclass
class Publisher:
    """Stands for the lease: lets publications through, refuses them, holds them up or fails."""

    allows: bool = True
    error: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    published: list[tuple[str, SnapshotBatch]] = field(default_factory=list)
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    down: list[BaseException] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, token: str, batch: SnapshotBatch) -> bool:
        """Publish once the gate is open."""
        self.began.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        if self.allows:
            self.published.append((token, batch))
        return self.allows


class Clock:
    """A clock that stands until a test moves it."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Rig:
    """A generator of SYMBOL that runs, what it sends to, and what it publishes by."""

    generator: LocalGenerator
    latest: LatestSnapshots
    publisher: Publisher
    clock: Clock
    rounds: list[frozenset[str]]

    def price(self, usd: float, after_ms: int = 1000) -> None:
        """The market moves."""
        self.generator.maps.apply([MarkPrice("binance", SYMBOL, END_MS + after_ms, usd)])

    async def next_sent(self) -> HeatmapSnapshot:
        """The next snapshot for this server's clients."""
        async with asyncio.timeout(TIMEOUT_S):
            (snapshot,) = await anext(self.latest.batches())
        return snapshot


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Real maps, a round a second, and no term yet."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    maps = await make_maps(store)
    latest, publisher, clock = LatestSnapshots(keep_nothing), Publisher(), Clock()
    publisher.gate.set()
    latest.set_active(frozenset({SYMBOL}))
    rounds: list[frozenset[str]] = []

    def active_symbols() -> frozenset[str]:
        rounds.append(frozenset({SYMBOL}))
        return rounds[-1]

    demand = DemandSource(active_symbols, lambda: 1, asyncio.Event())

    def on_refused() -> None:
        publisher.refused.set()
        generator.end()

    def on_redis_down(error: BaseException) -> None:
        publisher.down.append(error)
        generator.end()
        publisher.refused.set()

    generator = LocalGenerator(
        maps,
        latest,
        demand=demand,
        publish=publisher.publish,
        on_refused=on_refused,
        on_redis_down=on_redis_down,
        clock_s=clock,
    )
    running = asyncio.create_task(generator.run())
    yield Rig(generator, latest, publisher, clock, rounds)
    running.cancel()
    await asyncio.wait([running])
    maps.close()
    await store.close()


async def test_an_epoch_is_kept_before_anything_of_it_is_published(rig: Rig) -> None:
    """Other servers pass it on at once: begun again, this one must begin above it."""
    kept: list[tuple[int, bool]] = []

    async def keep(epoch: int) -> None:
        kept.append((epoch, rig.publisher.began.is_set()))

    rig.latest.keep_epoch = keep
    rig.generator.begin(7, "a:7")
    await rig.next_sent()
    assert kept[0] == (7, False)


async def test_a_leaders_snapshots_are_published_first(rig: Rig) -> None:
    """Under the term's token; only then do its own clients get them, in the term's epoch."""
    rig.publisher.gate.clear()
    rig.generator.begin(7, "one:7")
    await rig.publisher.began.wait()
    assert SYMBOL not in rig.latest.newest
    rig.publisher.gate.set()
    sent = await rig.next_sent()
    assert sent.position == (7, 1)
    assert [(token, [s.position for s in batch]) for token, batch in rig.publisher.published] == [
        ("one:7", [(7, 1)])
    ]


async def test_without_a_token_nothing_is_published(rig: Rig) -> None:
    """It generates for its own clients alone, and what comes later is newer."""
    rig.generator.begin(7)
    first = await rig.next_sent()
    rig.price(101_000)
    second = await rig.next_sent()
    assert (first.position, second.position) == ((7, 1), (7, 2))
    assert second.current_price == 101_000
    assert rig.publisher.published == []


@pytest.mark.parametrize("error", [None, BrokenConnectionError("reset")])
async def test_what_was_not_published_reaches_nobody(rig: Rig, error: Exception | None) -> None:
    """Refused, or Redis down: each is reported to the one who decides, and the term is over."""
    rig.publisher.allows, rig.publisher.error = False, error
    rig.generator.begin(7, "one:7")
    async with asyncio.timeout(TIMEOUT_S):
        await rig.publisher.refused.wait()
    assert rig.publisher.down == ([] if error is None else [error])
    assert rig.generator.term is None
    rig.generator.begin(8)
    assert (await rig.next_sent()).epoch == 8


async def test_a_term_that_ended_sends_nothing_more(rig: Rig) -> None:
    """Its publication is left to itself; the next term begins at once in another epoch."""
    rig.publisher.gate.clear()
    rig.generator.begin(7, "one:7")
    await rig.publisher.began.wait()
    rig.generator.end()
    rig.generator.begin(8)
    assert (await rig.next_sent()).epoch == 8
    rig.publisher.gate.set()
    rig.price(102_000)
    assert (await rig.next_sent()).epoch == 8


async def test_clients_never_see_their_clock_run_backwards(rig: Rig) -> None:
    """A leader whose data is older than what clients were sent waits for newer data, for a moment."""
    newest = await rig.generator.maps.get_latest_heatmap_snapshot(SYMBOL)
    assert newest is not None
    ahead = replace(newest, epoch=6, seq=1, timestamp_ms=newest.timestamp_ms + 500)
    assert rig.latest.offer(ahead)
    assert await rig.next_sent() is ahead
    sending = asyncio.create_task(rig.next_sent())
    rig.generator.begin(7)
    rounds = rig.rounds
    await until(lambda: len(rounds) >= 2)  # the first one is over, and has sent nothing
    rig.price(103_000)
    sent = await sending
    assert (sent.epoch, sent.current_price) == (7, 103_000)
    rig.latest.offer(replace(sent, epoch=8, timestamp_ms=sent.timestamp_ms + 500))
    assert (await rig.next_sent()).epoch == 8
    rig.generator.begin(9)
    rig.clock.now_s += CATCH_UP_S
    assert (await rig.next_sent()).timestamp_ms == sent.timestamp_ms


async def test_maps_are_kept_warm_only_between_terms(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another server generates, the maps of all symbols are brought up to date."""
    monkeypatch.setattr("liqstream.fleet.local_generator.WARM_EVERY_S", 0.01)
    warming = asyncio.create_task(rig.generator.keep_warm((SYMBOL,)))
    try:
        await until(lambda: rig.generator.maps.last_snapshot(SYMBOL) is not None)
    finally:
        warming.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
