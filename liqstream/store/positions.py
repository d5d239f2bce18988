"""Measured positions in the store: accounts, each change of a position, and what was drawn every five
minutes.

Addresses stand here in full: they are public, but nothing shows them whole, and an export has them so only
where it is asked to. Rows of a simulated market are marked and read apart: the two may share a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray, TimeArray
from liqstream.market.identity import MULTIPLIERS, per_coin, single_coins

CELL_WIDTH = 0.001
"""Cells are of 10 bp of log price: cell c holds the prices from exp(c * CELL_WIDTH) on, USD."""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account: where it is known from, UTC ms when it was first and last seen and last read (0: never)."""

    address: str
    source: str
    first_ms: int
    last_ms: int
    read_ms: int
    opaque: bool


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """A position as of `read_ms` (UTC): signed base coin (0: closed), USD; `liquidation_price` None: it has
    none."""

    symbol: str
    address: str
    read_ms: int
    size_base: float
    entry_price: float | None
    liquidation_price: float | None
    leverage: float | None
    isolated: bool


@dataclass(frozen=True, slots=True)
class StoredCell:
    """USD of positions at the levels of one cell, of a symbol at a time (UTC ms)."""

    symbol: str
    time_ms: int
    cell: int
    long_usd: float
    short_usd: float


@dataclass(frozen=True, slots=True)
class StoredCoverage:
    """A symbol's coverage at a time: shares of open interest (base coin) by side, what of it has a level,
    ages; what part of the last day's liquidations was found (None: unknown)."""

    symbol: str
    time_ms: int
    long_share: float
    short_share: float
    long_with_level: float
    short_with_level: float
    median_age_ms: float | None
    open_interest_base: float
    accounts: int
    liquidation_capture: float | None = None


@dataclass(frozen=True, slots=True)
class PositionsBatch:
    """What is written together. Accounts replace the stored ones of their address; the rest is added,
    once. `simulated`: all of it is of a simulated market."""

    accounts: Sequence[StoredAccount] = ()
    positions: Sequence[StoredPosition] = ()
    cells: Sequence[StoredCell] = ()
    coverage: Sequence[StoredCoverage] = ()
    simulated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CellColumns:
    """Stored cells of one symbol, ascending by time and cell; and the times at which any were looked at."""

    time_ms: TimeArray
    cell: NDArray[np.int64]
    long_usd: FloatArray
    short_usd: FloatArray
    looks_ms: TimeArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class PositionColumns:
    """States of one symbol's positions, ascending by time (UTC ms): the account by number, signed base coin
    (0: closed), level in USD (NaN: none)."""

    time_ms: TimeArray
    account: NDArray[np.int64]
    size_base: FloatArray
    level: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PositionChanges:
    """Each change of one symbol's positions, ascending by time (UTC ms): whole addresses, signed base coin
    (0: closed), USD (NaN: none). Where `leverage` is NaN it is not known, nor whether the margin is isolated.
    """

    time_ms: TimeArray
    address: NDArray[np.object_]
    size_base: FloatArray
    entry: FloatArray
    level: FloatArray
    leverage: FloatArray
    is_isolated: NDArray[np.bool_]


POSITION_TIMES = {
    "accounts": "last_ms",
    "positions": "read_ms",
    "measured_cells": "time_ms",
    "measured_coverage": "time_ms",
}
"""Table -> the column of its rows' time, UTC ms."""
_KEYS = {
    "accounts": ("address",),
    "positions": ("symbol", "address", "read_ms"),
    "measured_cells": ("symbol", "time_ms", "cell"),
    "measured_coverage": ("symbol", "time_ms"),
}
_PROOF = (
    "greatest(long_share, short_share) > 0.55 AND greatest(long_share, short_share) <= 1.01 "
    "AND median_age_ms <= 3600000"
)


