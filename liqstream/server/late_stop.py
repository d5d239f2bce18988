"""A stop that takes too long: what still runs is named in the log, and the process ends without it.

Whatever a peer, a disk or a library does, no service manager need kill the server. By then clients know,
and nothing new is taken in; what is not in the store is what the store could not take in all that time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from liqstream.server.early_stop import leave

STOP_WITHIN_S = 9.0
"""From the signal, or the end of a drain, to the end of the process."""

log = structlog.get_logger(__name__)


@contextmanager
def late_stop() -> Iterator[Callable[[float], None]]:
    """Yields what is called, with seconds, when a stop begins; it is called off when the context ends."""
    timers: list[threading.Timer] = []
    loop = asyncio.get_running_loop()

    def begin(within_s: float) -> None:
        timer = threading.Timer(within_s, _end, (loop, within_s))
        timer.daemon = True
        timers.append(timer)
        timer.start()

    try:
        yield begin
    finally:
        for timer in timers:
            timer.cancel()


def _end(loop: asyncio.AbstractEventLoop, within_s: float) -> None:
    """In a thread of its own: the event loop may be what does not go on."""
    tasks = sorted({_name(task) for task in asyncio.all_tasks(loop)})
    threads = sorted(thread.name for thread in threading.enumerate())
    log.error("stopped_late", after_s=within_s, tasks=tasks, threads=threads)
    leave(0)


def _name(task: asyncio.Task[Any]) -> str:
    """Its own name, or its function's where nobody gave it one."""
    name = task.get_name()
    return getattr(task.get_coro(), "__qualname__", name) if name.startswith("Task-") else name
