"""The leaderboard, cut anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest

from liqstream.positions import leaderboard
from liqstream.positions.leaderboard import leaderboard_rows
from tests.support.account_bodies import address

ROWS = [
    {"ethAddress": address(n), "accountValue": str(1000.5 * n), "windowPerformances": [["day", {"pnl": "1"}]]}
    for n in range(50)
]
BODY = orjson.dumps({"leaderboardRows": ROWS})


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    """The body in pieces."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 10**6])
async def test_rows_however_they_are_cut(size: int) -> None:
    """Each once, with its value."""
    found = [row async for row in leaderboard_rows(pieces(BODY, size))]
    assert found == [(address(n), 1000.5 * n) for n in range(50)]


async def test_what_is_no_leaderboard() -> None:
    """Nothing is found in it, and what came before a cut counts."""
    assert [row async for row in leaderboard_rows(pieces(b"<html>" * 1000, 100))] == []
    assert len([row async for row in leaderboard_rows(pieces(BODY[: len(BODY) // 2], 100))]) in (24, 25)


async def test_an_endless_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many rows."""
    monkeypatch.setattr(leaderboard, "MOST_ROWS", 10)
    assert len([row async for row in leaderboard_rows(pieces(BODY, 64))]) == 10
