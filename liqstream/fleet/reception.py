"""Whether the fleet's snapshots are received: Redis may answer a sync and refuse the subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

DEAF_S = 2.0
"""A subscription that has failed for so long is no broken connection: the server cannot follow."""


class Reception:
    """What became of the subscription; each change sets `changed`. `clock_s` is monotonic, in s."""

    def __init__(self, clock_s: Callable[[], float], changed: asyncio.Event) -> None:
        self._clock_s = clock_s
        self._changed = changed  # whoever waits for the next sync looks at once
        self._lost_s: float | None = None  # clock_s of the first failure in a row; None while it works
        self._error: BaseException | None = None  # of the last failure

    def observe(self, error: BaseException | None) -> None:
        """The subscription failed with `error`; None: it stands, and the newest snapshots were read."""
        if error is None and self._lost_s is None:
            return
        self._lost_s = None if error is None else self._clock_s() if self._lost_s is None else self._lost_s
        self._error = error
        self._changed.set()

    def check(self) -> None:
        """Raise the error of the last failure once the subscription has failed for DEAF_S."""
        if self._lost_s is not None and self._error is not None and self._clock_s() > self._lost_s + DEAF_S:
            raise self._error
