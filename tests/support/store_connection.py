"""A database in memory with the store's tables, for what runs below MarketStore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from liqstream.market import MarketEvent
from liqstream.store.batch import Batch
from liqstream.store.schema import bring_up_to_date
from liqstream.store.upsert import Ingest


@contextmanager
def store_of(records: Sequence[MarketEvent]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database that holds `records`."""
    connection = duckdb.connect(":memory:")
    bring_up_to_date(connection, Path("memory"))
    batch = Batch()
    batch.add(records)
    Ingest(connection).write([batch])
    yield connection
    connection.close()
