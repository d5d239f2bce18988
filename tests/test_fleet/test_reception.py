"""liqstream/fleet/reception.py: a short failure of the subscription is none, a long one is raised."""

from __future__ import annotations

import asyncio

import pytest

from liqstream.fleet.reception import DEAF_S, Reception


def test_only_what_lasts_is_raised() -> None:
    """With the newest error, counted from the first; a success begins anew. Each change is announced."""
    now_s, changed = [0.0], asyncio.Event()
    reception = Reception(lambda: now_s[0], changed)
    reception.observe(None)
    assert not changed.is_set()
    reception.observe(OSError("first"))
    now_s[0] = DEAF_S
    reception.observe(OSError("second"))
    reception.check()
    now_s[0] += 0.1
    with pytest.raises(OSError, match="second"):
        reception.check()
    assert changed.is_set()
    changed.clear()
    reception.observe(None)
    assert changed.is_set()
    reception.check()
    reception.observe(OSError("third"))
    reception.check()
