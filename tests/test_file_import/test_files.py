"""liqstream/file_import/files.py: folders, zips and checksums of a real disk."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from pathlib import Path

import pytest

from liqstream.file_import import files
from liqstream.file_import.files import ArchiveError, csv_text, files_in, verify_checksum


def zip_of(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return path


def lines_of(path: Path) -> list[str]:
    with csv_text(path) as lines:
        return [line.strip() for line in lines]


def test_folders_are_searched_to_the_bottom(tmp_path: Path) -> None:
    """By name, for what can be read; a file that is named is taken as it is, and each only once."""
    for name in ("b/2.csv", "b/1.ZIP", "a.csv", "a.csv.CHECKSUM", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    names = [str(path.relative_to(tmp_path)) for path in files_in([tmp_path, tmp_path / "notes.txt"])]
    assert names == ["a.csv", "b/1.ZIP", "b/2.csv", "notes.txt"]
    assert files_in([tmp_path / "a.csv", tmp_path]) == files_in([tmp_path])


def test_lines_of_a_csv_and_of_the_csv_in_a_zip(tmp_path: Path) -> None:
    """A byte order mark is no part of them."""
    plain = tmp_path / "plain.csv"
    plain.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert lines_of(plain) == ["a,b", "1,2"]
    assert lines_of(zip_of(tmp_path / "one.zip", bars="a,b\n1,2\n")) == ["a,b", "1,2"]


def test_a_zip_must_hold_one_csv(tmp_path: Path) -> None:
    """Of two it is not known which is meant."""
    with pytest.raises(ArchiveError, match=r"the zip holds 2 \.csv files, not one"):
        lines_of(zip_of(tmp_path / "two.zip", bars="a", more="b"))
    with pytest.raises(ArchiveError, match="there is no such file"):
        lines_of(tmp_path / "missing.csv")


def test_a_checksum_beside_a_file_is_verified(tmp_path: Path) -> None:
    """None, the right one, a wrong one, one that cannot be read."""
    path, beside = tmp_path / "bars.csv", tmp_path / "bars.csv.CHECKSUM"
    path.write_text("a,b\n")
    assert not verify_checksum(path)
    beside.write_text(f"{hashlib.sha256(b'a,b' + bytes([10])).hexdigest().upper()}  bars.csv\n")
    assert verify_checksum(path)
    for text in ("", "0" * 64):
        beside.write_text(text)
        with pytest.raises(ArchiveError, match="does not match"):
            verify_checksum(path)
    beside.write_bytes(b"\xff")
    with pytest.raises(ArchiveError, match="cannot be verified"):
        verify_checksum(path)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what comes out, not by what a header states; a file without lines is not read whole."""
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 3 * 2**20)
    packed = tmp_path / "bars.csv.gz"
    packed.write_bytes(gzip.compress(b"1,2\n" * 2**18))
    assert len(lines_of(packed)) == 2**18
    packed.write_bytes(gzip.compress(b"1,2\n" * 2**20))
    with pytest.raises(ArchiveError, match="it unpacks to more than 3 MiB"):
        lines_of(packed)
    with pytest.raises(ArchiveError, match="the zip unpacks to 4 MiB"):
        lines_of(zip_of(tmp_path / "large.zip", bars="1,2\n" * 2**20))
    packed.write_bytes(gzip.compress(bytes(2**21)))
    with pytest.raises(ArchiveError, match="it has a line of more than 1,048,576 characters"):
        lines_of(packed)
