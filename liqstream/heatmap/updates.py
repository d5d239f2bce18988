"""Rounds of the stream: at every one, the snapshots that changed as a `SnapshotBatch`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from liqstream.heatmap.model_thread import TOGETHER
from liqstream.heatmap.snapshot import HeatmapSnapshot, StreamPosition

SnapshotBatch = tuple[HeatmapSnapshot, ...]
"""The snapshots of one round, at most one per symbol."""

OnFailure = Callable[[str, Exception, float], None]
"""Called with "map-SYMBOL", what keeps that map from being made, and the seconds to the next try."""


async def heatmap_update_generator(
    latest: Callable[[str], Awaitable[HeatmapSnapshot | None]],
    *,
    active_symbols: Callable[[], Iterable[str]],
    interval_s: Callable[[], float],
    wake: asyncio.Event,
    on_failure: OnFailure | None = None,
) -> AsyncGenerator[SnapshotBatch]:
    """Ask for the newest snapshot of every active symbol and yield, as one batch, those not yielded before.

    A round is due every `interval_s()` seconds; when `wake` is set (a symbol became active, a shorter
    interval was asked for) the symbols that are new are asked for at once. Rounds keep their times whatever
    wakes them: a client's own interval is counted from when its snapshots came. A symbol that becomes active
    again is yielded anew. A slow reader delays the next round; rounds it missed are not made up for.

    What `latest` raises ends the generator, unless another symbol can be made: then `on_failure`, if given,
    is called, and the symbol is asked for again in the next round.
    """
    loop = asyncio.get_running_loop()
    began_s = due_s = loop.time()
    yielded: dict[str, StreamPosition] = {}
    while True:
        wake.clear()
        active = sorted(active_symbols())
        yielded = {symbol: position for symbol, position in yielded.items() if symbol in active}
        is_due = loop.time() >= due_s
        batch: list[HeatmapSnapshot] = []
        failed: dict[str, Exception] = {}
        wanted = [symbol for symbol in active if is_due or symbol not in yielded]
        for at in range(0, len(wanted), TOGETHER):
            together = wanted[at : at + TOGETHER]
            found = await asyncio.gather(*map(latest, together), return_exceptions=True)
            for symbol, snapshot in zip(together, found, strict=True):
                if isinstance(snapshot, Exception):  # of one symbol, of whatever kind
                    failed[symbol] = snapshot
                elif isinstance(snapshot, BaseException):
                    raise snapshot
                elif snapshot is not None and yielded.get(symbol) != snapshot.position:
                    yielded[symbol] = snapshot.position
                    batch.append(snapshot)
        for symbol, reason in failed.items():
            if on_failure is None or len(failed) == len(active):
                raise reason
            on_failure(f"map-{symbol}", reason, interval_s())
        if batch:
            yield tuple(batch)
        if is_due or interval_s() < due_s - loop.time():
            rounds = (loop.time() - began_s) // interval_s() + 1
            due_s = began_s + rounds * interval_s()
        await _sleep_until(due_s, wake)


async def _sleep_until(due_s: float, wake: asyncio.Event) -> None:
    try:
        async with asyncio.timeout_at(due_s):
            await wake.wait()
    except TimeoutError:
        return
