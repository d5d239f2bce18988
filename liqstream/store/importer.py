"""Files into the store, one transaction each, with an account of every row."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from liqstream.store.archive import ArchiveFile, read_archive
from liqstream.store.archive_files import ArchiveError, files_in
from liqstream.store.archive_forms import Kind
from liqstream.store.archive_rows import BadRow
from liqstream.store.columns import AppendResult, MarketSummary
from liqstream.store.market_store import MarketStore


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file; `refused` says why nothing of it was taken, else it is empty.

    `rows` are the file's; `new`, `duplicates` and `replaced` count records (a row of bars may hold several),
    duplicates within the file included.
    """

    path: Path
    refused: str = ""
    form: str = ""
    interval_ms: int | None = None
    rows: int = 0
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
    when it cannot be opened or written; what was imported until then stays.
    """
    files = await asyncio.to_thread(files_in, paths)
    reports: list[FileReport] = []
    store: MarketStore | None = None
    try:
        for done, path in enumerate(files):

            def read(path: Path = path, done: int = done) -> ArchiveFile:
                def on_rows(rows: int) -> None:
                    on_progress(Progress(path, done, len(files), rows))

                on_rows(0)
                return read_archive(
                    path, kind, exchange=exchange, symbol=symbol, interval_ms=interval_ms, on_rows=on_rows
                )

            try:
                archive = await asyncio.to_thread(read)
            except ArchiveError as error:
                reports.append(FileReport(path, refused=str(error)))
                continue
            store = store or await open_store()
            reports.append(_report(path, archive, await store.append(archive.events)))
        summary = tuple(await store.summary()) if store else ()
    finally:
        if store is not None:
            await store.close()
    return ImportReport(tuple(reports), summary)


def _report(path: Path, archive: ArchiveFile, result: AppendResult) -> FileReport:
    return FileReport(
        path,
        form=archive.form,
        interval_ms=archive.interval_ms,
        rows=archive.rows,
        new=result.new,
        duplicates=archive.duplicates + result.duplicate,
        replaced=result.replaced,
        bad_rows=tuple(archive.bad_rows),
        other_symbols=archive.other_symbols,
        checksum_verified=archive.checksum_verified,
    )