def write_positions(connection: duckdb.DuckDBPyConnection, batch: PositionsBatch) -> int:
    """Write a batch in one transaction; returns its number of rows. Raises duckdb.Error; then none is
    stored."""
    parts: dict[str, Sequence[Any]] = {
        "accounts": batch.accounts,
        "positions": batch.positions,
        "measured_cells": batch.cells,
        "measured_coverage": batch.coverage,
    }
    written = 0
    connection.begin()
    try:
        for table, records in parts.items():
            if records:
                _replace(connection, table, records, simulated=batch.simulated)
                written += len(records)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return written


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, records: Sequence[Any], *, simulated: bool
) -> None:
    names = tuple(type(records[0]).__slots__)
    rows = zip(*(astuple(record) for record in records), strict=True)
    staged = {name: _column(values) for name, values in zip(names, rows, strict=True)}
    same = " AND ".join(f"stored.{name} = staged.{name}" for name in _KEYS[table])
    same += f" AND stored.simulated = {simulated}"
    connection.register("staged", staged)
    try:
        connection.execute(f"DELETE FROM {table} AS stored USING staged WHERE {same}")  # noqa: S608
        columns = ", ".join(names)
        known = ", ".join(f"nullif({name}, 'NaN')" if _is_number(staged[name]) else name for name in names)
        connection.execute(
            f"INSERT INTO {table} ({columns}, simulated) SELECT {known}, {simulated} FROM staged"  # noqa: S608
        )
    finally:
        connection.unregister("staged")


