"""Files into the store, one transaction each, with an account of every row."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from liqstream.file_import.files import ArchiveError, files_in
from liqstream.file_import.formats import Kind
from liqstream.file_import.parquet_file import parquet_rows
from liqstream.file_import.reader import ArchiveFile, Inputs, NumberedRows, csv_rows_of, read_archive
from liqstream.file_import.row_checks import BadRow
from liqstream.market import (
    Candle,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    OpenInterest,
    TimeArray,
)
from liqstream.market.coverage import spans_between
from liqstream.market.record_bounds import time_of
from liqstream.store.market_store import MarketStore
from liqstream.store.results import AppendResult, MarketSummary


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file; `refused` says why nothing of it was taken, else it is empty.

    `rows` are the file's; `new`, `duplicates` and `replaced` count records (a row of bars may hold several),
    duplicates within the file included. `new_by_kind` has the new ones by the store's tables.
    """

    path: Path
    refused: str = ""
    form: str = ""
    interval_ms: int | None = None
    rows: int = 0
    new_by_kind: dict[str, int] = field(default_factory=dict)
    new: int = 0
    duplicates: int = 0
    replaced: int = 0
    bad_rows: tuple[BadRow, ...] = ()
    other_symbols: int = 0
    checksum_verified: bool = False


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of all files, and what is in the store now."""

    files: tuple[FileReport, ...]
    store: tuple[MarketSummary, ...]

    @property
    def refused(self) -> int:
        """How many files were refused."""
        return sum(1 for file in self.files if file.refused)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is, to be shown: file number `done` of `total` is being read."""

    path: Path
    done: int
    total: int
    rows: int


async def import_files(
    paths: Sequence[Path],
    kind: Kind,
    *,
    exchange: str,
    symbol: str | None,
    interval_ms: int | None,
    open_store: Callable[[], Awaitable[MarketStore]],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ImportReport:
    """Import files and all files in folders, in order. Importing something twice changes nothing.

    The store is opened when the first file turns out to be usable, and closed at the end. Raises StoreError
    when it cannot be opened or written; what was imported until then stays. `on_progress` is called from the
    thread that reads, too.
    """
    files = await asyncio.to_thread(files_in, paths)
    reports: list[FileReport] = []
    store: MarketStore | None = None
    captured, taken = _Captured(), _Taken()
    try:
        for done, path in enumerate(files):
            report_rows = partial(_report_rows, on_progress, path, done, len(files))
            report_rows(0)
            try:
                archive = await asyncio.to_thread(
                    read_archive,
                    path,
                    kind,
                    exchange=exchange,
                    symbol=symbol,
                    interval_ms=interval_ms,
                    on_rows=report_rows,
                    inputs=Inputs(parquet_rows_of if path.suffix.lower() == ".parquet" else csv_rows_of),
                )
                taken.note(path, archive.records)
            except ArchiveError as error:
                reports.append(FileReport(path, refused=str(error)))
                continue
            store = store or await open_store()
            reports.append(_report(path, archive, await store.append(archive.records)))
            captured.note(archive.records)
        if store:
            await store.append(captured.spans())
        summary = tuple(await store.summary()) if store else ()
    finally:
        if store is not None:
            await store.close()
    return ImportReport(tuple(reports), summary)


@dataclass(slots=True)
class _Taken:
    """What the files of one run hold, so that none replaces what another one brought."""

    # By series: a file, its times in ascending order, and a hash of each record.
    parts: defaultdict[tuple[object, ...], list[tuple[Path, TimeArray, TimeArray]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def note(self, path: Path, records: Sequence[MarketEvent]) -> None:
        """Take in a file. Raises ArchiveError if an earlier one of the run says otherwise of a time."""
        series: defaultdict[tuple[object, ...], dict[int, int]] = defaultdict(dict)
        for record in records:
            if isinstance(record, Candle | LiquidationTotal | OpenInterest):
                interval = 0 if isinstance(record, OpenInterest) else record.interval_ms
                key = (type(record), record.exchange, record.symbol, interval)
                series[key][time_of(record)] = hash(record)
        new = {key: _sorted(hashes) for key, hashes in series.items()}
        for one, (times, hashes) in new.items():
            for other, known_ms, known in self.parts[one]:
                _, here, there = np.intersect1d(times, known_ms, assume_unique=True, return_indices=True)
                differ = np.flatnonzero(hashes[here] != known[there])
                if len(differ):
                    at_ms = int(times[here[differ[0]]])
                    raise ArchiveError(f"it says otherwise than {other} of the time {at_ms}")
        for one, (times, hashes) in new.items():
            self.parts[one].append((path, times, hashes))


def _sorted(hashes: dict[int, int]) -> tuple[TimeArray, TimeArray]:
    order = sorted(hashes)
    return np.array(order, dtype=np.int64), np.array([hashes[each] for each in order], dtype=np.int64)


@contextmanager
def parquet_rows_of(path: Path) -> Iterator[NumberedRows]:
    """The rows of a Parquet file, numbered as the lines of a CSV file of it would be."""
    yield enumerate(parquet_rows(path), start=1)


@dataclass(slots=True)
class _Captured:
    """Single liquidations that were imported: what is between two of an exchange counts as listened to."""

    times_ms: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    markets: set[MarketKey] = field(default_factory=set)

    def note(self, records: Sequence[MarketEvent]) -> None:
        """Take in the records of a file."""
        for record in records:
            if isinstance(record, Liquidation):
                self.times_ms[record.exchange].add(record.time_ms)
                self.markets.add(MarketKey(record.exchange, record.symbol))

    def spans(self) -> list[MarketEvent]:
        """Every market's spans, those of its exchange."""
        of_exchange = {name: spans_between(times) for name, times in self.times_ms.items()}
        return [
            LiquidationSpan(key.exchange, key.symbol, start_ms, end_ms)
            for key in sorted(self.markets, key=lambda key: (key.exchange, key.symbol))
            for start_ms, end_ms in of_exchange[key.exchange]
        ]


def _report_rows(
    on_progress: Callable[[Progress], None], path: Path, done: int, total: int, rows: int
) -> None:
    on_progress(Progress(path, done, total, rows))


def _report(path: Path, archive: ArchiveFile, result: AppendResult) -> FileReport:
    return FileReport(
        path,
        form=archive.form,
        interval_ms=archive.interval_ms,
        rows=archive.rows,
        new=result.new,
        new_by_kind=dict(result.new_by_table),
        duplicates=archive.duplicates + result.duplicate,
        replaced=result.replaced,
        bad_rows=tuple(archive.bad_rows),
        other_symbols=archive.other_symbols,
        checksum_verified=archive.checksum_verified,
    )
