"""Accounts named by the leaderboard, read as a stream: it is 30 MB of JSON and has no documented form."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable

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
