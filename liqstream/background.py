"""Background tasks that never die unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def background(
    work: Coroutine[Any, Any, None], fatal: asyncio.Future[None], *, name: str
) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` while the context is open and cancel it at the end; should it fail, so does `fatal`."""

    def report(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not fatal.done():
            fatal.set_exception(error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(report)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
