"""Chooses the markets to follow: by size, once a day; listings and delistings as the exchanges state them.

The list is kept in a small JSON file beside the store (`data/liqstream.symbols.json` for
`data/liqstream.duckdb`), so that a restart begins with it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from liqstream.feeds.feed import Feed
from liqstream.feeds.instruments import GONE
from liqstream.feeds.parsing import UNREADABLE
from liqstream.feeds.rest_client import RestError
from liqstream.feeds.size_readers import MarketSize
from liqstream.feeds.venue import Instrument
from liqstream.heatmap.followed_list import DELISTED, FollowedList, FollowedMarket, read_followed_list
from liqstream.market.ranking import MarketChoice, choose, rank
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""At the exchanges' lists as they were read; nothing is asked for that."""
RANK_EVERY_MS = 86_400_000
RANK_AGAIN_S, LONGEST_RANK_AGAIN_S = 5.0, 300.0
"""Where an exchange did not answer: first, and at most; twice as long each time."""
WAIT_FOR_LISTS_S = 20.0
"""A first choice waits so long for the lists of all exchanges; then it is made of those that are there."""

OnList = Callable[[FollowedList], Awaitable[None]]


def list_path(db_path: Path) -> Path:
    """Where the file of a store is."""
    return db_path.with_suffix(".symbols.json")


