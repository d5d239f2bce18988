"""What is kept for owners (rules, what was raised, subscriptions), in the store or in the fleet's Redis.

Both do the same, and neither knows what the texts say. The store's is here; fleet/shared_records.py has the
other one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from liqstream.store.market_store import MarketStore
from liqstream.store.owned_records import Full, RecordLimits, StoredRecord

Changes = dict[tuple[str, str], str | None]
"""(owner, id) -> the text, None where it was deleted."""


class OwnedRecords(Protocol):
    """Records of one kind. Every method raises what the place they are kept in raises: `StoreError` or
    Redis' errors."""

    async def of_owner(self, owner: str) -> Mapping[str, str]:
        """An owner's records by id; empty without any."""

    async def put(self, owner: str, record_id: str, content: str) -> Full | None:
        """Keep a record in place of the one of its id; returns which limit does not allow it, if any."""

    async def put_all(self, records: Sequence[tuple[str, str, str]]) -> int:
        """Keep many (owner, id, content) at once; returns how many no limit refused."""

    async def delete(self, owner: str, record_id: str) -> bool:
        """Forget a record; whether there was one."""

    async def clear(self, owner: str) -> None:
        """Forget all of an owner's records."""

    async def changes(self) -> Changes:
        """What has changed since the last call of this object; at first all there is."""


class StoredRecords:
    """Records in the store, and all of them in memory; made by `open`."""

    def __init__(
        self,
        store: MarketStore,
        kind: str,
        limits: RecordLimits,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Use `open`."""
        self._store = store
        self._kind = kind
        self._limits = limits
        self._now_ms = now_ms
        self._of_owner: defaultdict[str, dict[str, str]] = defaultdict(dict)
        # Since the last call of `changes`; None before the first, so that nothing piles up for nobody.
        self._changes: Changes | None = None

    @classmethod
    async def open(cls, store: MarketStore, kind: str, limits: RecordLimits) -> StoredRecords:
        """The stored records of a kind. Raises StoreError."""
        records = cls(store, kind, limits)
        for record in await store.owned_records(kind):
            if record.content is not None:
                records._of_owner[record.owner][record.id] = record.content
        return records

    def __len__(self) -> int:
        return sum(map(len, self._of_owner.values()))

    async def of_owner(self, owner: str) -> Mapping[str, str]:
        """An owner's records by id."""
        return dict(self._of_owner.get(owner, {}))

    async def put(self, owner: str, record_id: str, content: str) -> Full | None:
        """Keep a record, once it is committed."""
        full = self._refusal(owner, record_id)
        if full is None:
            await self._write([(owner, record_id, content)])
        return full

    async def put_all(self, records: Sequence[tuple[str, str, str]]) -> int:
        """Keep many in one commit; the oldest of an owner make room where the limits say so."""
        taken = [each for each in records if self._refusal(each[0], each[1]) is None]
        await self._write(taken)
        return len(taken)

    async def delete(self, owner: str, record_id: str) -> bool:
        """Forget a record, once that is committed."""
        if record_id not in self._of_owner.get(owner, {}):
            return False
        await self._write([(owner, record_id, None)])
        return True

    async def clear(self, owner: str) -> None:
        """Forget all of an owner's records in one commit."""
        await self._write([(owner, record_id, None) for record_id in self._of_owner.get(owner, {})])

    async def changes(self) -> Changes:
        """What has changed since the last call."""
        changes, self._changes = self._changes, {}
        if changes is None:
            return {(owner, key): text for owner, own in self._of_owner.items() for key, text in own.items()}
        return changes

    def _refusal(self, owner: str, record_id: str) -> Full | None:
        own = self._of_owner.get(owner, {})
        if record_id in own:
            return None
        if len(own) >= self._limits.per_owner:
            return None if self._limits.drops_oldest else Full.OWNER
        return Full.ALL if len(self) >= self._limits.in_all else None

    async def _write(self, records: Sequence[tuple[str, str, str | None]]) -> None:
        """In memory before it is committed, so that no second request finds the same room; undone if that
        fails."""
        before = {(owner, key): self._of_owner.get(owner, {}).get(key) for owner, key, _ in records}
        for owner, record_id, content in records:
            self._apply(owner, record_id, content)
        dropped: list[tuple[str, str, str | None]] = []
        if self._limits.drops_oldest:
            for owner in {owner for owner, _, _ in records}:
                own = self._of_owner.get(owner, {})
                for oldest in sorted(own)[: -self._limits.per_owner]:
                    self._apply(owner, oldest, None)
                    dropped.append((owner, oldest, None))
        written = {(owner, key): content for owner, key, content in (*records, *dropped)}
        now_ms = self._now_ms()
        try:
            await self._store.write_owned_records(
                [StoredRecord(self._kind, *key, now_ms, content) for key, content in written.items()]
            )
        except BaseException:
            for (owner, record_id), content in before.items():
                self._apply(owner, record_id, content)
            raise

    def _apply(self, owner: str, record_id: str, content: str | None) -> None:
        own = self._of_owner[owner]
        if content is None:
            own.pop(record_id, None)
        else:
            own[record_id] = content
        if not own:
            del self._of_owner[owner]
        if self._changes is not None:
            self._changes[owner, record_id] = content
