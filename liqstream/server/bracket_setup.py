"""The exchanges' leverage brackets on this server: recalled at the start, and read daily while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from liqstream.feeds.feed import Feed
from liqstream.http.app_keys import MAPS
from liqstream.ingest.bracket_loop import BracketLoop, brackets_path, read_kept_brackets
from liqstream.model.margin import BracketTable
from liqstream.server.app_keys import PIPELINE, SETTINGS, SUPERVISOR


async def kept_brackets(app: web.Application) -> dict[str, BracketTable]:
    """The last good ones of each exchange."""
    return await asyncio.to_thread(read_kept_brackets, brackets_path(app[SETTINGS].db_path))


@asynccontextmanager
async def brackets_read(app: web.Application, feeds: Sequence[Feed]) -> AsyncIterator[None]:
    """Read those of the feeds' exchanges while the context is open."""
    path = brackets_path(app[SETTINGS].db_path)
    loop = BracketLoop(feeds, app[MAPS], path, renew=app[PIPELINE].renew)
    async with app[SUPERVISOR].background("brackets", loop.run):
        yield
