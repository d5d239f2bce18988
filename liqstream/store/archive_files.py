"""Files as people have them: folders, .csv, .zip, and the checksum that may lie beside."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_UNPACKED_BYTES = 4 * 1024**3
"""A zip that unpacks to more is refused; the largest archive Binance publishes of our kinds has 10 MB."""

SUFFIXES = (".csv", ".zip")


class ArchiveError(Exception):
    """A file that is refused as a whole; the message says why in one line."""


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files of a list of files and folders; folders are searched to the bottom, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(sorted(inner for inner in path.rglob("*") if inner.suffix.lower() in SUFFIXES))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


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
    """The lines of a .csv, or of the .csv files in a .zip. Raises ArchiveError."""
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(_only_csv(archive)) as member:
                yield io.TextIOWrapper(member, encoding="utf-8-sig", newline="")
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield file
    except FileNotFoundError:
        raise ArchiveError("there is no such file") from None
    except IsADirectoryError:
        raise ArchiveError("it is a folder") from None
    except UnicodeDecodeError:
        raise ArchiveError("it is not a text file") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise ArchiveError(f"it is not a usable zip file: {error}") from None
    except OSError as error:
        raise ArchiveError(f"it cannot be read: {error.strerror or error}") from None


def _only_csv(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if member.filename.lower().endswith(".csv")]
    if len(members) != 1:
        raise ArchiveError(f"the zip holds {len(members)} .csv files, not one")
    if members[0].flag_bits & 1:
        raise ArchiveError("the zip is encrypted")
    if members[0].file_size > MAX_UNPACKED_BYTES:
        raise ArchiveError(f"the zip unpacks to {members[0].file_size // 1024**2} MiB")
    return members[0]
