"""One stream for many servers: the leader publishes each snapshot, every server takes it.

The truth is one hash per symbol, `{prefix}:{symbol}:latest` (epoch, seq, payload), and lives only as long as
a leader vouches for it; the channel `{prefix}:{symbol}` is the doorbell that carries the payload. Pub/sub
forgets whoever is away for a moment, so a subscriber reads the truth again after every (re)subscription, on
a gap and every second: a lost message costs that second, never correctness.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from redis import asyncio as aioredis
from redis.exceptions import ConnectionError as BrokenConnectionError
from redis.exceptions import RedisError

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.updates import Tick
from liqstream.ws.snapshot_codec import MAX_PAYLOAD_BYTES, BadPayloadError, decode_snapshot, encode_snapshot

log = structlog.get_logger(__name__)

T = TypeVar("T")

REREAD_S = 1.0
RECONNECT_S = 0.2
REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""What a Redis that is away, hung or confused raises."""

_PUBLISH = """
-- Publishes a tick if the caller holds the lease: fencing and truth in one step.
-- KEYS: lease, then each symbol's latest.
-- ARGV: token, ttl in ms, then per symbol: channel, epoch, seq, payload.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local heard = 0
for i = 2, #KEYS do
  local at = 3 + (i - 2) * 4
  if redis.pcall('TYPE', KEYS[i]).ok ~= 'hash' then redis.call('DEL', KEYS[i]) end
  redis.call('HSET', KEYS[i], 'epoch', ARGV[at + 1], 'seq', ARGV[at + 2], 'payload', ARGV[at + 3])
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
  heard = heard + redis.call('PUBLISH', ARGV[at], ARGV[at + 3])
end
return heard
"""

_NEWER = """
-- Payloads newer than what the caller has. KEYS: each symbol's latest. ARGV: per symbol: epoch, seq it has;
-- last, the most bytes it takes.
local found = {}
for i = 1, #KEYS do
  found[i] = ''
  local said = redis.pcall('HMGET', KEYS[i], 'epoch', 'seq')
  local epoch, seq = tonumber(said[1] or ''), tonumber(said[2] or '')
  local has_epoch, has_seq = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  if epoch and seq and (epoch > has_epoch or (epoch == has_epoch and seq > has_seq)) then
    if redis.call('HSTRLEN', KEYS[i], 'payload') <= tonumber(ARGV[#ARGV]) then
      found[i] = redis.call('HGET', KEYS[i], 'payload') or ''
    end
  end
end
return found
"""

Order = tuple[int, int]
"""(epoch, seq): snapshots of a symbol are ordered by it, over all servers."""
NOTHING: Order = (0, 0)


@dataclass(frozen=True, slots=True)
class RedisNames:
    """Every key and channel of one fleet. A symbol is capitals and digits, so no name clashes with one."""

    prefix: str

    @property
    def lease(self) -> str:
        """Held by the one server that generates: "server:epoch"."""
        return f"{self.prefix}:lease"

    @property
    def epoch(self) -> str:
        """The highest epoch anyone used or asked for."""
        return f"{self.prefix}:epoch"

    @property
    def wanted(self) -> str:
        """What each server's clients are subscribed to."""
        return f"{self.prefix}:wanted"

    @property
    def bell(self) -> str:
        """The channel that tells servers to look at lease and wants now rather than in a moment."""
        return f"{self.prefix}:bell"

    def latest(self, symbol: str) -> str:
        """The symbol's newest snapshot."""
        return f"{self.prefix}:{symbol}:latest"

    def channel(self, symbol: str) -> str:
        """Where the symbol's snapshots are published."""
        return f"{self.prefix}:{symbol}"


def order(snapshot: HeatmapSnapshot) -> Order:
    """The snapshot's place in its symbol's order."""
    return snapshot.epoch, snapshot.seq


async def unbroken(command: Awaitable[T]) -> T:
    """Await a command to its end even when the waiter is cancelled.

    A command cancelled in flight leaves its answer in the connection for the next one to take as its own
    (CVE-2023-28858). The socket timeout bounds the wait.
    """
    task = asyncio.ensure_future(command)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


async def publish_snapshot(
    redis: aioredis.Redis, *snapshots: HeatmapSnapshot, names: RedisNames, token: str, ttl_ms: int
) -> int | None:
    """Make `snapshots` the truth and ring the doorbell, if `token` holds the lease; all of them or none.

    Returns how many subscribers heard it, None if the lease is another's: then nothing was written. The
    truth expires after `ttl_ms` unless vouched for again. Raises what redis-py raises.
    """
    keys = [names.lease, *(names.latest(snapshot.symbol) for snapshot in snapshots)]
    said: list[str | bytes | int] = [token, ttl_ms]
    for snapshot in snapshots:
        said += [names.channel(snapshot.symbol), *order(snapshot), encode_snapshot(snapshot)]
    heard = int(await unbroken(call_script(redis, _PUBLISH, keys, said)))
    return None if heard < 0 else heard


