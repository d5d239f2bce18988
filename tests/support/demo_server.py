"""One `liqstream serve --demo` for all tests that only look at it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def demo_server(folder: Path, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"), **env: str) -> Iterator[str]:
    """The http:// address of a simulated market of these symbols, in a process of its own."""
    command = [sys.executable, "-m", "liqstream", "serve", "--demo", "--symbol", ",".join(symbols)]
    with (
        (folder / "stderr.log").open("wb") as log,
        subprocess.Popen(
            [*command, "--port", "0", "--db", "demo.duckdb"],
            cwd=folder,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None, (folder / "stderr.log").read_text()
            yield found[0]
        finally:
            process.terminate()
            process.wait(timeout=15)
