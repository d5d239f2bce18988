"""What a store's files take on their disk, how much is left there, and how old the newest backup is."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BACKUPS = "backups"
"""The folder beside the database that backups are written to."""


@dataclass(slots=True, eq=False)
class StoreFiles:
    """The files of the database at `path`, as the last `read` found them; None: not known, or there is none.

    `size_bytes` is of the database with its write-ahead log, `free_bytes` of the disk, `last_backup_s` when
    the newest backup was written, Unix time.
    """

    path: Path
    size_bytes: int | None = None
    free_bytes: int | None = None
    last_backup_s: float | None = None

    def read(self) -> None:
        """Look again; to be called in a thread, since a disk may be slow. What cannot be read is None."""
        self.size_bytes = self.free_bytes = self.last_backup_s = None
        with suppress(OSError):
            self.size_bytes = self.path.stat().st_size
            wal = self.path.with_name(f"{self.path.name}.wal")
            with suppress(FileNotFoundError):  # no write since the last checkpoint
                self.size_bytes += wal.stat().st_size
        with suppress(OSError):
            self.free_bytes = shutil.disk_usage(self.path.parent).free
        with suppress(OSError):
            self.last_backup_s = max(
                (file.stat().st_mtime for file in (self.path.parent / BACKUPS).iterdir() if file.is_file()),
                default=None,
            )
