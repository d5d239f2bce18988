"""The heartbeat of the stream: at every tick, the snapshots that changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from liqstream.heatmap.snapshot import HeatmapSnapshot

Tick = tuple[HeatmapSnapshot, ...]


async def heatmap_update_generator(
    latest: Callable[[str], Awaitable[HeatmapSnapshot | None]],
    *,
    active_symbols: Callable[[], Iterable[str]],
    interval_s: Callable[[], float],
    wake: asyncio.Event,
) -> AsyncGenerator[Tick]:
    """Ask for the newest snapshot of every active symbol and yield, as one tick, those not yielded before.

    It asks every `interval_s()` seconds, and when `wake` is set (a symbol became active, a shorter interval
    was asked for) at once for the symbols that are new. The beat is steady whatever wakes it: a client's own
    interval is counted from when its snapshots came. A symbol that becomes active again is yielded anew. A
    slow reader delays the next tick; ticks it missed are not made up for.
    """
    loop = asyncio.get_running_loop()
    began_s = due_s = loop.time()
    yielded: dict[str, tuple[int, int]] = {}
    while True:
        wake.clear()
        active = sorted(active_symbols())
        yielded = {symbol: said for symbol, said in yielded.items() if symbol in active}
        on_the_beat = loop.time() >= due_s
        tick = []
        for symbol in active:
            if not on_the_beat and symbol in yielded:
                continue
            snapshot = await latest(symbol)
            if snapshot is not None and yielded.get(symbol) != (snapshot.epoch, snapshot.seq):
                yielded[symbol] = (snapshot.epoch, snapshot.seq)
                tick.append(snapshot)
        if tick:
            yield tuple(tick)
        if on_the_beat or interval_s() < due_s - loop.time():
            beats = (loop.time() - began_s) // interval_s() + 1
            due_s = began_s + beats * interval_s()
        await _sleep_until(due_s, wake)


async def _sleep_until(due_s: float, wake: asyncio.Event) -> None:
    try:
        async with asyncio.timeout_at(due_s):
            await wake.wait()
    except TimeoutError:
        return
