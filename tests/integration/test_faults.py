"""One fault of each family, chosen by a seed, done to a running fleet. `make faults` does all of them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.seeds import new_seed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.nginx
@pytest.mark.timeout(240)
async def test_one_fault_of_each_family() -> None:
    """Redis, leader, network, front, clients, store and feeds: every invariant holds through all of it."""
    seed = str(new_seed())
    faults = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults", "--short", "--each-family", "--seed", seed),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await faults.communicate()
    assert faults.returncode == 0, said.decode()
