"""`liqstream serve`, fed by the clockwork market: one server of a fleet under test."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

import uvloop

from liqstream.server.logs import FloodFilter, configure_logs
from liqstream.server.run import run
from liqstream.settings.load import load_settings
from tests.faults.clock_market import clockwork_feeds

CLOCK_FILE = "LIQSTREAM_TEST_CLOCK"
"""Environment variable: a file of the ms the wall clock is off by, read at the start and at CLOCK_SIGNAL."""
CLOCK_SIGNAL = signal.SIGRTMIN
"""One that the server itself neither obeys nor ignores."""
TAKEN = ".taken"
"""Suffix of the file beside it that tells which ms the clock really is off by."""


def _let_the_clock_jump() -> None:
    path, true_time_ns = Path(os.environ[CLOCK_FILE]), time.time_ns

    offset_ns = 0

    def jump(*_: object) -> None:
        nonlocal offset_ns
        said = path.read_text() if path.exists() else "0"
        offset_ns = int(said) * 1_000_000
        path.with_suffix(TAKEN).write_text(said)

    jump()
    signal.signal(CLOCK_SIGNAL, jump)
    time.time_ns = lambda: true_time_ns() + offset_ns
    time.time = lambda: (true_time_ns() + offset_ns) / 1e9


def _log_everything() -> None:
    """The oracle reads every snapshot from the log: here no flood is thinned out."""
    for handler in logging.getLogger().handlers:
        for each in [each for each in handler.filters if isinstance(each, FloodFilter)]:
            handler.removeFilter(each)


def main() -> int:
    """Serve with the settings of the environment."""
    settings = load_settings()
    configure_logs(settings)
    _log_everything()
    if CLOCK_FILE in os.environ:
        _let_the_clock_jump()

    def announce(address: str) -> None:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()

    return run(settings, announce=announce, make_feeds=clockwork_feeds, loop_factory=uvloop.new_event_loop)


if __name__ == "__main__":
    sys.exit(main())
