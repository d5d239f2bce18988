"""An event loop whose time passes only while nothing is left to do: an hour of waiting takes seconds.

Sockets, threads and DuckDB are real. When no socket has anything to read and no callback is due
and no thread is at work, the loop's clock jumps to its next timer. A machine under load is only slower:
nothing times out because it was busy.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

GRACE_S = 0.001
"""Real time without anything to do before the clock jumps: what one socket sent reaches the other in it."""


class _JumpingSelector(selectors.DefaultSelector):
    """Waits in virtual time: `on_jump` is told how far the clock went because nothing happened."""

    def __init__(self, on_jump: Callable[[float], None], is_working: Callable[[], bool]) -> None:
        super().__init__()
        self._on_jump = on_jump
        self._is_working = is_working

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; if nothing is, `timeout` seconds have passed in no time."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self._is_working():
            return super().select(None)
        ready = super().select(min(timeout, GRACE_S))
        if not ready:
            self._on_jump(timeout)
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """See the module. `time` starts at 1000 and never goes back; it stands still while a thread works."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._working = 0
        super().__init__(_JumpingSelector(self._jump, lambda: self._working > 0))

    def _jump(self, seconds: float) -> None:
        self._now_s += seconds

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*_Arguments], _Result],
        *args: *_Arguments,
    ) -> asyncio.Future[_Result]:
        """As any loop does; time stands still until the work is done."""
        future = super().run_in_executor(executor, func, *args)
        self._working += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: asyncio.Future[Any]) -> None:
        self._working -= 1


def run_virtually(job: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a job on a loop of its own whose time is virtual."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(job)
