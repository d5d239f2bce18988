"""Owned records in a dict, for what is tested without a store or Redis."""

from __future__ import annotations

from collections.abc import Sequence

from liqstream.store.owned_records import Full, RecordLimits


class DictRecords:
    """Keeps them until the test ends; while `error` is set, every call raises it."""

    def __init__(self, limits: RecordLimits) -> None:
        self.limits = limits
        self.kept: dict[tuple[str, str], str] = {}
        self.error: Exception | None = None

    async def of_owner(self, owner: str) -> dict[str, str]:
        """An owner's records: id -> content."""
        self._check()
        return {record: content for (whose, record), content in self.kept.items() if whose == owner}

    async def put(self, owner: str, record_id: str, content: str) -> Full | None:
        """Keep a record, new or changed, unless a limit is met."""
        self._check()
        if (owner, record_id) not in self.kept:
            if len(await self.of_owner(owner)) >= self.limits.per_owner:
                return Full.OWNER
            if len(self.kept) >= self.limits.in_all:
                return Full.ALL
        self.kept[owner, record_id] = content
        return None

    async def delete(self, owner: str, record_id: str) -> bool:
        """Forget a record; False where there is none."""
        self._check()
        return self.kept.pop((owner, record_id), None) is not None

    async def put_all(self, records: Sequence[tuple[str, str, str]]) -> int:
        """Keep many."""
        return sum([await self.put(*each) is None for each in records])

    async def clear(self, owner: str) -> None:
        """Forget all of an owner's records."""
        self.kept = {key: content for key, content in self.kept.items() if key[0] != owner}

    async def changes(self) -> dict[tuple[str, str], str | None]:
        """All of them."""
        return dict(self.kept)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error
