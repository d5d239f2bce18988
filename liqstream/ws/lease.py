"""Who generates: one lease in Redis, with epochs that only grow, and what the fleet's clients want.

A server talks to it in one script, several times a second: it says what its clients want and which epoch it
needs, takes the lease if nobody holds it, extends its own, and hears who leads. The lease's value is
"server:epoch"; whoever publishes must present it (redis_pubsub.py), so that a leader that slept through the
end of its lease gets nothing through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from redis import asyncio as aioredis

from liqstream.symbols import MAX_UPDATE_INTERVAL_S, MIN_UPDATE_INTERVAL_S
from liqstream.ws.redis_pubsub import Order, RedisNames, call_script, unbroken
from liqstream.ws.snapshot_codec import MAX_EPOCH_AHEAD_MS

GIVEN_UP_AT = 0.8
"""Part of its life after which a holder that could not renew stops believing in its lease."""
TRUTH_OUTLIVES_LEASE = 2
"""The truth lasts this many lease times, so that clients who join during a leader change get a map."""

_SYNC = """
-- One server's exchange with its fleet.
-- KEYS: lease, epoch, wanted, then each symbol's latest.
-- ARGV: server, may lead (1/0), epoch it needs at least, lease ms, bell, wants ("fit interval symbol ..."),
--       most ms an epoch may be ahead, ms the truth lasts, then the symbols.
local function typed(key, kind)
  local is = redis.call('TYPE', key).ok
  if is ~= kind and is ~= 'none' then redis.call('DEL', key) end
