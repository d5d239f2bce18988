"""Reads a file that a setting names: whole, and only what can be a file of settings."""

from __future__ import annotations

import errno
import os
import stat
from codecs import BOM_UTF8
from pathlib import Path

MAX_FILE_BYTES = 64 * 1024 * 1024
"""More than any such file has. A device gives bytes without end, and the start would take all memory."""


def whole_file(path: str | Path, most: int = MAX_FILE_BYTES) -> bytes:
    """All bytes of a file, without the mark that editors of Windows put before a text in UTF-8.

    Raises OSError; also for a device or a pipe, from which a read may never end, and for more than `most`.
    """
    mode = Path(path).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder says best what is wrong with it
        raise OSError(errno.EINVAL, "it is a device or a pipe", os.fspath(path))
    with Path(path).open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", os.fspath(path))
    return content.removeprefix(BOM_UTF8)
