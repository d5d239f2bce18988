"""The highest epoch a server's stream was ever in, in a small file beside the database.

Not in the database itself: it must be on the disk before the first snapshot of an epoch is sent, however much
waits for the writer thread.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_END = 2**53
"""Epochs are below: a JSON reader may hold numbers as float64."""


class EpochFile:
    """Keeps `highest`, the highest epoch that may have been sent, over restarts and steps of the clock.

    `path` is None on a server without a store. An epoch that cannot be written is used all the same:
    `on_failure` is called, and the log says why.
    """

    def __init__(self, path: Path | None, *, on_failure: Callable[[], None]) -> None:
        self.highest = 0
        self._path = path
        self._on_failure = on_failure
        self._writing = asyncio.Lock()  # or an older epoch could be written over a newer one

    async def load(self) -> None:
        """Read what was kept. A file that is not ours, or cannot be read, counts as none and is logged."""
        if self._path is not None:
            self.highest = max(self.highest, await asyncio.to_thread(_read, self._path))

    async def begin(self, now_ms: int) -> int:
        """Keep and return the epoch of a stream that begins now: `now_ms`, or above every one before."""
        epoch = self.at(now_ms)
        await self.keep(epoch)
        return epoch

    def at(self, now_ms: int) -> int:
        """The epoch that `begin` would choose."""
        return min(max(now_ms, self.highest + 1), _END - 1)

    async def keep(self, epoch: int) -> None:
        """Return once `epoch` is on the disk, or could not be written; at once if one as high is kept."""
        if epoch <= self.highest:
            return
        self.highest = epoch
        async with self._writing:
            try:
                if self._path is None:
                    raise OSError("this server has no store")
                await asyncio.to_thread(_write, self._path, self.highest)
            except OSError as error:
                self._on_failure()
                log.warning("epoch not kept", epoch=epoch, file=str(self._path), reason=str(error))


def epoch_path(db_path: Path) -> Path:
    """The file beside a database."""
    return db_path.with_name(f"{db_path.name}.epoch")


def _read(path: Path) -> int:
    try:
        text = path.read_bytes()[:32]
    except FileNotFoundError:
        return 0
    except OSError as error:
        log.warning("epoch file cannot be read", file=str(path), reason=str(error))
        return 0
    found = re.fullmatch(rb"([0-9]{1,16})\n?", text)
    if found is None or int(found[1]) >= _END - 1:
        log.warning("epoch file is damaged", file=str(path), content=ascii(text))
        return 0
    return int(found[1])


def _write(path: Path, epoch: int) -> None:
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(b"%d\n" % epoch)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
