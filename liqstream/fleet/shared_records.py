"""What is kept for owners in the fleet's Redis: any server reads and writes it.

A hash per owner holds the texts by id; every change is numbered, so that whoever follows them reads what is
new and nothing else. The store's counterpart is alerts/records.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.scripts import closed_is_broken, run_script
from liqstream.store.owned_records import Full, RecordLimits

CHANGES_KEPT = 1000
"""Whoever has missed more reads everything anew."""
AT_ONCE = 100
"""Owners read in one round trip: the event loop does other things between two."""


class SharedRecords:
    """Records of one kind in Redis. Every method raises what redis-py raises."""

    def __init__(self, redis: aioredis.Redis, names: RedisNames, kind: str, limits: RecordLimits) -> None:
        self._redis = redis
        self._base = names.records(kind)
        self._limits = limits
        # The number of the newest change that `changes` has returned; -1: none yet.
        self._version = -1
        # What the last answers of `changes` came to, to see what a whole reading changes.
        self._known: dict[tuple[str, str], str] = {}

    async def of_owner(self, owner: str) -> Mapping[str, str]:
        """An owner's records by id."""
        with closed_is_broken():
            return _texts(await self._redis.hgetall(self._own(owner)))

    async def put(self, owner: str, record_id: str, content: str) -> Full | None:
        """Keep a record in place of the one of its id; returns which limit does not allow it, if any."""
        limits = self._limits
        arguments = (
            owner,
            record_id,
            content,
            limits.per_owner,
            limits.in_all,
            int(limits.drops_oldest),
            CHANGES_KEPT,
        )
        refused = await run_script(self._redis, "put_record", self._keys(owner), arguments)
        return Full(_text(refused)) if refused else None

    async def put_all(self, records: Sequence[tuple[str, str, str]]) -> int:
        """Keep many, one after the other; returns how many no limit refused."""
        return sum([await self.put(*record) is None for record in records])

    async def delete(self, owner: str, record_id: str) -> bool:
        """Forget a record; whether there was one."""
        arguments = (owner, record_id, CHANGES_KEPT)
        return bool(await run_script(self._redis, "drop_record", self._keys(owner), arguments))

    async def clear(self, owner: str) -> None:
        """Forget all of an owner's records."""
        for record_id in await self.of_owner(owner):
            await self.delete(owner, record_id)

    async def changes(self) -> dict[tuple[str, str], str | None]:
        """What has changed since the last call of this object; at first all there is."""
        with closed_is_broken():
            found = _text(await self._redis.hget(f"{self._base}:figures", "version") or 0)
            version = int(found) if found.isdecimal() else 0
            if version == self._version:
                return {}
            if self._version < 0 or not 0 < version - self._version <= CHANGES_KEPT:
                changed = await self._read_all()
            else:
                members = await self._redis.zrangebyscore(
                    f"{self._base}:changes", f"({self._version}", version
                )
                changed = await self._read([_pair(member) for member in members])
        self._version = version
        for key, content in changed.items():
            if content is None:
                self._known.pop(key, None)
            else:
                self._known[key] = content
        return changed

    async def _read_all(self) -> dict[tuple[str, str], str | None]:
        """All there is, and what was known and is gone."""
        found: dict[tuple[str, str], str | None] = dict.fromkeys(self._known)
        owners = [_text(owner) for owner in await self._redis.smembers(f"{self._base}:owners")]
        for start in range(0, len(owners), AT_ONCE):
            batch = owners[start : start + AT_ONCE]
            pipeline = self._redis.pipeline(transaction=False)
            for owner in batch:
                _ = pipeline.hgetall(self._own(owner))
            for owner, records in zip(batch, await pipeline.execute(), strict=True):
                found.update({(owner, key): content for key, content in _texts(records).items()})
        return found

    async def _read(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
        pipeline = self._redis.pipeline(transaction=False)
        for owner, record_id in keys:
            _ = pipeline.hget(self._own(owner), record_id)
        contents = await pipeline.execute()
        return {
            key: None if content is None else _text(content)
            for key, content in zip(keys, contents, strict=True)
        }

    def _own(self, owner: str) -> str:
        return f"{self._base}:of:{owner}"

    def _keys(self, owner: str) -> tuple[str, ...]:
        return (self._own(owner), *(f"{self._base}:{name}" for name in ("owners", "changes", "figures")))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _texts(found: Mapping[Any, Any]) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in found.items()}


def _pair(member: Any) -> tuple[str, str]:
    owner, _, record_id = _text(member).partition(":")
    return owner, record_id
