"""Requests made of /openapi.json, right and wrong ones: schema and server agree about each."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SEED = os.environ.get("LIQSTREAM_TEST_FUZZ_SEED") or str(random.randrange(10**6))
OPENAPI = yaml.safe_load((Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml").read_text())
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
ENDLESS = "^/(ws/heatmap|api/events)$"
LEFT_OUT = (
    # Which exchanges there are, and that one time lies before another, no schema can say.
    "positive_data_acceptance",
    # OPTIONS of any path is a browser asking what it may read (CORS).
    "unsupported_method",
)


@pytest.mark.timeout(400)
def test_schema_and_server_agree(demo_url: str, tmp_path: Path) -> None:
    """50 examples of each operation; LIQSTREAM_TEST_FUZZ_SEED repeats a run."""
    sys.stdout.write(f"LIQSTREAM_TEST_FUZZ_SEED={SEED}\n")
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("st"), "run", f"{demo_url}/openapi.json"),
            *("--seed", SEED, "--max-examples", "50", "--phases", "examples,fuzzing"),
            *("--exclude-path-regex", ENDLESS, "--exclude-checks", ",".join(LEFT_OUT)),
            *("--request-timeout", "20", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    operations = sum(len(path.keys() & METHODS) for path in OPENAPI["paths"].values())
    assert f"{operations - 2} selected / {operations} total" in done.stdout
