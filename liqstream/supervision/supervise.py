"""Background tasks that are kept running: begun anew after a failure, counted, and named while they fail.

Nothing that comes in may end the process: what was not foreseen ends one attempt of one task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from liqstream.supervision.clock import SYSTEM_CLOCK, Clock
from liqstream.supervision.error_log import ErrorLog, in_words

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
CANCEL_AGAIN_S = 0.5
"""A task that goes on for so long after its cancellation is cancelled again."""
TRIAL_S = 10.0
"""What runs so long after its last failure is well again."""

Work = Callable[[], Coroutine[Any, Any, None]]
"""What is run: called anew for each attempt."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class FailingTask:
    """A task that fails: since when (monotonic s, and UTC ms), how often in a row, and what comes next."""

    error: str
    since_s: float
    since_ms: int
    next_try_s: float
    next_try_ms: int
    failures: int = 1


def raise_if_cancelled(error: BaseException) -> None:
    """Raise `error` again if it is the cancellation of the task that runs this, not of what it awaited."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
        raise error


def raise_swallowed_cancellation() -> None:
    """Raise CancelledError if the task that runs this was cancelled and goes on, as redis-py may make it.

    To be called where a loop has caught the errors of a library: redis-py 8.1 answers a cancellation that
    hits it while it connects with an error of its own, and the loop would go on as if it had met no other.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Supervisor:
    """Runs the tasks of one process. `on_failure` is called with the name of what failed, each time.

    `failures` counts by name, for the process's life. Names are a fixed list: they become metric labels.
    """

    def __init__(
        self, *, clock: Clock = SYSTEM_CLOCK, on_failure: Callable[[str], None] = lambda _name: None
    ) -> None:
        self.names: set[str] = set()
        """Of every task that was ever run."""
        self._clock = clock
        self._on_failure = on_failure
        self._errors = ErrorLog(clock.time_s)
        self._failing: dict[str, FailingTask] = {}

    @asynccontextmanager
    async def background(
        self, name: str, work: Work, *, longest_wait_s: float = LONGEST_WAIT_S
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Keep `work` running while the context is open (see `run`) and cancel it at the end.

        Yields its task, which is named `name`.
        """
        task = asyncio.create_task(self.run(name, work, longest_wait_s=longest_wait_s), name=name)
        try:
            yield task
        finally:
            task.cancel()
            # A library may swallow it, as redis-py does while it connects: then it comes again.
            while not (await asyncio.wait([task], timeout=CANCEL_AGAIN_S))[0]:
                task.cancel()

    async def run(self, name: str, work: Work, *, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        """Run `work` until it returns; when it raises, again after 1 s, 2 s, 4 s ... up to `longest_wait_s`.

        Only a cancellation of the task that runs this ends it otherwise; one that `work` meets inside itself
        is a failure like others.
        """
        self.names.add(name)
        while True:
            try:
                await work()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the task is begun anew
                raise_if_cancelled(error)
                wait_s = self._note(name, error, longest_wait_s=longest_wait_s)
            else:
                self.mark_well(name)
                return
            await self._clock.sleep(wait_s)

    def _note(self, name: str, error: BaseException, *, longest_wait_s: float) -> float:
        failing = self._failing_now(name)
        failures = 0 if failing is None else failing.failures
        wait_s = min(longest_wait_s, FIRST_WAIT_S * 2.0 ** min(failures, 32))
        self.report(name, error, wait_s)
        return wait_s

    def report(self, name: str, error: BaseException, again_in_s: float = 0.0) -> None:
        """Note that something failed that is tried again by itself in so many seconds: counted, logged."""
        now_s, now_ms = self._clock.time_s(), self._clock.now_ms()
        failing = self._failing_now(name)
        if failing is None:
            failing = self._failing[name] = FailingTask("", now_s, now_ms, now_s, now_ms, failures=0)
        failing.error = in_words(error)
        failing.failures += 1
        failing.next_try_s = now_s + again_in_s
        failing.next_try_ms = now_ms + round(again_in_s * 1000)
        self._on_failure(name)
        self._errors.report("task failed", error, task=name, again_in_s=round(again_in_s, 1))

    def mark_well(self, name: str) -> None:
        """It has done its work: whatever failed before is over."""
        if self._failing.pop(name, None) is not None:
            log.info("task is well again", task=name)

    def failing(self) -> dict[str, FailingTask]:
        """What fails now, by name: its last failure is not over, or was less than TRIAL_S ago."""
        return {name: state for name in sorted(self._failing) if (state := self._failing_now(name))}

    def down_s(self, name: str) -> float:
        """For how long something has been failing, 0 for what is well."""
        failing = self._failing_now(name)
        return 0.0 if failing is None else self._clock.time_s() - failing.since_s

    def _failing_now(self, name: str) -> FailingTask | None:
        failing = self._failing.get(name)
        if failing is not None and self._clock.time_s() > failing.next_try_s + TRIAL_S:
            self.mark_well(name)
            return None
        return failing
