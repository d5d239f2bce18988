"""The queue of responses that are worked out: how many at once, in which turn, in how many bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from liqstream.http.work_queue import ByteBudget, QueueFullError, WorkQueue


@dataclass
class Body:
    size: int = 1


class Works:
    """Pieces of work that end when they are told to; `begun` has their names in order."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Future[Body]] = {}

    def make(self, name: str) -> Callable[[], Awaitable[Body]]:
        async def run() -> Body:
            self.begun.append(name)
            self._ends[name] = asyncio.get_running_loop().create_future()
            return await self._ends[name]

        return run

    async def end(self, name: str, size: int = 1) -> None:
        self._ends[name].set_result(Body(size))
        await settled()

    async def fail(self, name: str, error: Exception) -> None:
        self._ends[name].set_exception(error)
        await settled()


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Reader:
    """Someone who waits for a body and holds it until told to leave."""

    def __init__(self, queue: WorkQueue[Body], works: Works, name: str, address: str, bound: int = 1) -> None:
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._read(queue.body(name, address, bound, works.make(name))))

    async def _read(self, context: object) -> Body:
        async with AsyncExitStack() as stack:
            body: Body = await stack.enter_async_context(context)  # type: ignore[arg-type]
            await self._leave.wait()
            return body

    async def leave(self) -> Body:
        self._leave.set()
        return await self.task


@pytest.fixture
def works() -> Works:
    return Works()


async def test_addresses_take_turns(works: Works) -> None:
    """Who asks for much waits for who asks for little."""
    queue: WorkQueue[Body] = WorkQueue(ByteBudget(), makers=1, places=16)
    readers = [Reader(queue, works, name, name[0]) for name in ("a1", "a2", "a3", "b1", "c1", "b2")]
    await settled()
    for name in ("a1", "b1", "c1", "a2", "b2", "a3"):
        assert works.begun[-1] == name
        await works.end(name)
    for reader in readers:
        assert (await reader.leave()).size == 1


async def test_no_more_at_once_than_makers(works: Works) -> None:
    """The third begins when one of two is made, not when it is read."""
    queue: WorkQueue[Body] = WorkQueue(ByteBudget(), makers=2, places=16)
    readers = [Reader(queue, works, name, name) for name in ("a", "b", "c")]
    await settled()
    assert works.begun == ["a", "b"]
    await works.end("b")
    assert works.begun == ["a", "b", "c"]
    for name in ("a", "c"):
        await works.end(name)
    await asyncio.gather(*(reader.leave() for reader in readers))


async def test_places_are_held_until_the_last_byte_is_read(works: Works) -> None:
    """In all, and at most half of them by one address."""
    queue: WorkQueue[Body] = WorkQueue(ByteBudget(), makers=2, places=2)
    readers = [Reader(queue, works, name, name[0]) for name in ("a1", "a2", "b1")]
    await settled()
    with pytest.raises(QueueFullError):
        await Reader(queue, works, "a3", "a").task
    last = Reader(queue, works, "c1", "c")
    await settled()
    with pytest.raises(QueueFullError):
        await Reader(queue, works, "d1", "d").task
    for name in ("a1", "a2", "b1", "c1"):
        await works.end(name)
    with pytest.raises(QueueFullError):
        await Reader(queue, works, "d1", "d").task
    await readers[0].leave()
    after = Reader(queue, works, "d1", "d")
    await settled()
    await works.end("d1")
    await asyncio.gather(*(reader.leave() for reader in (*readers[1:], last, after)))


async def test_equal_requests_are_one_work(works: Works) -> None:
    """While it is being made; its error reaches everybody, and a reader that goes takes nothing away."""
    queue: WorkQueue[Body] = WorkQueue(ByteBudget(), makers=1, places=1)
    first, second = Reader(queue, works, "a", "x"), Reader(queue, works, "a", "y")
    await settled()
    first.task.cancel()
    await settled()
    await works.end("a")
    assert (await second.leave()).size == 1
    third, fourth = Reader(queue, works, "a", "x"), Reader(queue, works, "a", "y")
    await settled()
    assert works.begun == ["a", "a"]
    await works.fail("a", ValueError("no"))
    for reader in (third, fourth):
        with pytest.raises(ValueError, match="no"):
            await reader.task


async def test_bodies_wait_for_room(works: Works) -> None:
    """By their bound until they are made, by their size until they are read; one alone always fits."""
    budget = ByteBudget(limit=100)
    queue: WorkQueue[Body] = WorkQueue(budget, makers=3)
    readers = {name: Reader(queue, works, name, name, 60) for name in ("a", "b", "c")}
    await settled()
    assert (works.begun, budget.held) == (["a"], 60)
    await works.end("a", 30)
    assert (works.begun, budget.held) == (["a", "b"], 90)
    await works.end("b", 60)
    assert budget.held == 90
    await readers["a"].leave()
    assert (works.begun, budget.held) == (["a", "b"], 60)
    await readers["b"].leave()
    await settled()
    await works.end("c", 200)
    assert budget.held == 200
    await readers["c"].leave()
    assert budget.held == 0


async def test_who_waits_too_long_is_sent_away(works: Works) -> None:
    """What has begun is not given up; without places nobody is."""
    queue: WorkQueue[Body] = WorkQueue(ByteBudget(), makers=1, places=4, max_wait_s=0.01)
    patient: WorkQueue[Body] = WorkQueue(ByteBudget(), makers=1, max_wait_s=0.01)
    begun, waiting = Reader(queue, works, "a", "x"), Reader(queue, works, "b", "y")
    others = [Reader(patient, works, name, "x") for name in ("c", "d")]
    await settled()
    with pytest.raises(QueueFullError):
        await waiting.task
    for name in ("a", "c", "d"):
        await works.end(name)
    await asyncio.gather(*(reader.leave() for reader in (begun, *others)))
    assert works.begun == ["a", "c", "d"]


async def test_closing_ends_what_is_being_made(works: Works) -> None:
    """Its readers are cancelled, those that wait are sent away, and no byte stays held."""
    budget = ByteBudget()
    queue: WorkQueue[Body] = WorkQueue(budget, makers=1, places=4)
    begun, waiting = Reader(queue, works, "a", "x"), Reader(queue, works, "b", "y")
    await settled()
    await queue.close()
    with pytest.raises(asyncio.CancelledError):
        await begun.task
    with pytest.raises(QueueFullError):
        await waiting.task
    assert budget.held == 0
