"""De-duplication without an index: whatever comes in whatever order, the tables hold each fact once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liqstream.market import Candle, Liquidation
from liqstream.store.batch import Batch
from liqstream.store.open_database import open_connection
from liqstream.store.results import AppendResult
from liqstream.store.upsert import Ingest

_fresh_number = count()


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path: Path = tmp_path_factory.mktemp("ingest") / "market.duckdb"
    opened, _ = open_connection(path, memory_limit="256MB")
    yield opened
    opened.close()


def batch_of(*messages: list[Candle] | list[Liquidation]) -> Batch:
    batch = Batch()
    for message in messages:
        batch.add(message)
    return batch


slots = st.integers(0, 12)
prices = st.sampled_from([1.0, 2.0, 3.0])
volumes = st.sampled_from([None, 5.0, 6.0])
bars = st.lists(st.tuples(slots, prices, volumes), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(bars, max_size=6))
def test_tables_hold_what_a_dictionary_would(
    connection: duckdb.DuckDBPyConnection, messages: list[list[tuple[int, float, float | None]]]
) -> None:
    """The last price told for a time is kept, the last volume that was known, and every row is counted."""
    symbol = f"S{next(_fresh_number)}"
    ingest = Ingest(connection)
    expected: dict[int, tuple[float, float | None]] = {}
    total = AppendResult()
    for message in messages:
        told = {slot: (price, volume) for slot, price, volume in message}
        for slot, (price, volume) in told.items():
            expected[slot] = (price, volume if volume is not None else expected.get(slot, (0, None))[1])
        candles = [Candle("x", symbol, 1, slot, p, p, p, p, volume) for slot, p, volume in message]
        total += ingest.write([batch_of(candles)])[0]
    rows = connection.execute(
        "SELECT open_time_ms, close, volume_base FROM candles WHERE symbol = ? ORDER BY 1", [symbol]
    ).fetchall()
    assert rows == [(slot, *expected[slot]) for slot in sorted(expected)]
    assert total.new == len(expected)
    assert total.new + total.duplicate + total.replaced == sum(map(len, messages))


liquidations = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["long", "short"])), max_size=5)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(liquidations, max_size=5))
def test_an_event_is_there_as_often_as_one_message_ever_listed_it(
    connection: duckdb.DuckDBPyConnection, messages: list[list[tuple[int, str]]]
) -> None:
    """Hearing messages again adds nothing; a message that lists an event more often adds the difference."""
    symbol = f"L{next(_fresh_number)}"
    ingest = Ingest(connection)
    most: dict[tuple[int, str], int] = {}
    for message in messages * 2:
        ingest.write([batch_of([Liquidation("x", symbol, t, side, 1.0, 1.0) for t, side in message])])  # type: ignore[arg-type]
        for event in message:
            most[event] = max(most.get(event, 0), message.count(event))
    rows = connection.execute(
        "SELECT time_ms, side, count(*) FROM liquidations WHERE symbol = ? GROUP BY ALL ORDER BY ALL",
        [symbol],
    ).fetchall()
    assert rows == [(*event, times) for event, times in sorted(most.items())]


def test_batches_of_one_commit_know_of_each_other(connection: duckdb.DuckDBPyConnection) -> None:
    """The same bar in both batches of a transaction is stored once."""
    symbol = f"B{next(_fresh_number)}"
    candle = Candle("x", symbol, 1, 7, 1.0, 1.0, 1.0, 1.0)
    first, second = Ingest(connection).write([batch_of([candle]), batch_of([candle])])
    assert (first, second) == (AppendResult(new=1), AppendResult(duplicate=1))


def test_a_failed_write_leaves_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    """If one batch cannot be stored, none of the transaction is, and the next write finds the truth."""
    symbol = f"F{next(_fresh_number)}"
    good = Candle("x", symbol, 1, 7, 1.0, 1.0, 1.0, 1.0)
    bad = Candle("x", symbol, 1, 2**70, 1.0, 1.0, 1.0, 1.0)
    ingest = Ingest(connection)
    with pytest.raises(OverflowError):
        ingest.write([batch_of([good]), batch_of([bad])])
    assert ingest.write([batch_of([good])]) == [AppendResult(new=1)]
