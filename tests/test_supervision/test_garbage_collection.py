"""liqstream/supervision/garbage_collection.py: what has been there for long is not looked at again."""

from __future__ import annotations

import gc
import weakref

import pytest

from liqstream.supervision import garbage_collection
from liqstream.supervision.garbage_collection import short_collections

OBJECTS = 30_000


class Thing:
    """Something the collector keeps an eye on."""

    def __init__(self) -> None:
        self.other: Thing | None = None


def visited() -> int:
    """How many objects the next full collection would visit."""
    return sum(len(gc.get_objects(generation)) for generation in range(3))


def test_what_survives_is_not_visited_again() -> None:
    """Neither what was there at the start nor what came since; all of it is as before at the end."""
    gc.collect()  # of what earlier tests left
    before, thresholds = visited(), gc.get_threshold()
    with short_collections():
        assert visited() < before / 10
        kept = [Thing() for _ in range(OBJECTS)]
        assert visited() > OBJECTS
        gc.collect()
        assert visited() < OBJECTS / 10
        assert len(kept) == OBJECTS
    assert visited() > before
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == thresholds
    assert not any(isinstance(each, garbage_collection._Freezer) for each in gc.callbacks)


def test_what_is_not_referred_to_goes_at_once_and_rings_at_the_next_collection() -> None:
    """As without it: frozen or not."""
    with short_collections():
        frozen, ring = Thing(), Thing()
        gone, ring_gone = weakref.ref(frozen), weakref.ref(ring)
        gc.collect()
        del frozen
        assert gone() is None
        young = Thing()
        young.other = young
        young_gone = weakref.ref(young)
        del young
        gc.collect()
        assert young_gone() is None
        del ring
        assert ring_gone() is None


def test_rings_among_what_is_frozen_are_found_once_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then only what is new is visited again."""
    monkeypatch.setattr(garbage_collection, "_GROWTH", 1.0)
    monkeypatch.setattr(garbage_collection, "_SPARE_OBJECTS", OBJECTS // 2)
    with short_collections():
        ring = Thing()
        ring.other = ring
        gone = weakref.ref(ring)
        gc.collect()
        del ring
        gc.collect()
        assert gone() is not None
        kept = [Thing() for _ in range(OBJECTS)]
        gc.collect()  # finds that so much has come
        gc.collect()
        assert gone() is None
        assert visited() < OBJECTS / 10
        assert len(kept) == OBJECTS
