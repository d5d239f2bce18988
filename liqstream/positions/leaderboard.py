"""Accounts named by the leaderboard, read as a stream: it is 30 MB of JSON and has no documented form."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from liqstream.market.record_bounds import LARGEST_USD
from liqstream.positions.accounts import Accounts, AccountSource
from liqstream.positions.failures import Failures
from liqstream.positions.info_client import InfoClient, RefusedForGoodError, UnansweredError
from liqstream.supervision.clock import Clock

EVERY_S, AGAIN_S = 86_400.0, 3600.0
MOST_ROWS = 200_000
_ROW = re.compile(
    rb'"ethAddress"\s*:\s*"(0x[0-9a-fA-F]{40})"\s*,\s*"accountValue"\s*:\s*"?(-?[0-9.eE+-]{1,40})"?\s*[,}]'
)
_KEPT_BYTES = 400
"""More than a row's beginning: what a piece may cut in two."""


async def leaderboard_rows(chunks: AsyncIterable[bytes]) -> AsyncGenerator[tuple[str, float]]:
    """(address, account value in USD) of each row, as the pieces come; ends after MOST_ROWS.

    What does not look like a row is passed over.
    """
    tail, found = b"", 0
    async for chunk in chunks:
        text = tail + chunk
        end = 0
        for match in _ROW.finditer(text):
            end = match.end()
            try:
                value = float(match[2])
            except ValueError:
                continue
            yield match[1].decode().lower(), value
            found += 1
            if found >= MOST_ROWS:
                return
        tail = text[max(end, len(text) - _KEPT_BYTES) :]


async def follow_leaderboard(
    client: InfoClient, url: str, accounts: Accounts, clock: Clock, failures: Failures
) -> None:
    """Take in the accounts it names, at the start and daily, until cancelled; without it, trades name
    them. Where as many are known as there may be it displaces none of them."""
    while True:
        found = 0
        try:
            async with aclosing(leaderboard_rows(client.chunks(url))) as rows:
                async for address, value_usd in rows:
                    found += 1
                    if address not in accounts.row_of and len(accounts) >= accounts.most:
                        continue
                    row = accounts.row(address, AccountSource.LEADERBOARD, clock.now_ms())
                    if row is not None:
                        accounts.value_usd[row] = value_usd if 0 < value_usd <= LARGEST_USD else 0.0
            if not found:
                raise UnansweredError("the leaderboard names no account")
            failures.end("leaderboard_not_read")
            wait_s = EVERY_S
        except (UnansweredError, RefusedForGoodError) as error:
            failures.begin("leaderboard_not_read", f"only trades name accounts: {error}")
            wait_s = AGAIN_S
        await clock.sleep(wait_s)
