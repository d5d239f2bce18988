"""Shows the rules every new map and every liquidation, and has raised alerts sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing

from liqstream.alerts.rules import Watch
from liqstream.alerts.sending import Sender
from liqstream.heatmap.latest import LiveMaps
from liqstream.tape import Tape

LOOK_EVERY_S = 1.0


class Watcher:
    """Three loops: maps, liquidations, sending. `clock_s` is monotonic."""

    def __init__(
        self,
        watch: Watch,
        sender: Sender,
        *,
        maps: LiveMaps,
        tape: Tape,
        symbols: Sequence[str],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = watch
        self._sender = sender
        self._maps = maps
        self._tape = tape
        self._symbols = tuple(symbols)
        self._clock_s = clock_s

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_maps(), name="alerts-maps")
            tasks.create_task(self._watch_tape(), name="alerts-tape")
            tasks.create_task(self._sender.run(), name="alerts-sending")

    async def _watch_maps(self) -> None:
        while True:
            for symbol in self._symbols:
                snapshot = await self._maps.get_latest_heatmap_snapshot(symbol)
                if snapshot is not None:
                    for alert in self._watch.see_map(snapshot, self._clock_s()):
                        self._sender.send(alert, snapshot.source)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _watch_tape(self) -> None:
        async with aclosing(self._tape.listen()) as batches:
            async for batch, _ in batches:
                for event in batch:
                    for alert in self._watch.see_liquidation(event, self._clock_s()):
                        self._sender.send(alert, self._maps.source(event.symbol))
