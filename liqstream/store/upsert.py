"""Upsert: batches into tables, new rows inserted, known ones left alone or replaced, in one transaction.

Why no PRIMARY KEY or UNIQUE index does this: DuckDB's ART indexes lead its reports of corruption and of
silently wrong results (duckdb/duckdb#23788, #15836, #25395). Instead the newest time of every series is kept
in memory: what is newer can be inserted as it is, which is nearly everything a live market sends. The rest is
joined against the rows of its time span, some milliseconds, because DuckDB knows every block's least and
greatest value.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import duckdb

from liqstream.store.batch import Batch, Key, columns
from liqstream.store.results import AppendResult
from liqstream.store.tables import TABLES, Table


class Ingest:
    """Writes batches through one connection, which nobody else may write through."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._newest: dict[str, dict[Key, int]] = {}

    def write(self, batches: list[Batch]) -> list[AppendResult]:
        """Write the batches in one transaction, all or nothing; returns what became of each.

        Raises duckdb.Error; whether anything is stored is then known only to the database.
        """
        self._connection.begin()
        try:
            results = [self._write_batch(batch) for batch in batches]
            self._connection.commit()
        except BaseException:
            self._newest.clear()
            _roll_back(self._connection)
            raise
        return results

    def _write_batch(self, batch: Batch) -> AppendResult:
        total = AppendResult(0, batch.duplicates, batch.replaced)
        for table in TABLES:
            rows = list(batch.rows[table.name].values())
            if rows:
                written = self._write_rows(table, rows)
                total += replace(written, new_by_table=Counter({table.name: written.new}))
        return total

    def _write_rows(self, table: Table, rows: list[Key]) -> AppendResult:
        newest = self._newest_of(table)
        width = len(table.market)
        fresh = [row for row in rows if row[width] > newest.get(row[:width], row[width] - 1)]
        known = [row for row in rows if row[width] <= newest.get(row[:width], row[width] - 1)]
        result = _merge(self._connection, table, known) if known else AppendResult()
        if fresh:
            result += _insert(self._connection, table, fresh)
        for row in fresh:
            newest[row[:width]] = max(newest.get(row[:width], row[width]), row[width])
        return result

    def _newest_of(self, table: Table) -> dict[Key, int]:
        """Series -> the time of its newest row."""
        if table.name not in self._newest:
            market = ", ".join(table.market)
            sql = f"SELECT {market}, max({table.time}) FROM {table.name} GROUP BY ALL"  # noqa: S608
            rows = self._connection.execute(sql).fetchall()
            self._newest[table.name] = {row[:-1]: row[-1] for row in rows}
        return self._newest[table.name]


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.rollback()
    except duckdb.Error:  # a failed commit has rolled back already; the first error is the one to report
        return


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: list[Key]) -> AppendResult:
    connection.register("staged", columns(table, rows))
    try:
        connection.execute(_insert_sql(table))
    finally:
        connection.unregister("staged")
    return AppendResult(new=len(rows))


def _merge(connection: duckdb.DuckDBPyConnection, table: Table, rows: list[Key]) -> AppendResult:
    staged = columns(table, rows)
    span = [int(staged[table.time].min()), int(staged[table.time].max())]
    connection.register("staged", staged)
    try:
        replaced = _changed_rows(connection, _update_sql(table), span) if table.values else 0
        new = _changed_rows(connection, f"{_insert_sql(table)} {_where_unknown(table)}", span)
    finally:
        connection.unregister("staged")
    return AppendResult(new, len(rows) - new - replaced, replaced)


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
        f"SELECT {', '.join(values)} FROM staged"
    )


def _where_unknown(table: Table) -> str:
    return f"WHERE NOT EXISTS (SELECT 1 FROM {table.name} AS stored WHERE {_same_key(table)})"  # noqa: S608
