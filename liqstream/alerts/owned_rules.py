"""Rules that pages have set: kept with what they raised, and held by the evaluator of the leading server.

Any server answers for them; in a fleet only the leader evaluates.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import structlog

from liqstream.alerts.firing import Firing, Firings
from liqstream.alerts.records import OwnedRecords
from liqstream.alerts.rule_table import RuleBook
from liqstream.alerts.rules import OwnedRule, Percent, Price, Rule, Usd, WindowS, example, misfit
from liqstream.market import Source
from liqstream.market.identity import symbol_of
from liqstream.store.owned_records import Full, RecordLimits
from liqstream.supervision.supervise import raise_swallowed_cancellation
from liqstream.supervision.timing import SYSTEM_TIMING, Timing

RULE_KIND, HISTORY_KIND = "alert-rule", "alert-raised"
RULES_PER_OWNER, RULES_IN_ALL = 20, 5000
HISTORY_LENGTH = 50
RULE_LIMITS = RecordLimits(RULES_PER_OWNER, RULES_IN_ALL)
HISTORY_LIMITS = RecordLimits(HISTORY_LENGTH, HISTORY_LENGTH * RULES_IN_ALL, drops_oldest=True)
FOLLOW_EVERY_S = 1.0
COUNT_EVERY_S = 10.0
"""Of a server that evaluates nothing: there the rules are only counted."""
MOST_UNWRITTEN = 10_000
"""Raised alerts that wait to be kept; the oldest beyond them are not."""

_log = structlog.get_logger(__name__)


class RuleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule as a page writes it; the fields of a rule of the alerts file, and the same bounds."""

    kind: Literal["cluster", "cascade", "price", "sweep", "new_cluster"]
    symbol: str = "*"
    min_usd: Usd | None = None
    min_percentile: Percent | None = None
    within_percent: Percent | None = None
    window_s: WindowS | None = None
    price: Price | None = None
    cooldown_s: Annotated[float, msgspec.Meta(ge=60, le=366 * 86_400)] = 900.0

    def rule(self, rule_id: str) -> Rule:
        """The rule it is, of the market that its name means in whatever form it was kept."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return Rule(name=rule_id, to=[], **given | {"symbol": symbol_of(self.symbol)})

    def problem(self) -> str | None:
        """What of it means nothing, or keeps it from being raised, in a sentence; None if nothing does."""
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        return misfit(self.kind, given) or self.rule("").problem()


class Raised(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row of history. `side` and `digest`, of the rule as it was, are of the cooldown that began with it; a
    test begins none."""

    time: int
    rule: str
    kind: str
    symbol: str
    sentence: str
    side: str = ""
    digest: str = ""


_SHOWN = ("time", "rule", "kind", "symbol", "sentence")
"""The fields of a row that its owner gets."""


