"""One stream for many servers: the leader publishes each snapshot, every server receives it.

One hash per symbol, `{prefix}:{symbol}:latest` (epoch, seq, payload), holds the published position and lives
only as long as a leader keeps it alive; the channel `{prefix}:{symbol}` carries the same payload at once.
Pub/sub forgets whoever is away for a moment, so a subscriber reads the hashes again after every
(re)subscription, on a gap in seq and every second: a lost message costs that second, never correctness.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from redis import asyncio as aioredis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from liqstream.fleet.scripts import closed_is_broken, run_script
from liqstream.heatmap.snapshot import NO_POSITION, HeatmapSnapshot, StreamPosition
from liqstream.heatmap.updates import SnapshotBatch
from liqstream.supervision.supervise import raise_swallowed_cancellation
from liqstream.symbols import ascii_symbol
from liqstream.wire.snapshot_codec import MAX_PAYLOAD_BYTES, BadPayloadError, decode_snapshot, encode_snapshot

log = structlog.get_logger(__name__)

REREAD_S = 1.0
RECONNECT_S = 0.2
REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""What a Redis that is away, hung or confused raises."""


@dataclass(frozen=True, slots=True)
class RedisNames:
    """Every key and channel of one fleet.

    A symbol is capitals and digits, so no name clashes with one; beyond ASCII it is percent-encoded.
    """

    prefix: str

    @property
    def lease(self) -> str:
        """Held by the one server that generates: "server:epoch"."""
        return f"{self.prefix}:lease"

    @property
    def epoch(self) -> str:
        """The highest epoch any server used or needed."""
        return f"{self.prefix}:epoch"

    @property
    def demand(self) -> str:
        """What each server's clients need: a hash by server."""
        return f"{self.prefix}:wanted"

    @property
    def wake_channel(self) -> str:
        """Tells servers to sync now rather than in a moment: the lease or the demand has changed."""
        return f"{self.prefix}:bell"

    def latest(self, symbol: str) -> str:
        """The symbol's newest snapshot."""
        return f"{self.prefix}:{ascii_symbol(symbol)}:latest"

    def forecast(self, symbol: str) -> str:
        """The symbol's newest forecasts."""
        return f"{self.prefix}:{ascii_symbol(symbol)}:forecast"

    @property
    def market_list(self) -> str:
        """Which markets are followed, where the leader chooses them."""
        return f"{self.prefix}:market-list:latest"

    @property
    def market_list_channel(self) -> str:
        """Where lists of markets are published."""
        return f"{self.prefix}:market-list"

    @property
    def market_choices(self) -> str:
        """The choice of markets that each server was given: a hash by server."""
        return f"{self.prefix}:market-list:choices"

    @property
    def markets(self) -> str:
        """The newest table of markets."""
        return f"{self.prefix}:markets:latest"

    @property
    def markets_channel(self) -> str:
        """Where tables of markets are published."""
        return f"{self.prefix}:markets"

    def records(self, kind: str) -> str:
        """Where the keys begin of what is kept for owners, by kind (fleet/shared_records.py)."""
        return f"{self.prefix}:records:{kind}"

    def claims(self, kind: str) -> str:
        """Where the keys begin of what one server has claimed, by kind (fleet/shared_claims.py)."""
        return f"{self.prefix}:claims:{kind}"

    def prices(self, symbol: str) -> str:
        """Where the symbol's prices are published, of which ticks are made."""
        return f"{self.prefix}:{ascii_symbol(symbol)}:prices"

    def channel(self, symbol: str) -> str:
        """Where the symbol's snapshots are published."""
        return f"{self.prefix}:{ascii_symbol(symbol)}"


async def publish_snapshot(
    redis: aioredis.Redis, *snapshots: HeatmapSnapshot, names: RedisNames, token: str, ttl_ms: int
) -> int | None:
    """Write `snapshots` to their symbols' keys and channels if `token` holds the lease; all of them or none.

    Returns how many subscribers they reached in all, None if the lease is another's: then nothing was
    written. The keys expire after `ttl_ms` unless the leader keeps them alive. Raises what redis-py raises.
    """
    keys = [names.lease, *(names.latest(snapshot.symbol) for snapshot in snapshots)]
    args: list[str | bytes | int] = [token, ttl_ms]
    for snapshot in snapshots:
        args += [names.channel(snapshot.symbol), *snapshot.position, encode_snapshot(snapshot)]
    receivers = int(await run_script(redis, "publish", keys, args))
    return None if receivers < 0 else receivers


