"""The model's thread: runs the steps that the event loop hands it in their order, several to a hand-over.

A hand-over wakes both threads and costs a third of a step, so what is asked for in the same turn of the event
loop goes over together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

Work = Callable[[], Any]
_Outcome = tuple[Any, BaseException | None]

TOGETHER = 8
"""Steps of one hand-over at most, 5 ms: the event loop has its turn in between."""


class ModelThread:
    """One worker thread; all methods are for the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        # What was asked for in this turn of the event loop, in order.
        self._asked: list[tuple[Work, asyncio.Future[Any]]] = []

    def close(self) -> None:
        """Let the thread end; work that waits is cancelled, what is under way runs to its end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises in the thread, after all that was asked for before."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        self._asked.append((work, result))
        if len(self._asked) == 1:
            loop.call_soon(self._hand_over)
        return await result

    def _hand_over(self) -> None:
        asked, self._asked = self._asked, []
        for at in range(0, len(asked), TOGETHER):
            works, results = zip(*asked[at : at + TOGETHER], strict=True)
            try:
                done = asyncio.get_running_loop().run_in_executor(self._thread, _run_all, works)
            except Exception as error:  # noqa: BLE001  # closed, or the machine has no thread left
                _settle([(None, error)] * len(results), results)
            else:
                done.add_done_callback(partial(_hand_back, results))


def _run_all(works: Sequence[Work]) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    for work in works:
        try:
            outcomes.append((work(), None))
        except Exception as error:  # noqa: BLE001  # it is that of one; the others go on
            outcomes.append((None, error))
    return outcomes


def _hand_back(results: Sequence[asyncio.Future[Any]], done: asyncio.Future[list[_Outcome]]) -> None:
    if done.cancelled():
        for result in results:
            result.cancel()
    elif (error := done.exception()) is not None:  # no Exception: a library's panic, say
        _settle([(None, error)] * len(results), results)
    else:
        _settle(done.result(), results)


def _settle(outcomes: Sequence[_Outcome], results: Sequence[asyncio.Future[Any]]) -> None:
    for (value, error), result in zip(outcomes, results, strict=True):
        if result.done():  # whoever asked has given up
            continue
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)
