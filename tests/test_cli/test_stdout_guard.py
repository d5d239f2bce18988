"""Where standard output cannot be written every verb ends alike: one line, exit code 1; a pipe without it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LIQSTREAM = (sys.executable, "-m", "liqstream")
FULL = b"Error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("where", "said"),
    [("full", FULL), ("closed pipe", b""), ("read-only", FULL.replace(FULL[40:-1], b"Bad file descriptor"))],
)
def test_output_that_cannot_be_written(where: str, said: bytes, unbuffered: str) -> None:
    """However Python buffers it: a full disk, a reader that has gone, a descriptor not open for writing."""
    if where == "closed pipe":
        end, out = os.pipe()
        os.close(end)
    else:
        path, flags = ("/dev/full", os.O_WRONLY) if where == "full" else (os.devnull, os.O_RDONLY)
        out = os.open(path, flags)
    try:
        done = subprocess.run(
            [*LIQSTREAM, "--version"],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
            timeout=30,
        )
    finally:
        os.close(out)
    assert (done.returncode, done.stderr) == (1, said)
