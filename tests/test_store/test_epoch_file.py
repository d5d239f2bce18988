"""Epochs only grow: over restarts, steps of the clock, damaged files and disks that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.store.epoch_file import EpochFile, epoch_path

HOUR_MS = 3_600_000
NOW_MS = 1_795_650_000_000


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def begun(path: Path | None, now_ms: int, failures: list[None] | None = None) -> int:
    """The epoch of a server that starts now."""
    epochs = EpochFile(path, on_failure=lambda: (failures if failures is not None else []).append(None))
    await epochs.load()
    return await epochs.begin(now_ms)


async def test_epochs_grow_over_restarts_and_a_clock_set_back(tmp_path: Path) -> None:
    """Two hours back over two restarts; a clock that goes on is followed."""
    path = epoch_path(tmp_path / "x.duckdb")
    epochs = [await begun(path, NOW_MS + shift) for shift in (0, -HOUR_MS, -2 * HOUR_MS, HOUR_MS, HOUR_MS)]
    assert epochs == [NOW_MS, NOW_MS + 1, NOW_MS + 2, NOW_MS + HOUR_MS, NOW_MS + HOUR_MS + 1]
    assert path.name == "x.duckdb.epoch"
    assert path.read_text() == f"{epochs[-1]}\n"


async def test_an_epoch_is_on_the_disk_before_it_may_be_sent(tmp_path: Path) -> None:
    """Also one of another server's that is passed on; a lower one writes nothing."""
    epochs = EpochFile(tmp_path / "epoch", on_failure=lambda: pytest.fail("not written"))
    for epoch, kept in ((7, 7), (5, 7), (9, 9)):
        await epochs.keep(epoch)
        assert (tmp_path / "epoch").read_text() == f"{kept}\n"
    assert names_in(tmp_path) == ["epoch"]


@pytest.mark.parametrize("content", [b"", b"x", b"-5\n", b"1e12", b"9" * 16, b"12 13", b"\xff" * 4000])
async def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """It is written anew."""
    path = tmp_path / "epoch"
    path.write_bytes(content)
    assert await begun(path, NOW_MS) == NOW_MS
    assert path.read_text() == f"{NOW_MS}\n"


@pytest.mark.parametrize("where", ["no store", "no folder", "a folder in its place"])
async def test_where_it_cannot_be_written_the_stream_goes_on(tmp_path: Path, where: str) -> None:
    """The failure is counted; within the process epochs grow all the same."""
    path = {"no store": None, "no folder": tmp_path / "none" / "epoch"}.get(where, tmp_path)
    failures: list[None] = []
    epochs = EpochFile(path, on_failure=lambda: failures.append(None))
    await epochs.load()
    assert await epochs.begin(NOW_MS) == NOW_MS
    assert await epochs.begin(NOW_MS - HOUR_MS) == NOW_MS + 1
    assert len(failures) == 2
    assert names_in(tmp_path) == []
