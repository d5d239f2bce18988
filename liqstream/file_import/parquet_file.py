"""Parquet files as rows of text, read through a DuckDB of its own in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from liqstream.file_import.files import ArchiveError

_ROWS_AT_ONCE = 10_000


def parquet_rows(path: Path) -> Iterator[list[str]]:
    """The header and the rows of a file; NULL is empty, times are UTC. Raises ArchiveError."""
    if not path.is_file():
        raise ArchiveError("it is a folder" if path.is_dir() else "there is no such file")
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [_alone(path)])
            yield [str(column[0]) for column in found.description or ()]
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                yield from ([value or "" for value in row] for row in rows)
    except duckdb.Error as error:
        raise ArchiveError(f"it is not a usable Parquet file: {str(error).splitlines()[0]}") from None


def _alone(path: Path) -> str:
    """A path that DuckDB takes for that one file: `*`, `?` and `[` in a name would mean others too."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(path))
