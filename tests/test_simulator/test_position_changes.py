"""The log of what was opened and closed."""

from __future__ import annotations

import numpy as np

from liqstream.simulator.position_changes import KEPT_MINUTES, ChangeLog, PositionChanges


def changes(*times: float) -> PositionChanges:
    """One position each, opened at these times."""
    column = np.array(times)
    return PositionChanges(column.astype(np.int64), column, column, column, column, column, closes=False)


def test_changes_between_two_moments() -> None:
    """The first moment is not in it, the last is; empty parts are left out."""
    log = ChangeLog()
    log.add(changes())
    log.add(changes(10.0, 20.0, 30.0))
    log.begin_minute()
    log.add(changes(60_010.0))
    assert [part.time_ms.tolist() for part in log.between(10, 60_010)] == [[20, 30], [60_010]]
    assert log.between(60_010, 70_000) == []
    assert [part.time_ms.tolist() for part in log.between(30, 60_010)] == [[60_010]]
    log.begin_minute()
    log.begin_minute()
    assert [part.time_ms.tolist() for part in log.between(20, 70_000)] == [[30], [60_010]]


def test_old_minutes_are_forgotten() -> None:
    """After three hours."""
    log = ChangeLog()
    log.add(changes(10.0))
    for _ in range(KEPT_MINUTES):
        log.begin_minute()
    assert log.between(0, 1e12) == []
