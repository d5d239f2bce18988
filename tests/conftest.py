"""What every test may lean on: the recorded data, and an event loop that must not be blocked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

from tests.demo_server import demo_server

# A busy machine is no failure: each test has its own time limit.
settings.register_profile("liqstream", deadline=None)
settings.load_profile("liqstream")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data beside the checkout; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the recorded market data in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _event_loop_is_never_blocked() -> Iterator[BlockBuster]:
    """Fail any test in which liqstream blocks the event loop on a file, a socket or a sleep."""
    with blockbuster_ctx("liqstream") as blockbuster:
        for name in ("io.BufferedReader.read", "os.listdir", "io.TextIOWrapper.read"):
            if name in blockbuster.functions:  # /proc is memory, not a disk
                blockbuster.functions[name].can_block_in("process_collector.py", "collect")
        yield blockbuster


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `liqstream serve --demo`; for tests that only look at it."""
    with demo_server(tmp_path_factory.mktemp("demo")) as url:
        yield url
