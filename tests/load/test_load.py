"""The load test itself: a small run of it must pass."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.attack
@pytest.mark.timeout(180)
def test_a_small_load_passes() -> None:
    """k6 and the light generator against a server of its own; both say what they saw."""
    small = {"LOAD_CLIENTS": "20", "LOAD_SCALE": "0.05", "LOAD_LIGHT_CLIENTS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.load"],
        env={**os.environ, **small},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "subscribe_to_first_snapshot" in done.stdout
    assert "200 clients at once, light generator: passed" in done.stdout
    assert '"messages_sent_total"' in done.stdout