async def subscribe_to_symbols(
    redis: aioredis.Redis,
    symbols: Sequence[str],
    *,
    names: RedisNames,
    on_garbage: Callable[[str], None] = lambda _reason: None,
    on_wake: Callable[[], None] = lambda: None,
    on_reception: Callable[[BaseException | None], None] = lambda _error: None,
    reread_s: float = REREAD_S,
) -> AsyncGenerator[SnapshotBatch]:
    """Yield batches of new snapshots; per symbol (epoch, seq) only grows, what is older is left out.

    It never ends and raises nothing of Redis'. While Redis is away, or refuses, it yields nothing and keeps
    connecting; it goes on with the newest. `on_reception` is called with each failure, and with None whenever
    the newest were read. What is no snapshot is passed over, its reason goes to `on_garbage`. `on_wake` is
    called for each message of the wake channel. What is received changes with the list of `symbols`.
    """
    reader = _Reader(redis, names, on_garbage)
    while True:
        pubsub = redis.pubsub()
        try:
            with closed_is_broken():
                reader.follow(symbols)
                await pubsub.subscribe(names.wake_channel, *reader.channels)
            due_s, subscribed = 0.0, False
            while True:
                raise_swallowed_cancellation()
                with closed_is_broken():
                    await _follow_list(pubsub, reader, symbols)
                    message = await pubsub.get_message(timeout=_wait_s(due_s))
                kind = message["type"] if message else ""
                if kind == "message" and message["channel"].decode() == names.wake_channel:
                    on_wake()
                elif kind == "message":
                    batch = reader.receive(message["channel"].decode(), message["data"])
                    if batch:
                        yield batch
                # Messages that came together are read without a wait: a flood of them would stop the server.
                await asyncio.sleep(0)
                # redis-py subscribes again by itself after a short outage, and only this message shows it.
                if kind == "subscribe" or reader.gap or _wait_s(due_s) <= 0:
                    due_s = asyncio.get_running_loop().time() + reread_s
                    batch = await reader.reread()
                    # What was read before Redis confirmed the subscription says nothing of it.
                    subscribed = subscribed or kind == "subscribe"
                    if subscribed:
                        on_reception(None)
                    if batch:
                        yield batch
        except REDIS_ERRORS as error:
            raise_swallowed_cancellation()
            log.debug("subscription lost", reason=str(error))
            on_reception(error)
        finally:
            with suppress(*REDIS_ERRORS), closed_is_broken():
                await pubsub.aclose()  # type: ignore[no-untyped-call]
        await asyncio.sleep(RECONNECT_S)


async def _follow_list(pubsub: PubSub, reader: _Reader, symbols: Sequence[str]) -> None:
    """Subscribe to the channels of symbols that are new in the list, leave those that are not in it now."""
    added, ended = reader.follow(symbols)
    if added:
        await pubsub.subscribe(*added)
    if ended:
        await pubsub.unsubscribe(*ended)


def _wait_s(due_s: float) -> float:
    return max(0.0, due_s - asyncio.get_running_loop().time())


class _Reader:
    """The positions one subscriber has reached, and the snapshots in the bytes that come in."""

    def __init__(self, redis: aioredis.Redis, names: RedisNames, on_garbage: Callable[[str], None]) -> None:
        # True after a message that was not the next one of its epoch: reread, for one was lost.
        self.gap = False
        self._redis = redis
        self._names = names
        self._symbols: tuple[str, ...] = ()
        self._of_channel: dict[str, str] = {}
        self._on_garbage = on_garbage
        self._positions: dict[str, StreamPosition] = {}

    @property
    def channels(self) -> tuple[str, ...]:
        """Where the symbols that are followed are published."""
        return tuple(self._of_channel)

    def follow(self, symbols: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read these symbols from now on: the channels to subscribe to, and those to leave."""
        wanted = tuple(symbols)
        if wanted == self._symbols:
            return (), ()
        before, self._symbols = self._of_channel, wanted
        self._of_channel = {self._names.channel(symbol): symbol for symbol in wanted}
        self._positions = {s: at for s, at in self._positions.items() if s in set(wanted)}
        added = tuple(channel for channel in self._of_channel if channel not in before)
        return added, tuple(channel for channel in before if channel not in self._of_channel)

    def receive(self, channel: str, payload: bytes) -> SnapshotBatch:
        """The snapshot a message carries, if it is one and new."""
        symbol = self._of_channel.get(channel)
        snapshot = None if symbol is None else self._read(symbol, payload)
        if snapshot is None:
            return ()
        epoch, seq = self._positions.get(snapshot.symbol, NO_POSITION)
        self.gap = epoch == snapshot.epoch and snapshot.seq > seq + 1
        return self._new([snapshot])

    async def reread(self) -> SnapshotBatch:
        """The snapshots in Redis that are newer than those received."""
        self.gap, symbols = False, self._symbols
        known = [number for s in symbols for number in self._positions.get(s, NO_POSITION)]
        keys = [self._names.latest(symbol) for symbol in symbols]
        payloads = await run_script(self._redis, "newer", keys, [*known, MAX_PAYLOAD_BYTES])
        found = zip(symbols, payloads, strict=True)
        read = [self._read(symbol, payload) for symbol, payload in found if payload]
        return self._new([snapshot for snapshot in read if snapshot])

    def _read(self, symbol: str, payload: bytes) -> HeatmapSnapshot | None:
        try:
            return decode_snapshot(payload, symbol)
        except BadPayloadError as error:
            self._on_garbage(f"{symbol}: {error}")
            return None

    def _new(self, snapshots: Sequence[HeatmapSnapshot]) -> SnapshotBatch:
        fresh = tuple(s for s in snapshots if s.position > self._positions.get(s.symbol, NO_POSITION))
        self._positions |= {snapshot.symbol: snapshot.position for snapshot in fresh}
        return fresh
