"""liqstream/client/newest.py: a sequence waits for what comes, fails after it, and is left once."""

from __future__ import annotations

import asyncio

import pytest

from liqstream.client.newest import Newest


class Numbers(Newest[int]):
    """The newest number, and how often it was left."""

    def __init__(self) -> None:
        super().__init__(self._left)
        self.waiting: int | None = None
        self.closed = 0

    async def _left(self, _: Newest[int]) -> None:
        self.closed += 1

    def put(self, number: int) -> None:
        self.waiting = number
        self._changed.set()

    def _take(self) -> int | None:
        number, self.waiting = self.waiting, None
        return number


async def test_it_waits_for_what_comes() -> None:
    """Also for one that is put while it waits, and for a 0."""
    numbers = Numbers()
    waiting = asyncio.create_task(anext(numbers))
    await asyncio.sleep(0)
    assert not waiting.done()
    numbers.put(0)
    assert await waiting == 0


async def test_a_failure_comes_after_what_has_arrived() -> None:
    """Nothing that was received is lost to it."""
    numbers = Numbers()
    numbers.put(7)
    numbers.fail(ValueError("gone"))
    assert await anext(numbers) == 7
    with pytest.raises(ValueError, match="gone"):
        await anext(numbers)


async def test_leaving_it_ends_it_once() -> None:
    """By `async with`, and again by hand."""
    async with Numbers() as numbers:
        numbers.put(1)
        assert await anext(numbers) == 1
    await numbers.aclose()
    assert numbers.closed == 1
    assert [number async for number in numbers] == []
