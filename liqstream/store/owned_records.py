"""Texts that are kept for their owners, e.g. alert rules: by kind, owner and id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import duckdb


class Full(StrEnum):
    """The limit that does not allow one more record."""

    OWNER = "owner"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """Records of one kind: so many of an owner, so many in all.

    With `drops_oldest` an owner's first record, by id, makes room for one more.
    """

    per_owner: int
    in_all: int
    drops_oldest: bool = False


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it was written at `time_ms` (UTC); `content` None: it is deleted."""

    kind: str
    owner: str
    id: str
    time_ms: int
    content: str | None


def write_records(connection: duckdb.DuckDBPyConnection, records: Sequence[StoredRecord]) -> None:
    """Write or delete records in one transaction, each in place of the one of its kind, owner and id.

    Raises duckdb.Error; then none is written.
    """
    keys = [[record.kind, record.owner, record.id] for record in records]
    rows = [
        [*key, record.time_ms, record.content]
        for key, record in zip(keys, records, strict=True)
        if record.content is not None
    ]
    if not keys:
        return
    connection.begin()
    try:
        connection.executemany("DELETE FROM owned_records WHERE kind = ? AND owner = ? AND id = ?", keys)
        if rows:
            connection.executemany(
                "INSERT INTO owned_records (kind, owner, id, time_ms, content) VALUES (?, ?, ?, ?, ?)", rows
            )
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def read_records(cursor: duckdb.DuckDBPyConnection, kind: str) -> list[StoredRecord]:
    """Every record of a kind, by owner and id."""
    rows = cursor.execute(
        "SELECT kind, owner, id, time_ms, content FROM owned_records WHERE kind = ? ORDER BY owner, id",
        [kind],
    ).fetchall()
    return [StoredRecord(*row) for row in rows]
