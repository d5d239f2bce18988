"""The model's thread: one after the other, several to a hand-over, each its own result."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from liqstream.heatmap.model_thread import TOGETHER, ModelThread


@pytest.fixture
async def thread() -> AsyncIterator[ModelThread]:
    """One that is closed at the end."""
    made = ModelThread()
    yield made
    made.close()


async def test_work_runs_in_one_thread_in_the_order_it_was_asked_for(thread: ModelThread) -> None:
    """Each caller gets its own result; none runs in the event loop's thread."""
    ran: list[tuple[int, int]] = []

    def work(number: int) -> Callable[[], int]:
        def note() -> int:
            ran.append((number, threading.get_ident()))
            return number * number

        return note

    numbers = range(3 * TOGETHER + 1)
    assert await asyncio.gather(*(thread.run(work(n)) for n in numbers)) == [n * n for n in numbers]
    assert [number for number, _ in ran] == list(numbers)
    assert len({ident for _, ident in ran} | {threading.get_ident()}) == 2


async def test_what_is_asked_for_in_one_turn_comes_back_together(thread: ModelThread) -> None:
    """So many at a time, and not all of them: the event loop has its turn between."""
    release = threading.Event()
    asked = [asyncio.create_task(thread.run(lambda: None)) for _ in range(TOGETHER)]
    rest = [asyncio.create_task(thread.run(release.wait)) for _ in range(TOGETHER)]
    async with asyncio.timeout(10):
        done, _ = await asyncio.wait((*asked, *rest), return_when=asyncio.FIRST_COMPLETED)
        assert done == set(asked)
        release.set()
        await asyncio.gather(*rest)


async def test_a_failure_is_that_of_one(thread: ModelThread) -> None:
    """Those asked for with it get their results."""
    results = await asyncio.gather(
        thread.run(lambda: 1), thread.run(lambda: 1 // 0), thread.run(lambda: 3), return_exceptions=True
    )
    assert (results[0], results[2]) == (1, 3)
    assert isinstance(results[1], ZeroDivisionError)


class PanicError(BaseException):
    """As libraries written in Rust raise it."""


async def test_what_is_no_exception_leaves_nobody_waiting(thread: ModelThread) -> None:
    """Everybody of that hand-over gets it, and the next one goes on."""

    def panics() -> None:
        raise PanicError

    asked = [asyncio.create_task(thread.run(work)) for work in (panics, lambda: None)]
    async with asyncio.timeout(10):
        for task in asked:
            with pytest.raises(PanicError):
                await task
        assert await thread.run(lambda: 3) == 3


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(thread: ModelThread) -> None:
    """Its work runs, or not; theirs comes back."""
    release = threading.Event()
    held = asyncio.create_task(thread.run(release.wait))
    given_up = asyncio.create_task(thread.run(lambda: 1))
    other = asyncio.create_task(thread.run(lambda: 2))
    await asyncio.sleep(0)
    given_up.cancel()
    release.set()
    assert await asyncio.wait_for(other, 10) == 2
    assert given_up.cancelled()
    assert await held


async def test_a_closed_thread_ends_what_waits(thread: ModelThread) -> None:
    """Work under way runs to its end, the rest is cancelled, and what is asked for then is an error."""
    started, release = threading.Event(), threading.Event()

    def hold() -> int:
        started.set()
        release.wait(10)
        return 1

    held = asyncio.create_task(thread.run(hold))
    await asyncio.to_thread(started.wait, 10)
    waiting = asyncio.create_task(thread.run(lambda: 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    thread.close()
    release.set()
    assert await asyncio.wait_for(held, 10) == 1
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(RuntimeError):
        await thread.run(lambda: 3)