end
typed(KEYS[1], 'string') typed(KEYS[2], 'string') typed(KEYS[3], 'hash')
local server, lease_ms, bell = ARGV[1], tonumber(ARGV[4]), ARGV[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rung = false
local function ring() if not rung then redis.call('PUBLISH', bell, server) rung = true end end

-- Epochs: the highest anyone used or needs.
local known = tonumber(redis.call('GET', KEYS[2]) or '') or 0
if not (known <= now + tonumber(ARGV[7])) then known = 0 end
local top = math.max(known, tonumber(ARGV[3]))

-- The lease.
local lease = redis.call('GET', KEYS[1])
local holder, epoch = string.match(lease or '', '^(.+):(%d+)$')
epoch = tonumber(epoch)
local function lead()
  holder, epoch = server, math.max(now, top + 1)
  redis.call('SET', KEYS[1], string.format('%s:%.0f', server, epoch), 'PX', lease_ms)
  ring()
end
if holder == server then
  if top > epoch then lead() else redis.call('PEXPIRE', KEYS[1], lease_ms) end
elseif not holder and ARGV[2] == '1' then
  lead()
elseif holder and (redis.call('PTTL', KEYS[1]) < 0 or redis.call('PTTL', KEYS[1]) > 60000) then
  -- A lease for ever, or for longer than one can be set: nobody of ours renews it.
  redis.call('PEXPIRE', KEYS[1], lease_ms)
elseif top > known then
  ring()
end
top = math.max(top, epoch or 0)
if top > known then redis.call('SET', KEYS[2], string.format('%.0f', top)) end

-- What the fleet wants.
local before = redis.call('HGET', KEYS[3], server) or ''
if string.match(before, '^%d+ (.*)$') ~= ARGV[6] then ring() end
redis.call('HSET', KEYS[3], server, string.format('%.0f %s', now + 3 * lease_ms, ARGV[6]))
local wanted, others = {}, {}
local all = redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
  local till, wants = string.match(all[i + 1], '^(%d+) (.*)$')
  -- Three times the longest lease that can be set: what claims to last longer is not of our making.
  if not till or tonumber(till) < now or tonumber(till) > now + 180000 then
    redis.call('HDEL', KEYS[3], all[i])
  else
    for word in string.gmatch(wants, '%S+') do wanted[word] = true end
    if all[i] ~= server then others[#others + 1] = wants end
  end
end

-- The truth: its leader keeps what is wanted alive and withdraws the rest.
local truths = {}
for i = 4, #KEYS do
  if redis.call('TYPE', KEYS[i]).ok == 'hash' then
    if holder == server then
      if wanted[ARGV[5 + i]] then redis.call('PEXPIRE', KEYS[i], ARGV[8]) else redis.call('DEL', KEYS[i]) end
    end
    local said = redis.call('HMGET', KEYS[i], 'epoch', 'seq')
    truths[i - 3] = (said[1] or '') .. ':' .. (said[2] or '')
  else
    truths[i - 3] = ''
  end
end
return {holder or '', string.format('%.0f', epoch or 0), others, truths}
"""

_RELEASE = """
-- KEYS: lease, wanted. ARGV: server, bell.
local lease = redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) or ''
if string.match(lease, '^(.+):%d+$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
"""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a server's clients want of the leader, and whether its own data would make it a good one."""

    symbols: frozenset[str]
    interval_s: int
    fit: bool

    def line(self) -> str:
        """The form in which Redis holds it."""
        return " ".join([str(int(self.fit)), str(self.interval_s), *sorted(self.symbols)])

    @classmethod
    def read(cls, line: bytes, known: Iterable[str]) -> Wants | None:
        """Another server's wants, as far as they make sense to this one."""
        words = line.decode("ascii", "replace").split()
        if len(words) < 2 or not re.fullmatch("[01]", words[0]) or not re.fullmatch("[0-9]{1,4}", words[1]):
            return None
        interval_s = min(MAX_UPDATE_INTERVAL_S, max(MIN_UPDATE_INTERVAL_S, int(words[1])))
        return cls(frozenset(words[2:]) & frozenset(known), interval_s, words[0] == "1")


@dataclass(frozen=True, slots=True)
class Fleet:
    """How things stood at a `sync`: `leader` is "" and `epoch` 0 while nobody leads.

    `truths` holds, per symbol a leader vouches for, the (epoch, seq) of its newest snapshot.
    """

    leader: str
    epoch: int
    others: tuple[Wants, ...]
    truths: Mapping[str, Order]


class Lease:
    """One server's hold on the fleet's lease. Times are of the monotonic clock, in s."""

    def __init__(
        self,
        redis: aioredis.Redis,
        names: RedisNames,
        *,
        server: str,
        symbols: Sequence[str],
        lease_s: float,
        clock_s: Callable[[], float],
    ) -> None:
        self.server = server
        self._redis = redis
        self._names = names
        self._symbols = tuple(symbols)
        self._lease_s = lease_s
        self._clock_s = clock_s
        self._believed_until_s = 0.0
        self._keys = [names.lease, names.epoch, names.wanted, *map(names.latest, symbols)]

    @property
    def truth_ms(self) -> int:
        """How long a published snapshot stays the truth unless vouched for again."""
        return int(self._lease_s * 1000 * TRUTH_OUTLIVES_LEASE)

    def token(self, epoch: int) -> str:
        """The lease's value while this server leads in `epoch`."""
        return f"{self.server}:{epoch}"

    def is_believed(self) -> bool:
        """False as soon as the lease could have ended by this server's own clock, whatever Redis says."""
        return self._clock_s() < self._believed_until_s

    async def sync(self, wants: Wants, *, may_lead: bool, needed_epoch: int) -> Fleet:
        """Say and hear everything. Raises what redis-py raises."""
        asked_s = self._clock_s()
        leader, epoch, others, truths = await unbroken(
            call_script(
                self._redis,
                _SYNC,
                self._keys,
                [
                    self.server,
                    int(may_lead),
                    needed_epoch,
                    round(self._lease_s * 1000),
                    self._names.bell,
                    wants.line(),
                    MAX_EPOCH_AHEAD_MS,
                    self.truth_ms,
                    *self._symbols,
                ],
            )
        )
        if leader.decode() == self.server:
            self._believed_until_s = asked_s + self._lease_s * GIVEN_UP_AT
        read = [Wants.read(line, self._symbols) for line in others]
        return Fleet(
            leader.decode(),
            int(epoch),
            tuple(wants for wants in read if wants),
            {s: truth for s, said in zip(self._symbols, truths, strict=True) if (truth := _order(said))},
        )

    async def release(self) -> None:
        """Give the lease up, if it is held, and withdraw this server's wants."""
        self._believed_until_s = 0.0
        keys = [self._names.lease, self._names.wanted]
        await unbroken(call_script(self._redis, _RELEASE, keys, [self.server, self._names.bell]))


def _order(said: bytes) -> Order | None:
    found = re.fullmatch(rb"([0-9]{1,16}):([0-9]{1,16})", said)
    return (int(found[1]), int(found[2])) if found else None
