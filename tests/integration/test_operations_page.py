"""The shell blocks of docs/operations.md, run in their order against a running server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.attack.harness import attacked
from tests.docs.doc_blocks import blocks

PRINTED = "http://127.0.0.1:8000"


@pytest.mark.long
def test_every_shell_block_works(tmp_path: Path) -> None:
    """Token, probes, backup and restore; then a server starts from what was restored."""
    with attacked(tmp_path) as server:
        # Whoever starts a process must take its exit code, or it lingers after its end.
        threading.Thread(target=server.process.wait).start()
        script = "set -euo pipefail\n" + "\n".join(block.text for block in blocks("docs/operations.md", "sh"))
        done = subprocess.run(
            ["bash", "-c", script.replace(PRINTED, server.url)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PID": str(server.process.pid),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "liq_" in done.stdout, "the new token"
        assert '"status":"ready"' in done.stdout.replace(" ", "")
        assert "backup_written" in server.log()
    (kept,) = (tmp_path / "data").glob("liqstream.duckdb.before-restore-*")
    assert kept.is_file()
    with attacked(tmp_path, REPLAY="store", REPLAY_WARMUP="1d"):
        pass