class OwnedRules:
    """Rules and history by owner. Every method raises what their records raise.

    `run` and `write_history` are tasks; `book` is the evaluator's, None on a server that evaluates nothing.
    `unreachable` are errors that mean that the records cannot be reached just now: the tasks go on.
    """

    def __init__(
        self,
        rules: OwnedRecords,
        history: OwnedRecords,
        firings: Firings,
        *,
        leads: Callable[[], bool],
        unreachable: tuple[type[BaseException], ...] = (),
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        self.book: RuleBook | None = None
        self.on_lost: Callable[[int], None] = lambda _count: None
        """Called with how many raised alerts could not be kept."""
        self._rules = rules  # the kept ones; any server writes them
        self._history = history  # what was raised, newest HISTORY_LENGTH of an owner
        self._firings = firings  # where tests go
        self._leads = leads  # whether this server evaluates for the fleet now
        self._unreachable = unreachable  # waited out
        self._timing = timing  # UTC ms
        self._known: dict[tuple[str, str], OwnedRule] = {}  # all rules, as `run` saw them last
        self._is_leading = False  # whether the book holds them
        # (owner, id, content) of alerts not kept yet; an id is given once, so writing it twice does no harm.
        self._unwritten: deque[tuple[str, str, str]] = deque(maxlen=MOST_UNWRITTEN)
        self._arrived = asyncio.Event()  # set by each of them
        self._count = 0  # makes the ids of two alerts of one ms differ

    def __len__(self) -> int:
        return len(self._known)

    async def of_owner(self, owner: str) -> list[dict[str, Any]]:
        """An owner's rules, by id; what is kept and is none of ours is left out."""
        kept = sorted((await self._rules.of_owner(owner)).items())
        bodies = [(rule_id, _body(content)) for rule_id, content in kept]
        return [{"id": rule_id, **msgspec.to_builtins(body)} for rule_id, body in bodies if body is not None]

    async def put(self, owner: str, rule_id: str, body: RuleBody) -> Full | None:
        """Keep a rule in place of the one of its id; returns which limit does not allow it, if any."""
        return await self._rules.put(owner, rule_id, msgspec.json.encode(body).decode())

    async def delete(self, owner: str, rule_id: str) -> bool:
        """Forget a rule, with the last one what was raised too; whether there was one."""
        was_there = await self._rules.delete(owner, rule_id)
        if was_there and not await self._rules.of_owner(owner):
            await self._history.clear(owner)
        return was_there

    async def test(
        self, owner: str, rule_id: str, symbol: str, market_of: Callable[[str], tuple[Source, float]]
    ) -> Firing | None:
        """Raise a rule as it might be, marked as a test; None without such a rule.

        One of all symbols is raised for `symbol`. `market_of` a symbol is its source and its price, USD.
        """
        content = (await self._rules.of_owner(owner)).get(rule_id)
        owned = None if content is None else _read(owner, rule_id, content)
        if owned is None:
            return None
        symbol = symbol if owned.rule.symbol == "*" else owned.rule.symbol
        source, price_usd = market_of(symbol)
        facts = example(owned.rule, symbol, price_usd)
        time_ms, text = self._timing.now_ms(), owned.text(facts)
        firing = Firing(rule_id, owner, symbol, owned.rule.kind, text, time_ms, source, is_test=True)
        self._firings.deliver(firing)
        return firing

    async def history(self, owner: str) -> list[dict[str, Any]]:
        """What an owner's rules have raised, the newest first."""
        kept = await self._history.of_owner(owner)
        rows = [row for key in sorted(kept, reverse=True) if (row := _raised(kept[key])) is not None]
        return [{name: getattr(row, name) for name in _SHOWN} for row in rows]

    def take(self, firing: Firing) -> None:
        """Keep what was raised for an owner, soon; a sink."""
        if firing.owner:
            if len(self._unwritten) == MOST_UNWRITTEN:
                self.on_lost(1)
            self._unwritten.append(self._row(firing))
            self._arrived.set()

    async def run(self) -> None:
        """Hold in the book the rules there are while this server leads, until cancelled."""
        while True:
            try:
                await self.follow()
            except self._unreachable as error:
                _log.debug("alert_rules_not_read", reason=str(error))
            raise_swallowed_cancellation()
            await asyncio.sleep(COUNT_EVERY_S if self.book is None else FOLLOW_EVERY_S)

    async def follow(self) -> None:
        """Take in what has changed since the last call, and whether this server leads."""
        changes = {
            key: None if content is None else _read(*key, content)
            for key, content in (await self._rules.changes()).items()
        }
        for key, owned in changes.items():
            if owned is None:
                self._known.pop(key, None)
            else:
                self._known[key] = owned
        leads = self._leads()
        if self.book is None or not (leads or self._is_leading):
            return
        raised = await self._raised_before() if leads and not self._is_leading else []
        # All of them at a change of leadership, else only what has changed.
        for key in changes if leads == self._is_leading else {*self._known, *changes}:
            if leads and key in self._known:
                self.book.put(self._known[key])
            else:
                self.book.remove(key)
        self._is_leading = leads
        for owner, row in raised:
            self._resume_cooldown(self.book, owner, row)

    async def _raised_before(self) -> list[tuple[str, Raised]]:
        """What the rules have raised, here before a restart or at another server, by owner."""
        found = []
        for owner in dict.fromkeys(owner for owner, _ in self._known):
            rows = map(_raised, (await self._history.of_owner(owner)).values())
            found += [(owner, row) for row in rows if row is not None]
            await asyncio.sleep(0)  # from memory it is one piece of work
        return found

    def _resume_cooldown(self, book: RuleBook, owner: str, row: Raised) -> None:
        """What was raised a short while ago is not raised again, unless the rule has been changed since."""
        owned = self._known.get((owner, row.rule))
        if owned is None or row.digest != owned.digest:
            return
        book.silence(owned.key, row.symbol, row.side, owned.cooldown_until_s(row.time, self._timing))

    async def write_history(self) -> None:
        """Keep what was raised, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                await self.keep_raised()
            except self._unreachable as error:
                _log.debug("raised_alerts_not_kept", reason=str(error))
            raise_swallowed_cancellation()
            await asyncio.sleep(FOLLOW_EVERY_S / 2)

    async def keep_raised(self) -> None:
        """Keep what was raised so far; what cannot be kept is counted. Cancelled, it can be called again."""
        waiting, kept = tuple(self._unwritten), 0
        self._unwritten.clear()
        try:
            kept = await self._history.put_all(waiting)
        except asyncio.CancelledError:
            self._unwritten.extendleft(reversed(waiting))
            kept = len(waiting)
            raise
        finally:
            self.on_lost(len(waiting) - kept)

    def _row(self, firing: Firing) -> tuple[str, str, str]:
        self._count += 1
        owned = self._known.get((firing.owner, firing.rule_id))
        row = Raised(
            firing.time_ms,
            firing.rule_id,
            firing.kind,
            firing.symbol,
            firing.sentence,
            side=str(firing.facts.get("side", "")),
            digest="" if owned is None or firing.is_test else owned.digest,
        )
        key = f"{firing.time_ms:014d}-{self._count % 1_000_000:06d}"
        return firing.owner, key, msgspec.json.encode(row).decode()


def _raised(content: str) -> Raised | None:
    """A kept row of history; None for text that is none of ours, which is logged."""
    try:
        return msgspec.json.decode(content, type=Raised)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        _log.warning("kept_alert_refused", reason=str(error))
        return None


def _read(owner: str, rule_id: str, content: str) -> OwnedRule | None:
    """A kept rule; None for text that is none of ours, and for a rule that cannot be evaluated."""
    body = _body(content)
    if body is None:
        return None
    rule = body.rule(rule_id)
    return None if rule.problem() else OwnedRule(owner, rule)


def _body(content: str) -> RuleBody | None:
    """A kept rule as its owner wrote it; None for text that is none of ours, which is logged."""
    try:
        return msgspec.json.decode(content, type=RuleBody)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        _log.warning("kept_alert_rule_refused", reason=str(error))
        return None
