"""The leaderboard, cut anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
from aiohttp import web

from liqstream.positions import leaderboard
from liqstream.positions.accounts import Accounts, AccountSource
from liqstream.positions.failures import Failures
from liqstream.positions.info_client import InfoClient
from liqstream.positions.leaderboard import follow_leaderboard, leaderboard_rows
from liqstream.supervision.clock import SYSTEM_CLOCK
from tests.support.account_bodies import address
from tests.support.exchange_rig import eventually, serving

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


async def taken_in(body: bytes, accounts: Accounts) -> str:
    """What is told of a leaderboard once it was read into a table of accounts."""
    failures, asked = Failures(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        asked.set()
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/board", answer)
    before = len(accounts)
    async with serving(app) as port, aiohttp.ClientSession() as session:
        client = InfoClient("", session)
        url = f"http://127.0.0.1:{port}/board"
        task = asyncio.create_task(follow_leaderboard(client, url, accounts, SYSTEM_CLOCK, failures))

        async def is_read() -> bool:
            return asked.is_set() and (bool(failures.text) or len(accounts) > before)

        await eventually(is_read)
        task.cancel()
        await asyncio.wait({task})
    return failures.text


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"leaderboardRows":[]}', b"null"])
async def test_one_that_names_nobody_is_reported(body: bytes) -> None:
    """It is asked for again within the hour, as one that is gone."""
    accounts = Accounts()
    assert "only trades name accounts" in await taken_in(body, accounts)
    assert len(accounts) == 0


async def test_one_of_nonsense_displaces_nobody() -> None:
    """A full table keeps whom it knows; values that nobody has count as none."""
    accounts = Accounts(most=60)
    for number in range(30):
        accounts.row(address(10_000 + number), AccountSource.TRADES, 5)
    rows = [{"ethAddress": address(n), "accountValue": f"{n}e{n}"} for n in range(1, 200)]
    assert await taken_in(orjson.dumps(rows), accounts) == ""
    assert len(accounts) == 60
    assert accounts.dropped == 0
    assert all(address(10_000 + number) in accounts.row_of for number in range(30))
    assert accounts.value_usd.max() <= 1e12
