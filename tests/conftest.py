"""What every test may lean on: the recorded data, and an event loop that must not be blocked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings
from xdist.remote import Producer

from tests.support.demo_server import demo_server
from tests.support.file_scheduler import FileScheduler
from tests.support.line_ratio import line_ratio
from tests.support.market_start import START
from tests.support.recorded_data import TEST_DATA

# A busy machine is no failure: each test has its own time limit.
settings.register_profile("liqstream", deadline=None)
settings.load_profile("liqstream")

# Every server and simulator a test starts inherits it.
os.environ["LIQSTREAM_DEMO_START"] = START


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever looks at the running demo looks at a simulated market; without recorded data none is read."""
    without_data = pytest.mark.skip(reason=f"needs the recorded market data in {TEST_DATA}")
    for item in items:
        if item.get_closest_marker("shared_data") is not None and not TEST_DATA.is_dir():
            item.add_marker(without_data)
        if "demo_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.simulated)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduler:
    """How files are shared out where several processes run them."""
    return FileScheduler(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data (LIQSTREAM_TEST_DATA); tests that need it skip without it."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"needs the recorded market data in {TEST_DATA}")
    return TEST_DATA


@pytest.fixture(autouse=True)
def _event_loop_is_never_blocked() -> Iterator[BlockBuster]:
    """Fail any test in which liqstream blocks the event loop on a file, a socket or a sleep."""
    with blockbuster_ctx("liqstream") as blockbuster:
        for name in ("io.BufferedReader.read", "os.listdir", "io.TextIOWrapper.read"):
            if name in blockbuster.functions:  # /proc is memory, not a disk
                blockbuster.functions[name].can_block_in("process_collector.py", "collect")
        yield blockbuster


@pytest.fixture(scope="module")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `liqstream serve --demo`; for tests that only look at it.

    Not kept for the whole run: its market goes on, and would take an eighth of a core from all other tests.
    """
    with demo_server(tmp_path_factory.mktemp("demo"), LIQSTREAM_HISTORY_DAYS="3") as url:
        yield url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how much of the tree is tests; tests/test_mirror.py fails when the figure falls."""
    root = Path(__file__).resolve().parents[1]
    terminalreporter.write_line(f"lines of tests per line of code: {line_ratio(root):.3f}")
