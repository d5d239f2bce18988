"""Reads every exchange's brackets daily, and those of new markets soon; has the maps use the last good ones.

They are kept in a small JSON file beside the store: `data/liqstream.brackets.json` for
`data/liqstream.duckdb`. What cannot be read, or is no table, leaves the last good one in place.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from liqstream.feeds.feed import Feed
from liqstream.feeds.parsing import UNREADABLE
from liqstream.feeds.rest_client import RestError, sentence
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.market import MarketKey
from liqstream.model.margin import BracketTable, bracket_table, table_rows
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

log = structlog.get_logger(__name__)

FIRST_AFTER_S = 60.0
"""History comes first: it is asked of the same addresses, within the same limits."""
EVERY_S = 86_400.0
AGAIN_AFTER_S = 3600.0
"""Where an exchange could not be read."""
LOOK_EVERY_S = 300.0
"""At what is followed: those of a market that is new are not a day late."""


def brackets_path(db_path: Path) -> Path:
    """Where the file of a store is."""
    return db_path.with_suffix(".brackets.json")


def read_kept_brackets(path: Path) -> dict[str, BracketTable]:
    """The last good table of each exchange; none for a file that is missing or is not ours. Blocks.

    A table that cannot be read costs no other exchange its own.
    """
    found: dict[str, BracketTable] = {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tables = list(content.items())
    except FileNotFoundError:
        return {}
    except (OSError, RecursionError, *UNREADABLE) as error:
        log.warning("brackets_not_recalled", path=str(path), reason=str(error))
        return {}
    for name, kept in tables:
        try:
            found[name] = bracket_table(name, str(kept["as_of"]), kept["symbols"])
        except UNREADABLE as error:
            log.warning("brackets_not_recalled", path=str(path), exchange=name, reason=repr(error))
    return found


class BracketLoop:
    """`run` is a task of its own. `renew` makes the maps of some markets anew."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        maps: LiveMaps,
        path: Path,
        *,
        renew: Callable[[set[MarketKey]], Awaitable[None]],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._feeds = tuple(feeds)  # asked one after the other
        self._maps = maps  # use the tables
        self._path = path  # of the last good ones
        self._renew = renew  # of the pipeline
        self._clock = clock  # of the waits, and of the date a table is of
        self._due_s: dict[str, float] = {}  # when each exchange is asked again, on the clock
        self._asked: dict[str, frozenset[str]] = {}  # what each followed when it was asked last

    async def run(self) -> None:
        """Read each exchange daily, sooner where it did not answer or a market is new, until cancelled."""
        await self._clock.sleep(FIRST_AFTER_S)
        while True:
            for feed in self._feeds:
                if self._is_due(feed):
                    self._asked[feed.exchange] = frozenset(feed.symbols)
                    wait_s = EVERY_S if await self.read(feed) else AGAIN_AFTER_S
                    self._due_s[feed.exchange] = self._clock.time_s() + wait_s
            await self._clock.sleep(LOOK_EVERY_S)

    def _is_due(self, feed: Feed) -> bool:
        is_new = bool(set(feed.symbols) - self._asked.get(feed.exchange, frozenset()))
        return is_new or self._clock.time_s() >= self._due_s[feed.exchange]

    async def read(self, feed: Feed) -> bool:
        """Take in an exchange's tables; False where it did not answer with any that can be used."""
        try:
            rows = await feed.brackets()
        except (RestError, *UNREADABLE) as error:
            self._note(feed, sentence(error))
            return False
        if rows is None:
            return True
        as_of = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date().isoformat()
        # What an exchange no longer names, or names wrongly, keeps its last good rows.
        known = self._maps.brackets_of(feed.exchange)
        kept = {} if known is None else table_rows(known)
        table = bracket_table(feed.exchange, as_of, {**kept, **rows}, or_else=kept)
        used = table_rows(table)
        unusable = sorted(symbol for symbol, own in rows.items() if list(map(list, own)) != used.get(symbol))
        if len(unusable) == len(rows):
            self._note(feed, "none that can be used")
            return False
        if unusable:
            self._note(feed, f"of {', '.join(unusable)}: none that can be used")
        else:
            feed.note_brackets("")
        changed = self._maps.set_brackets(table)
        log.info("brackets_read", exchange=feed.exchange, symbols=len(rows), maps_anew=len(changed))
        await asyncio.to_thread(_keep, self._path, list(self._maps.model.own_brackets.values()))
        await self._renew(changed)
        return True

    def _note(self, feed: Feed, reason: str) -> None:
        log.info("brackets_not_read", exchange=feed.exchange, reason=reason)
        known = self._maps.brackets_of(feed.exchange)
        used = "the bundled ones are used" if known is None else f"those of {known.as_of} are used"
        feed.note_brackets(f"margin brackets not read ({reason}): {used}")


def _keep(path: Path, tables: Sequence[BracketTable]) -> None:
    """Write all that are known beside others of the file, which may have been damaged meanwhile. Blocks."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = {}
    content = content if isinstance(content, dict) else {}
    content |= {table.exchange: {"as_of": table.as_of, "symbols": table_rows(table)} for table in tables}
    new = path.with_suffix(".new")
    try:
        new.write_text(json.dumps(content), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        log.warning("brackets_not_kept", path=str(path), reason=str(error))
