"""An endless sequence of snapshots for `async for`: the newest of each symbol, never a queue of old ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .newest import Newest
from .snapshot import Snapshot


class Subscription(Newest[Snapshot]):
    """Snapshots of some symbols as they arrive.

    With `ticks` a snapshot also comes again with each tick. For a slow consumer the newest `keep` snapshots
    of each symbol wait; `overtaken` counts those they replaced. Leaving an `async with` around it, or
    `aclose()`, unsubscribes; so does leaving the client.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        update_interval_s: int,
        *,
        keep: int,
        ticks: bool = False,
        on_close: Callable[[Subscription], Awaitable[None]],
    ) -> None:
        self.symbols = symbols
        self.update_interval_s = update_interval_s
        self.ticks = ticks
        self.overtaken = 0
        super().__init__(on_close)
        self._keep = keep
        self._waiting: list[Snapshot] = []

    def put(self, snapshot: Snapshot) -> None:
        """Hand on a snapshot; beyond `keep` it takes the place of the oldest of its symbol."""
        same = [row for row, waiting in enumerate(self._waiting) if waiting.symbol == snapshot.symbol]
        if len(same) >= self._keep:
            del self._waiting[same[0]]
            self.overtaken += 1
        self._waiting.append(snapshot)
        self._changed.set()

    def _take(self) -> Snapshot | None:
        return self._waiting.pop(0) if self._waiting else None
