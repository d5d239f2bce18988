"""What was opened and closed lately on the simulated exchange, position by position, for its trades."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray

KEPT_MINUTES = 180


@dataclass(frozen=True, slots=True, eq=False)
class PositionChanges:
    """Changes of several positions, each array of shape (n,).

    `slot` and `opened_ms` name a position for ever (slots are used again). `signed` is the change of its size
    in base coin, `price` in USD; `level` is its liquidation price where it was liquidated, else NaN. `closes`
    tells openings from ends.
    """

    slot: NDArray[np.integer]
    opened_ms: FloatArray
    time_ms: FloatArray
    signed: FloatArray
    price: FloatArray
    level: FloatArray
    closes: bool


class ChangeLog:
    """The changes of the last hours, in the sequence in which they were worked out."""

    def __init__(self) -> None:
        # By minute: the time of the last of some changes, and they.
        self._kept: deque[list[tuple[float, PositionChanges]]] = deque([[]], maxlen=KEPT_MINUTES)

    def begin_minute(self) -> None:
        """What follows belongs to the next minute."""
        self._kept.append([])

    def add(self, changes: PositionChanges) -> None:
        """Keep some changes."""
        if len(changes.slot):
            self._kept[-1].append((float(changes.time_ms.max()), changes))

    def _since(self, since_ms: float) -> list[list[tuple[float, PositionChanges]]]:
        """The minutes that may have changes after `since_ms`; what is asked for are the newest."""
        recent = []
        for minute in reversed(self._kept):
            if minute and all(last_ms <= since_ms for last_ms, _ in minute):
                break
            recent.append(minute)
        return recent[::-1]

    def between(self, since_ms: float, until_ms: float) -> list[PositionChanges]:
        """The kept changes with since_ms < time <= until_ms, in parts that are not empty."""
        found = []
        for minute in self._since(since_ms):
            for last_ms, part in minute:
                if last_ms <= since_ms:
                    continue
                rows = np.flatnonzero((part.time_ms > since_ms) & (part.time_ms <= until_ms))
                if len(rows):
                    found.append(
                        PositionChanges(
                            part.slot[rows],
                            part.opened_ms[rows],
                            part.time_ms[rows],
                            part.signed[rows],
                            part.price[rows],
                            part.level[rows],
                            part.closes,
                        )
                    )
        return found
