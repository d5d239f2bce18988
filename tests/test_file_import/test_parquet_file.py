"""liqstream/file_import/parquet_file.py: Parquet as rows of text."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from liqstream.file_import.files import ArchiveError
from liqstream.file_import.parquet_file import parquet_rows


def test_rows_are_text_with_empty_fields_for_null(tmp_path: Path) -> None:
    """Times in UTC, the header first."""
    path = tmp_path / "it's.parquet"
    with duckdb.connect() as connection:
        query = "SELECT make_timestamptz(1779724800000000) AS time, 1.5 AS open, NULL AS volume"
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        connection.execute(f"COPY ({query}) TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
    assert list(parquet_rows(path)) == [
        ["time", "open", "volume"],
        ["2026-05-25 16:00:00+00", "1.5", ""],
    ]


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "text.parquet").write_text("time,open\n")
    for name, reason in (("text", "not a usable Parquet file"), ("none", "there is no such file")):
        with pytest.raises(ArchiveError, match=reason):
            list(parquet_rows(tmp_path / f"{name}.parquet"))


@pytest.mark.parametrize("name", ["b[1]", "b*", "b?", "[ab]"])
def test_a_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    """Of a file with signs of one in its name its own rows are read, and no other's."""
    with duckdb.connect() as connection:
        for number, each in enumerate((name, "b1", "bb", "a", "b")):
            connection.execute(f"CREATE OR REPLACE TABLE t AS SELECT {number} AS n")
            connection.execute(f"COPY t TO '{tmp_path / each}.parquet' (FORMAT parquet)")
    assert list(parquet_rows(tmp_path / f"{name}.parquet")) == [["n"], ["0"]]
