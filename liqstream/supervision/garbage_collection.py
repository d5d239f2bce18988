"""Full collections that stay short, however many clients a server has.

CPython's full collection visits every object of the process while nothing else runs, some 80 of each client,
and comes again each time their number has grown by a quarter. What survives one has nearly always come to
stay, and is freed by its reference count. It is frozen: the next visits only what has come since. Source: the
documentation of `gc.freeze()`, and Modules/gcmodule.c.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FULL = 2
"""The generation whose collection is the full one."""
_GROWTH = 2.0
_SPARE_OBJECTS = 200_000
"""Grown beyond so much, what is frozen is looked through once more: nothing else finds rings among it."""


_MIDDLE_PER_FULL = 3
"""A full collection after so many of the middle generation, not ten: each visits so much the less."""


class _Freezer:
    """The callback: freezes what survives, unless so much is frozen that it must be looked through."""

    def __init__(self) -> None:
        self._alive = gc.get_freeze_count()  # objects that survived the last collection of all there was
        self._visits_all = False  # whether the next full collection is one

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase != "stop" or info["generation"] < _FULL:
            return
        gc.freeze()
        frozen = gc.get_freeze_count()
        if self._visits_all:
            self._alive, self._visits_all = frozen, False
        elif frozen > _GROWTH * self._alive + _SPARE_OBJECTS:
            gc.unfreeze()
            self._visits_all = True


@contextmanager
def short_collections() -> Iterator[None]:
    """Collect once, freeze what is there, and what survives each full collection; undone at the end."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*thresholds[:2], _MIDDLE_PER_FULL)
    gc.collect()
    gc.freeze()
    freezer = _Freezer()
    gc.callbacks.append(freezer)
    try:
        yield
    finally:
        gc.callbacks.remove(freezer)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