def _column(values: Sequence[Any]) -> NDArray[Any]:
    if any(isinstance(value, float) or value is None for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


def _is_number(column: NDArray[Any]) -> bool:
    return column.dtype == np.float64


def read_known(
    cursor: duckdb.DuckDBPyConnection, *, simulated: bool = False
) -> tuple[list[StoredAccount], list[StoredPosition]]:
    """Every account, and the newest state of every position that is open."""
    accounts = cursor.execute(
        """SELECT address, source, first_ms, last_ms, read_ms, opaque FROM accounts WHERE simulated = ?
        ORDER BY last_ms""",
        [simulated],
    ).fetchall()
    positions = cursor.execute(
        """SELECT symbol, address, read_ms, size_base, entry_price, liquidation_price, leverage, isolated
        FROM positions WHERE simulated = ?
        QUALIFY row_number() OVER (PARTITION BY symbol, address ORDER BY read_ms DESC) = 1""",
        [simulated],
    ).fetchall()
    open_ones = (StoredPosition(*row) for row in positions)
    return [StoredAccount(*row) for row in accounts], [each for each in open_ones if each.size_base]


def _listed_as(cursor: duckdb.DuckDBPyConnection, symbol: str, *, simulated: bool) -> tuple[str, int]:
    """The name that a symbol's positions are stored under, which is the exchange's, and how many coins it
    counts as one; a coin that is listed singly too is that one."""
    by_thousand = f"k{symbol}"
    names = cursor.execute(
        "SELECT DISTINCT symbol FROM positions WHERE symbol IN (?, ?) AND simulated = ?",
        [symbol, by_thousand, simulated],
    ).fetchall()
    return (by_thousand, MULTIPLIERS["1000"]) if names == [(by_thousand,)] else (symbol, 1)


def read_states(
    cursor: duckdb.DuckDBPyConnection, symbol: str, *, end_ms: int, every_ms: int, simulated: bool = False
) -> PositionColumns:
    """A symbol's position states before `end_ms`, in single coins; of each position the last within every
    span of `every_ms`."""
    name, coins = _listed_as(cursor, symbol, simulated=simulated)
    found = cursor.execute(
        """SELECT read_ms, CAST(dense_rank() OVER (ORDER BY address) AS BIGINT) AS account, size_base,
        coalesce(liquidation_price, 'NaN'::DOUBLE) AS level FROM positions
        WHERE symbol = ? AND read_ms < ? AND simulated = ?
        QUALIFY row_number() OVER (PARTITION BY address, read_ms // ? ORDER BY read_ms DESC) = 1
        ORDER BY read_ms""",
        [name, end_ms, simulated, every_ms],
    ).fetchnumpy()
    return PositionColumns(
        np.asarray(found["read_ms"]),
        np.asarray(found["account"]),
        np.asarray(found["size_base"]) * coins,
        np.asarray(found["level"]) / coins,
    )


def read_changes(
    cursor: duckdb.DuckDBPyConnection, symbol: str, *, start_ms: int, end_ms: int, simulated: bool = False
) -> PositionChanges:
    """Each change of a symbol's positions in [start_ms, end_ms), in single coins."""
    name, coins = _listed_as(cursor, symbol, simulated=simulated)
    found = cursor.execute(
        """SELECT read_ms, address, size_base, coalesce(entry_price, 'NaN'::DOUBLE) AS entry,
        coalesce(liquidation_price, 'NaN'::DOUBLE) AS level, coalesce(leverage, 'NaN'::DOUBLE) AS leverage,
        isolated FROM positions WHERE symbol = ? AND read_ms >= ? AND read_ms < ? AND simulated = ?
        ORDER BY read_ms, address""",
        [name, start_ms, end_ms, simulated],
    ).fetchnumpy()
    return PositionChanges(
        np.asarray(found["read_ms"]),
        np.asarray(found["address"], dtype=object),
        np.array([single_coins(size, coins) for size in found["size_base"].tolist()]),
        np.array([per_coin(price, coins) for price in found["entry"].tolist()]),
        np.array([per_coin(price, coins) for price in found["level"].tolist()]),
        np.asarray(found["leverage"]),
        np.asarray(found["isolated"], dtype=np.bool_),
    )


def read_cells(
    cursor: duckdb.DuckDBPyConnection, symbol: str, *, start_ms: int, end_ms: int, simulated: bool = False
) -> CellColumns:
    """A symbol's cells of looks in [start_ms, end_ms)."""
    span = [symbol, start_ms, end_ms, simulated]
    found = cursor.execute(
        """SELECT time_ms, cell, long_usd, short_usd FROM measured_cells
        WHERE symbol = ? AND time_ms >= ? AND time_ms < ? AND simulated = ? ORDER BY time_ms, cell""",
        span,
    ).fetchnumpy()
    looks = cursor.execute(
        """SELECT time_ms FROM measured_coverage WHERE symbol = ? AND time_ms >= ? AND time_ms < ?
        AND simulated = ? ORDER BY time_ms""",
        span,
    ).fetchnumpy()
    return CellColumns(
        np.asarray(found["time_ms"]),
        np.asarray(found["cell"]),
        np.asarray(found["long_usd"]),
        np.asarray(found["short_usd"]),
        np.asarray(looks["time_ms"]),
    )


def read_coverage(
    cursor: duckdb.DuckDBPyConnection, symbol: str, *, start_ms: int, end_ms: int, simulated: bool = False
) -> list[StoredCoverage]:
    """A symbol's coverage at the looks in [start_ms, end_ms), ascending."""
    rows = cursor.execute(
        """SELECT symbol, time_ms, long_share, short_share, long_with_level, short_with_level, median_age_ms,
        open_interest_base, accounts, liquidation_capture FROM measured_coverage
        WHERE symbol = ? AND time_ms >= ? AND time_ms < ? AND simulated = ? ORDER BY time_ms""",
        [symbol, start_ms, end_ms, simulated],
    ).fetchall()
    return [StoredCoverage(*row) for row in rows]


def read_proof(cursor: duckdb.DuckDBPyConnection, *, simulated: bool = False) -> tuple[str, int] | None:
    """The first symbol, and when, of which a side was more than half of open interest; None: not yet."""
    row = cursor.execute(
        f"""SELECT symbol, time_ms FROM measured_coverage WHERE {_PROOF} AND simulated = ?
        ORDER BY time_ms LIMIT 1""",  # noqa: S608  ours
        [simulated],
    ).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def delete_positions_before(connection: duckdb.DuckDBPyConnection, time_ms: int) -> int:
    """Delete what is older than a time (UTC ms), and returns how many rows; the first proof that open
    interest counts one side stays, and of each position the newest row."""
    deleted = 0
    for sql in (
        "DELETE FROM accounts WHERE last_ms < ?",
        """DELETE FROM positions AS old WHERE read_ms < ? AND (size_base = 0 OR EXISTS (
            SELECT 1 FROM positions AS later WHERE later.symbol = old.symbol AND later.address = old.address
            AND later.simulated = old.simulated AND later.read_ms > old.read_ms))""",
        "DELETE FROM measured_cells WHERE time_ms < ?",
        f"""DELETE FROM measured_coverage WHERE time_ms < ? AND time_ms NOT IN (
            SELECT min(time_ms) FROM measured_coverage WHERE {_PROOF} GROUP BY simulated)""",  # noqa: S608
    ):
        row = connection.execute(sql, [time_ms]).fetchone()
        deleted += int(row[0]) if row else 0
    return deleted
