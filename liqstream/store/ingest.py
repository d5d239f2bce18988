"""Batches into tables: new rows inserted, known ones left alone or brought up to date, in one transaction.

Why no PRIMARY KEY or UNIQUE index does this: DuckDB's ART indexes lead its reports of corruption and of
silently wrong results (duckdb/duckdb#23788, #15836, #25395). An anti-join against the rows of the batch's
time span costs some milliseconds, because DuckDB keeps the least and greatest value of every block.
"""

from __future__ import annotations

import duckdb

from liqstream.store.batch import Batch
from liqstream.store.columns import AppendResult
from liqstream.store.tables import TABLES, Table


def ingest(connection: duckdb.DuckDBPyConnection, batches: list[Batch]) -> list[AppendResult]:
    """Write the batches in one transaction, all or nothing; returns what became of each.

    Raises duckdb.Error; nothing of any batch is stored then.
    """
    connection.begin()
    try:
        results = [_ingest_batch(connection, batch) for batch in batches]
        connection.commit()
    except BaseException:
        _roll_back(connection)
        raise
    return results


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.rollback()
    except duckdb.Error:  # a failed commit has rolled back already; the first error is the one to tell
        return


def _ingest_batch(connection: duckdb.DuckDBPyConnection, batch: Batch) -> AppendResult:
    total = AppendResult(0, batch.duplicates, batch.replaced)
    for table in TABLES:
        rows = len(batch.rows[table.name])
        if rows:
            replaced, new = _ingest_table(connection, table, batch)
            total += AppendResult(new, rows - new - replaced, replaced)
    return total


def _ingest_table(connection: duckdb.DuckDBPyConnection, table: Table, batch: Batch) -> tuple[int, int]:
    columns = batch.columns(table)
    span = [int(columns[table.time].min()), int(columns[table.time].max())]
    connection.register("staged", columns)
    try:
        replaced = _changed_rows(connection, _update_sql(table), span) if table.values else 0
        return replaced, _changed_rows(connection, _insert_sql(table), span)
    finally:
        connection.unregister("staged")


def _changed_rows(connection: duckdb.DuckDBPyConnection, sql: str, span: list[int]) -> int:
    row = connection.execute(sql, span).fetchone()
    return int(row[0]) if row else 0


def _same_key(table: Table) -> str:
    keys = " AND ".join(f"stored.{name} = staged.{name}" for name in table.key)
    return f"{keys} AND stored.{table.time} BETWEEN ? AND ?"


def _update_sql(table: Table) -> str:
    newer = {name: f"staged.{name}" for name in table.values}
    newer |= {name: f"coalesce(nullif(staged.{name}, 'NaN'), stored.{name})" for name in table.optional}
    assignments = ", ".join(f"{name} = {value}" for name, value in newer.items())
    differs = " OR ".join(f"stored.{name} IS DISTINCT FROM {value}" for name, value in newer.items())
    return (
        f"UPDATE {table.name} AS stored SET {assignments} FROM staged "  # noqa: S608  names are ours
        f"WHERE {_same_key(table)} AND ({differs})"
    )


def _insert_sql(table: Table) -> str:
    plain = (*table.key, *table.values)
    values = [*plain, *(f"nullif({name}, 'NaN')" for name in table.optional)]
    return (
        f"INSERT INTO {table.name} ({', '.join(table.columns)}) "  # noqa: S608  names are ours
        f"SELECT {', '.join(values)} FROM staged "
        f"WHERE NOT EXISTS (SELECT 1 FROM {table.name} AS stored WHERE {_same_key(table)})"
    )