async def call_script(redis: aioredis.Redis, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
    """Run a Lua script that may run twice.

    A connection that died while it lay in the pool is no outage: the script is sent once more on a fresh one.
    EVAL, not EVALSHA: a flushed script cache must not cost another round trip.
    """
    try:
        with _closed_is_broken():
            return await redis.eval(script, len(keys), *keys, *args)
    except BrokenConnectionError:
        with _closed_is_broken():
            await redis.connection_pool.disconnect(inuse_connections=False)
            return await redis.eval(script, len(keys), *keys, *args)


@contextmanager
def _closed_is_broken() -> Iterator[None]:
    """uvloop raises RuntimeError where asyncio would raise ConnectionError: on a transport that was reset."""
    try:
        yield
    except RuntimeError as error:
        if "the handler is closed" not in str(error):
            raise
        raise BrokenConnectionError(str(error)) from error


async def subscribe_to_symbols(
    redis: aioredis.Redis,
    symbols: Sequence[str],
    *,
    names: RedisNames,
    on_garbage: Callable[[str], None] = lambda _reason: None,
    on_bell: Callable[[], None] = lambda: None,
    on_lost: Callable[[], None] = lambda: None,
    reread_s: float = REREAD_S,
) -> AsyncGenerator[Tick]:
    """Yield, as ticks, every symbol's snapshots in order; what is older than one yielded is left out.

    It never ends and raises nothing of Redis': while Redis is away (`on_lost`) it yields nothing and keeps
    dialling, and comes back with the newest. What is no snapshot is told to `on_garbage` and passed over.
    `on_bell` is called when the fleet's bell rings.
    """
    reader = _Reader(redis, tuple(symbols), names, on_garbage)
    while True:
        pubsub = redis.pubsub()
        try:
            with _closed_is_broken():
                await pubsub.subscribe(names.bell, *map(names.channel, symbols))
            due_s = 0.0
            while True:
                _heed_cancellation()
                with _closed_is_broken():
                    message = await pubsub.get_message(timeout=_wait_s(due_s))
                kind = message["type"] if message else ""
                if kind == "message" and message["channel"].decode() == names.bell:
                    on_bell()
                elif kind == "message":
                    tick = reader.heard(message["channel"].decode(), message["data"])
                    if tick:
                        yield tick
                if kind == "subscribe" or reader.gap or _wait_s(due_s) <= 0:
                    due_s = asyncio.get_running_loop().time() + reread_s
                    tick = await reader.reread()
                    if tick:
                        yield tick
        except REDIS_ERRORS as error:
            _heed_cancellation()
            log.debug("subscription lost", reason=str(error))
            on_lost()
        finally:
            with suppress(*REDIS_ERRORS), _closed_is_broken():
                await pubsub.aclose()  # type: ignore[no-untyped-call]
        await asyncio.sleep(RECONNECT_S)


def _heed_cancellation() -> None:
    """redis-py 8.1 swallows a cancellation that hits it while it connects; the task still knows of it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _wait_s(due_s: float) -> float:
    return max(0.0, due_s - asyncio.get_running_loop().time())


class _Reader:
    """What one subscriber has had, and what it makes of the bytes that come in."""

    def __init__(
        self,
        redis: aioredis.Redis,
        symbols: tuple[str, ...],
        names: RedisNames,
        on_garbage: Callable[[str], None],
    ) -> None:
        self.gap = False
        self._redis = redis
        self._symbols = symbols
        self._keys = [names.latest(symbol) for symbol in symbols]
        self._of_channel = {names.channel(symbol): symbol for symbol in symbols}
        self._on_garbage = on_garbage
        self._had: dict[str, Order] = {}

    def heard(self, channel: str, payload: bytes) -> Tick:
        """The snapshot a message carries, if it is one and new."""
        snapshot = self._read(self._of_channel[channel], payload)
        if snapshot is None:
            return ()
        epoch, seq = self._had.get(snapshot.symbol, NOTHING)
        self.gap = epoch == snapshot.epoch and snapshot.seq > seq + 1
        return self._new([snapshot])

    async def reread(self) -> Tick:
        """What the truth holds beyond what was heard."""
        self.gap = False
        had = [number for symbol in self._symbols for number in self._had.get(symbol, NOTHING)]
        found = await unbroken(call_script(self._redis, _NEWER, self._keys, [*had, MAX_PAYLOAD_BYTES]))
        read = [self._read(s, payload) for s, payload in zip(self._symbols, found, strict=True) if payload]
        return self._new([snapshot for snapshot in read if snapshot])

    def _read(self, symbol: str, payload: bytes) -> HeatmapSnapshot | None:
        try:
            return decode_snapshot(payload, symbol)
        except BadPayloadError as error:
            self._on_garbage(f"{symbol}: {error}")
            return None

    def _new(self, snapshots: Sequence[HeatmapSnapshot]) -> Tick:
        fresh = tuple(s for s in snapshots if order(s) > self._had.get(s.symbol, NOTHING))
        self._had |= {snapshot.symbol: order(snapshot) for snapshot in fresh}
        return fresh
