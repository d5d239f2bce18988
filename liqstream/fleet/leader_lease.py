"""The leader lease in Redis: who generates, fencing by token, epochs that only grow, the fleet's demand.

A server talks to it in one script (sync.lua), several times a second: it states its demand and the epoch it
needs, takes the lease if nobody holds it, extends its own, and reads who leads. The lease's value is
"server:epoch", the fencing token: whoever publishes must present it (publish.lua), so that a leader that
slept through the end of its lease changes nothing in Redis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from redis import asyncio as aioredis
from redis.exceptions import ResponseError

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.scripts import run_script
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.symbols import MAX_UPDATE_INTERVAL_S, MIN_UPDATE_INTERVAL_S
from liqstream.wire.snapshot_codec import MAX_EPOCH_AHEAD_MS

LOCALLY_VALID_SHARE = 0.8
"""The share of the lease time for which a holder that could not renew the lease takes it for its own."""
LATEST_LEASE_TIMES = 2
"""A published snapshot lives this many lease times in Redis: for those who join while the leader changes."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The symbols and the interval in s that a server's clients need.

    `fit` says whether its own data would make it a good leader.
    """

    symbols: frozenset[str]
    interval_s: int
    fit: bool

    def line(self) -> str:
        """The form in which Redis holds it: "fit interval symbol ...", fit as 0 or 1."""
        return " ".join([str(int(self.fit)), str(self.interval_s), *sorted(self.symbols)])

    @classmethod
    def read(cls, line: bytes, known: Iterable[str]) -> Demand | None:
        """Another server's demand, less the symbols not `known` here; None for a line of another form.

        The interval is brought into the limits of a subscription's.
        """
        words = line.decode("utf-8", "replace").split()
        if len(words) < 2 or not re.fullmatch("[01]", words[0]) or not re.fullmatch("[0-9]{1,4}", words[1]):
            return None
        interval_s = min(MAX_UPDATE_INTERVAL_S, max(MIN_UPDATE_INTERVAL_S, int(words[1])))
        return cls(frozenset(words[2:]) & frozenset(known), interval_s, words[0] == "1")


@dataclass(frozen=True, slots=True)
class FleetState:
    """The state of the fleet at a `sync`: `leader` is "" and `epoch` 0 while nobody leads.

    `others` is the demand of every other server. `published` holds the position of each symbol's newest
    snapshot that a leader keeps alive in Redis.
    """

    leader: str
    epoch: int
    others: tuple[Demand, ...]
    published: Mapping[str, StreamPosition]


class Lease:
    """One server's hold on its fleet's lease. `lease_s` and the monotonic `clock_s` are in s."""

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
        self._redis = redis  # the coordinator's, which closes it
        self._names = names  # of the keys, and of the wake channel
        self._symbols = symbols  # all that may be served now; the list may change
        self._lease_s = lease_s  # s; the lease's life in Redis after each sync of its holder
        self._clock_s = clock_s  # monotonic, s
        self._valid_until_s = 0.0  # clock_s; set by a sync that finds this server leading, 0 by `release`

    @property
    def latest_ttl_ms(self) -> int:
        """How long a published snapshot lives in Redis unless the leader keeps it alive, in ms."""
        return int(self._lease_s * 1000 * LATEST_LEASE_TIMES)

    def token(self, epoch: int) -> str:
        """The lease's value while this server leads in `epoch`: its fencing token."""
        return lease_token(self.server, epoch)

    def is_valid_locally(self) -> bool:
        """False as soon as the lease could have ended by this server's own clock, whatever Redis says."""
        return self._clock_s() < self._valid_until_s

    async def sync(self, demand: Demand, *, may_lead: bool, needed_epoch: int) -> FleetState:
        """State this server's demand, take or extend the lease, and read the state of the fleet.

        `needed_epoch` is the least epoch the stream must be in. Raises what redis-py raises.
        """
        # The lease runs from when Redis took the command, which is after this moment: counting from here,
        # this server gives up first.
        sent_s, symbols = self._clock_s(), tuple(self._symbols)
        keys = [self._names.lease, self._names.epoch, self._names.demand, *map(self._names.latest, symbols)]
        args: list[str | bytes | int] = [
            self.server,
            int(may_lead),
            needed_epoch,
            round(self._lease_s * 1000),
            self._names.wake_channel,
            demand.line(),
            MAX_EPOCH_AHEAD_MS,
            self.latest_ttl_ms,
            *symbols,
        ]
        found, epoch, others, published = await run_script(self._redis, "sync", keys, args)
        try:
            leader, leads_in = found.decode(), int(epoch)
        except ValueError as error:
            # Somebody else's value under our key: it expires, as every lease does.
            raise ResponseError(f"the lease is no server's: {found[:40]!r}") from error
        if leader == self.server:
            self._valid_until_s = sent_s + self._lease_s * LOCALLY_VALID_SHARE
        demands = [Demand.read(line, symbols) for line in others]
        positions = zip(symbols, map(_position, published), strict=True)
        return FleetState(
            leader,
            leads_in,
            tuple(other for other in demands if other),
            {symbol: position for symbol, position in positions if position},
        )

    async def release(self) -> None:
        """Give the lease up, if it is held, and withdraw this server's demand.

        Raises what redis-py raises.
        """
        self._valid_until_s = 0.0
        keys = [self._names.lease, self._names.demand]
        await run_script(self._redis, "release", keys, [self.server, self._names.wake_channel])


def _position(text: bytes) -> StreamPosition | None:
    found = re.fullmatch(rb"([0-9]{1,16}):([0-9]{1,16})", text)
    return StreamPosition(int(found[1]), int(found[2])) if found else None


def lease_token(server: str, epoch: int) -> str:
    """What a server holds the lease with in an epoch, and publishes by."""
    return f"{server}:{epoch}"
