"""Texts of owners in the file: written together, replaced, deleted, and there after a restart."""

from __future__ import annotations

from pathlib import Path

import duckdb

from liqstream.store.market_store import MarketStore
from liqstream.store.owned_records import StoredRecord
from liqstream.store.schema import bring_up_to_date

FIRST = StoredRecord("rule", "anne", "1", 5, "first")


async def test_the_newest_text_of_an_id_is_kept(tmp_path: Path) -> None:
    """Also over a restart; other kinds are apart."""
    path = tmp_path / "x.duckdb"
    store = await MarketStore.open(path)
    newer, other = (
        StoredRecord("rule", "anne", "1", 6, "second"),
        StoredRecord("key", "anne", "1", 7, "other"),
    )
    await store.write_owned_records([FIRST, StoredRecord("rule", "bert", "1", 5, "his")])
    await store.write_owned_records([newer, other, StoredRecord("rule", "bert", "1", 6, None)])
    await store.write_owned_records([])
    await store.close()
    store = await MarketStore.open(path)
    assert [await store.owned_records(kind) for kind in ("rule", "key", "none")] == [[newer], [other], []]
    await store.close()


def test_a_file_without_the_table_gets_it() -> None:
    """One of the version before."""
    with duckdb.connect(":memory:") as connection:
        bring_up_to_date(connection, Path("x"))
        connection.execute("DROP TABLE owned_records")
        connection.execute("UPDATE schema_version SET version = 7")
        bring_up_to_date(connection, Path("x"))
        assert connection.execute("SELECT count(*) FROM owned_records").fetchall() == [(0,)]
