"""liqstream/store/database.py: the one owner of a real DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from liqstream.store.batch import Batch
from liqstream.store.database import Database
from liqstream.store.errors import BadRowsError, StoreError
from liqstream.store.results import AppendResult
from tests.support.store_records import STEP_MS, T0, candle, open_interest


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "market.duckdb", memory_limit="256MB")
    yield opened
    opened.close()


def batch_of(*indices: int) -> Batch:
    batch = Batch()
    batch.add([candle(index) for index in indices])
    return batch


def candles(database: Database) -> int:
    with database.cursor() as cursor:
        row = cursor.execute("SELECT count(*) FROM candles").fetchone()
    assert row is not None
    return int(row[0])


def test_batches_are_written_together(database: Database) -> None:
    """Each with its own account."""
    assert database.write([batch_of(0, 1), batch_of(1)]) == [AppendResult(new=2), AppendResult(duplicate=1)]
    assert candles(database) == 2
    assert database.recoveries == 0


def test_rows_that_cannot_be_stored_are_refused_and_the_next_are_taken(database: Database) -> None:
    """No later attempt can store a time beyond 64 bits."""
    with pytest.raises(BadRowsError, match="does not take these rows"):
        database.write([batch_of(2**60)])
    assert database.write([batch_of(0)]) == [AppendResult(new=1)]


@pytest.mark.parametrize("replaced", [False, True], ids=["moved", "replaced"])
def test_nothing_is_written_into_a_file_that_nobody_finds(database: Database, replaced: bool) -> None:
    """It would be lost with the file, without a word; what was read before is still there to be read."""
    database.write([batch_of(0)])
    away = database.path.with_name("away.duckdb")
    database.path.rename(away)
    if replaced:
        database.path.write_bytes(away.read_bytes())
    with pytest.raises(StoreError, match="was moved, deleted or replaced"):
        database.write([batch_of(1)])
    assert candles(database) == 1
    away.replace(database.path)
    assert database.write([batch_of(1)]) == [AppendResult(new=1)]


def test_rows_older_than_a_time_are_deleted(database: Database) -> None:
    """Of every table, by the row's own time."""
    batch = batch_of(0, 1, 2)
    batch.add([open_interest(T0, 1.0), open_interest(T0 + 2 * STEP_MS, 1.0)])
    database.write([batch])
    assert database.delete_before(T0 + 2 * STEP_MS) == 3
    assert database.delete_before(T0 + 2 * STEP_MS) == 0
    assert candles(database) == 1


def test_a_closed_file_cannot_be_read_and_is_opened_by_the_next_write(database: Database) -> None:
    """Closing twice does no harm."""
    database.write([batch_of(0)])
    database.close()
    database.close()
    with pytest.raises(StoreError, match="is not open"), database.cursor():
        pass
    database.write([batch_of(1)])
    assert candles(database) == 2


def test_a_failed_read_is_an_error_of_one_line(database: Database) -> None:
    """With the file's name; reading goes on."""
    with pytest.raises(StoreError, match="cannot be read") as failed, database.cursor() as cursor:
        cursor.execute("SELECT nonsense FROM candles")
    assert "\n" not in str(failed.value)
    assert candles(database) == 0


def test_a_backup_is_a_file_of_its_own(database: Database, tmp_path: Path) -> None:
    """It replaces an older one, and nothing is left beside the database."""
    target = tmp_path / "backups" / "copy.duckdb"
    for index in (0, 1):
        database.write([batch_of(index)])
        database.backup(target)
    copy = Database(target, memory_limit="256MB")
    assert candles(copy) == 2
    copy.close()
    assert not list(tmp_path.glob("*.backup"))


def test_no_backup_begins_when_they_have_ended(database: Database, tmp_path: Path) -> None:
    """One that waited its turn is refused; what is written after that is written."""
    database.end_backups()
    with pytest.raises(StoreError, match="is closing"):
        database.backup(tmp_path / "copy.duckdb")
    database.write([batch_of(0)])
    assert candles(database) == 1
    assert not (tmp_path / "copy.duckdb").exists()
