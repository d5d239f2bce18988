"""Files as people have them: folders, .csv, .csv.gz, .zip, and the checksum that may lie beside."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

MAX_UNPACKED_BYTES = 4 * 1024**3
"""A file that unpacks to more is refused; the largest archive Binance publishes of our kinds has 10 MB."""
MAX_LINE = 2**20
"""Characters of a line; a file without lines would otherwise be read whole."""

SUFFIXES = (".csv", ".csv.gz", ".zip", ".parquet")


class ArchiveError(Exception):
    """A file that is refused as a whole; the message says why in one line."""


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files of a list of files and folders; folders are searched to the bottom, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(sorted(inner for inner in path.rglob("*") if _is_data(inner)))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _is_data(path: Path) -> bool:
    is_named = path.name.lower().endswith(SUFFIXES) and not _is_litter(path)
    return is_named and not (path.is_dir() or path.is_fifo() or path.is_socket())


def _is_litter(path: Path) -> bool:
    """What macOS leaves beside files and in zips."""
    return path.name.startswith("._") or "__MACOSX" in path.parts


def verify_checksum(path: Path) -> bool:
    """Check a file against `NAME.CHECKSUM` beside it; False if there is none. Raises ArchiveError."""
    beside = path.with_name(path.name + ".CHECKSUM")
    if not beside.is_file():
        return False
    try:
        words = beside.read_text(encoding="ascii").split()
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"its checksum cannot be verified: {error}") from None
    if not words or words[0].lower() != actual:
        raise ArchiveError(f"the checksum in {beside.name} does not match: damaged or incomplete download")
    return True


@contextmanager
def csv_text(path: Path) -> Iterator[Iterable[str]]:
    """The lines of a .csv, a .csv.gz, or the .csv file in a .zip, UTF-8 or UTF-16. Raises ArchiveError."""
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(_only_csv(archive)) as member:
                text = _decoded(io.BufferedReader(cast("io.RawIOBase", member)))
                yield _lines(text)
        elif path.suffix.lower() == ".gz":
            with path.open("rb") as file, gzip.GzipFile(fileobj=file) as unpacked:
                text = _decoded(io.BufferedReader(unpacked))
                yield _lines(text, unpacked)
        else:
            with path.open("rb") as file:
                text = _decoded(file)  # kept until the file is closed: it would close it, and warn
                yield _lines(text)
    except FileNotFoundError:
        raise ArchiveError("there is no such file") from None
    except IsADirectoryError:
        raise ArchiveError("it is a folder") from None
    except UnicodeDecodeError:
        raise ArchiveError("it is not a text file") from None
    except gzip.BadGzipFile as error:
        raise ArchiveError(f"it is not a usable gzip file: {error}") from None
    except (zlib.error, lzma.LZMAError) as error:
        raise ArchiveError(f"it is damaged: {error}") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise ArchiveError(f"it is not a usable zip file: {error}") from None
    except OSError as error:
        raise ArchiveError(f"it cannot be read: {error.strerror or error}") from None


def _decoded(file: io.BufferedReader) -> io.TextIOWrapper:
    is_utf16 = file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return io.TextIOWrapper(file, encoding="utf-16" if is_utf16 else "utf-8-sig", newline="")


def _lines(text: io.TextIOWrapper, unpacked: gzip.GzipFile | None = None) -> Iterator[str]:
    """The lines. Raises ArchiveError for one without an end, and where too much is `unpacked`."""
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise ArchiveError(f"it has a line of more than {MAX_LINE:,} characters")
        if unpacked is not None and unpacked.tell() > MAX_UNPACKED_BYTES:
            raise ArchiveError(f"it unpacks to more than {MAX_UNPACKED_BYTES // 1024**2:,} MiB")
        yield line


def member_name(path: Path) -> str | None:
    """The name of the .csv file in a .zip; None where it is none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _only_csv(archive).filename
    except (zipfile.BadZipFile, OSError, NotImplementedError, ArchiveError):
        return None


def _only_csv(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(".csv") and not _is_litter(Path(member.filename))
    ]
    if len(members) != 1:
        raise ArchiveError(f"the zip holds {len(members)} .csv files, not one")
    if members[0].flag_bits & 1:
        raise ArchiveError("the zip is encrypted")
    if members[0].file_size > MAX_UNPACKED_BYTES:
        raise ArchiveError(f"the zip unpacks to {members[0].file_size // 1024**2} MiB")
    return members[0]