def read_kept_list(path: Path) -> FollowedList | None:
    """The list that was kept last; None for a file that is missing or is not ours. Blocks."""
    try:
        return read_followed_list(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("market_list_not_recalled", path=str(path), reason=str(error))
        return None


def keep_list(path: Path, found: FollowedList) -> None:
    """Replace the file; one that cannot be written is logged. Blocks."""
    new = path.with_suffix(".new")
    try:
        new.write_text(json.dumps(found.document()), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        log.warning("market_list_not_kept", path=str(path), reason=str(error))


class MarketListLoop:
    """`run` is a task of its own. `on_list` gets each new list, and is awaited: it is followed from then on.

    Lists are made while `leads()`; in a fleet one server does, and the others `adopt` its list.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        choice: MarketChoice,
        newest: FollowedList,
        *,
        on_list: OnList,
        leads: Callable[[], bool] = lambda: True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.newest = newest
        """The list that is followed; its `ranked_ms` is 0 before the first choice."""
        self._feeds = tuple(feeds)  # asked what they list, and how large it is
        self._choice = choice  # of the settings
        self._on_list = on_list  # see the class
        self._leads = leads  # see the class
        self._clock = clock  # of the waits and of the rankings
        self._ranked: list[str] = []  # all markets, the largest first, as of the last ranking
        self._sizes: dict[str, Mapping[str, MarketSize]] = {}  # by exchange, as each stated them last
        self._lacked: frozenset[str] = frozenset()  # exchanges whose sizes a first choice had to do without
        self._rank_from_s = 0.0  # no ranking before, on the clock
        self._incomplete = 0  # rankings in a row at which an exchange did not answer
        self._began_s = clock.time_s()  # when this was made
        # The exchanges' lists that `newest` was made of, by exchange.
        self._seen: dict[str, Mapping[str, Instrument]] = {}
        # What the list of each exchange lacked as it was read last, and the time before.
        self._lacks: dict[str, tuple[Mapping[str, Instrument], frozenset[str], frozenset[str]]] = {}
        self._vacant = 0  # places of delisted markets, until the next ranking fills them

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            if self._leads():
                await self.step()
            await self._clock.sleep(LOOK_EVERY_S)

    async def step(self) -> None:
        """Rank if it is time, and follow what is to be followed by what the exchanges list now."""
        listed = {feed.exchange: each for feed in self._feeds if (each := feed.listed())}
        if not listed or (len(listed) < len(self._feeds) and self._is_early()):
            return
        is_due = self._is_ranking_due()
        if not is_due and all(self._seen.get(name) is each for name, each in listed.items()):
            return
        if is_due:
            await self._rank()
        if self._ranked or self._choice.largest is None or self.newest.ranked_ms:
            found = self._chosen(listed, is_ranking=is_due and bool(self._ranked))
            await self._take(found)
            self._seen = listed

    async def adopt(self, found: FollowedList) -> None:
        """Follow the list of the fleet's leader."""
        await self._take(found)

    async def _take(self, found: FollowedList) -> None:
        before = self.newest
        if (found.markets, found.ranked_ms) != (before.markets, before.ranked_ms):
            log.info("market_list", choice=found.choice, markets=len(found.markets), ended=dict(found.ended))
            await self._on_list(found)
        self.newest = found

    def _is_early(self) -> bool:
        return self._clock.time_s() - self._began_s < WAIT_FOR_LISTS_S

    def _is_ranking_due(self) -> bool:
        if self._clock.time_s() < self._rank_from_s:
            return False
        # One of the future is of a clock that was wrong.
        is_old = not 0 <= self._clock.now_ms() - self.newest.ranked_ms < RANK_EVERY_MS
        is_lacking = self._incomplete > 0 or self._vacant > 0
        return is_old or is_lacking or self.newest.choice != str(self._choice)

    async def _rank(self) -> None:
        """Ask every exchange how large its markets are; one that does not answer is asked again soon."""
        again_s = min(LONGEST_RANK_AGAIN_S, RANK_AGAIN_S * 2.0 ** min(self._incomplete, 32))
        self._rank_from_s = self._clock.time_s() + again_s
        answered = 0
        for feed in self._feeds:
            try:
                found = await feed.sizes()
            except (RestError, *UNREADABLE) as error:
                log.info("market_sizes_not_read", exchange=feed.exchange, reason=str(error))
                continue
            if found:
                self._sizes[feed.exchange] = found
                answered += 1
        if answered:
            by_exchange = self._sizes.items()
            self._ranked = rank(
                {name: {s: each.open_interest_usd for s, each in by.items()} for name, by in by_exchange},
                {name: {s: each.turnover_usd for s, each in by.items()} for name, by in by_exchange},
            )
        self._incomplete = self._incomplete + 1 if answered < len(self._feeds) else 0

    def _chosen(self, listed: Mapping[str, Mapping[str, Instrument]], *, is_ranking: bool) -> FollowedList:
        """What is to be followed now: chosen anew after a ranking, else less what has been delisted."""
        before, now_ms = self.newest, self._clock.now_ms()
        places = self._places(listed)
        unsized = frozenset(feed.exchange for feed in self._feeds) - self._sizes.keys()
        is_first = before.choice != str(self._choice) or not before.ranked_ms
        is_anew = is_first or (is_ranking and not self._lacked <= unsized)
        followed = {} if is_anew else {s: each.below_since_ms for s, each in before.markets.items()}
        if self._choice.largest is not None:
            self._vacant += sum(symbol not in places for symbol in followed)
        if is_ranking:
            sized = set(self._ranked)
            in_order = [symbol for symbol in self._ranked if symbol in places]
            others = [symbol for symbol in places if symbol not in sized]
            chosen = choose([*in_order, *others], self._choice, followed, now_ms, vacant=self._vacant)
            self._vacant = 0
            # How large a market is that an exchange trades whose sizes were never read, nobody knows.
            kept = {s: since for s, since in followed.items() if unsized.intersection(places.get(s, ()))}
            chosen = {**chosen, **{s: since for s, since in kept.items() if s not in chosen}}
            if is_anew:
                self._lacked = unsized
        elif self._choice.largest is None:
            chosen = {**{s: None for s in before.markets if s in places}, **dict.fromkeys(places)}
        else:
            chosen = {s: since for s, since in followed.items() if s in places}
        markets = {s: FollowedMarket(places[s], since) for s, since in chosen.items()}
        if not markets:
            return replace(before, ended={})  # no exchange lists nothing in earnest
        left = "it is no longer among the largest"
        return FollowedList(
            str(self._choice),
            now_ms if is_ranking else before.ranked_ms,
            markets,
            {s: left if s in places else DELISTED for s in before.markets if s not in markets},
        )

    def _is_over(self, instrument: Instrument) -> bool:
        ends_ms = instrument.delists_at_ms
        return instrument.state == GONE or (ends_ms is not None and ends_ms <= self._clock.now_ms())

    def _missed_once(self, name: str, instruments: Mapping[str, Instrument], known: set[str]) -> set[str]:
        """Followed markets that an exchange's list lacks now and had, or never was read, the time before.

        A list may come in part, and all who follow the market would get an end that is none.
        """
        missing = frozenset(s for s in known if s not in instruments or instruments[s].state == GONE)
        read, lacked, before = self._lacks.get(name, (None, frozenset[str](), frozenset[str]()))
        if read is not instruments:
            lacked, before = missing, lacked
            self._lacks[name] = (instruments, lacked, before)
        return set(missing - before)

    def _places(self, listed: Mapping[str, Mapping[str, Instrument]]) -> dict[str, tuple[str, ...]]:
        """Where each market is traded, or will be again; where no list was read it is as it was."""
        found: dict[str, tuple[str, ...]] = {}
        for feed in self._feeds:
            name = feed.exchange
            # What a first start begins with is a guess: that each is traded everywhere.
            followed = self.newest.markets if self.newest.ranked_ms else {}
            known = {s for s, each in followed.items() if name in each.exchanges}
            instruments = listed.get(name)
            if instruments is None:
                names = known
            else:
                # What has stopped trading is waited for where it is followed, and not begun with.
                names = {
                    symbol
                    for symbol, each in instruments.items()
                    if symbol.endswith("USDT")
                    and not self._is_over(each)
                    and (each.tradable or symbol in known)
                } | self._missed_once(name, instruments, known)
            for symbol in sorted(names):
                found[symbol] = (*found.get(symbol, ()), name)
        return found
