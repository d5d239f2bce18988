"""Background tasks: begun anew after a failure, with growing waits, counted, named while they fail."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from liqstream.supervision import supervise
from liqstream.supervision.clock import Clock
from liqstream.supervision.supervise import (
    LONGEST_WAIT_S,
    TRIAL_S,
    Supervisor,
    raise_swallowed_cancellation,
)


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged; a traceback in full would be read from the sources."""
    with capture_logs() as captured:
        yield captured


class WaitClock(Clock):
    """Time passes only in waits, which are over at once."""

    def __init__(self) -> None:
        super().__init__(now_ms=lambda: round(self.now_s * 1000))
        self.now_s = 1000.0
        self.waits: list[float] = []

    def time_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


async def test_what_fails_is_begun_anew_after_growing_waits() -> None:
    """1 s, 2 s ... up to 5 min; each failure is counted; whatever is raised."""
    clock, counts = WaitClock(), Counter[str]()
    supervisor = Supervisor(clock=clock, on_failure=lambda name: counts.update([name]))
    errors = [ValueError("broken"), KeyError(), asyncio.CancelledError(), RecursionError("deep")] * 3

    async def work() -> None:
        if errors:
            raise errors.pop()

    await supervisor.run("retention", work)
    assert clock.waits == [min(LONGEST_WAIT_S, 2.0**n) for n in range(12)]
    assert counts == {"retention": 12}
    assert supervisor.names == {"retention"}
    assert supervisor.failing() == {}


async def test_a_failing_task_is_named_until_it_ran_for_a_while() -> None:
    """With its error, since when, and its next try; after that its waits begin anew."""
    clock, running = WaitClock(), asyncio.Event()
    supervisor, failures = Supervisor(clock=clock), [1, 2, 3]

    async def work() -> None:
        if failures:
            raise OSError(failures.pop(), "no disk")
        running.set()
        await asyncio.Event().wait()

    async with supervisor.background("retention", work) as task:
        assert task.get_name() == "retention"
        await running.wait()
        (state,) = supervisor.failing().values()
        assert (state.failures, state.since_s, state.next_try_s) == (3, 1000.0, 1007.0)
        assert state.next_try_ms == 1_007_000
        assert "no disk" in state.error
        assert supervisor.down_s("retention") == 7.0
        clock.now_s += TRIAL_S + 1
        assert supervisor.failing() == {}
        assert supervisor.down_s("retention") == 0.0
        supervisor.report("retention", ValueError())
        assert supervisor.failing()["retention"].failures == 1
        supervisor.mark_well("retention")
        assert supervisor.failing() == {}
    assert task.cancelled()


async def test_a_task_is_cancelled_when_its_context_ends() -> None:
    """Also one that waits for its next try, or that returned."""

    async def fail() -> None:
        raise ValueError

    supervisor = Supervisor()
    async with supervisor.background("waits", fail) as waits:
        while not supervisor.failing():  # noqa: ASYNC110
            await asyncio.sleep(0)
    async with supervisor.background("returns", lambda: asyncio.sleep(0)) as returns:
        await returns
    assert waits.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await waits


async def test_a_swallowed_cancellation_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that goes on after the first one, as redis-py may, keeps no server from ending."""
    monkeypatch.setattr(supervise, "CANCEL_AGAIN_S", 0.01)
    met: list[asyncio.CancelledError] = []
    begun = asyncio.Event()

    async def work() -> None:
        while len(met) < 3:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                met.append(error)

    async with asyncio.timeout(10), Supervisor().background("stubborn", work) as task:
        await begun.wait()
    assert task.done()
    assert len(met) == 3


async def test_a_cancellation_that_was_swallowed_is_raised_where_it_is_asked_for() -> None:
    """Only then: an error that is no answer to a cancellation lets the loop go on."""
    rounds: list[str] = []

    async def loop() -> None:
        while True:
            raise_swallowed_cancellation()
            try:
                rounds.append("begun")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                rounds.append("swallowed")

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    assert task.cancelled()
    assert rounds == ["begun", "swallowed"]
