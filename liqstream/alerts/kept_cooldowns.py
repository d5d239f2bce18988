"""Cooldowns of the alerts file's rules that outlive a restart: what was sent a moment ago is not sent again.

Kept where the rules of pages are: in the store, or in the fleet's Redis. OwnedRules does the same for those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from hashlib import sha256

import msgspec
import structlog

from liqstream.alerts.firing import Firing
from liqstream.alerts.records import OwnedRecords
from liqstream.alerts.rule_table import RuleBook
from liqstream.alerts.rules import OwnedRule
from liqstream.store.owned_records import RecordLimits
from liqstream.supervision.supervise import raise_swallowed_cancellation
from liqstream.supervision.timing import SYSTEM_TIMING, Timing

COOLDOWN_KIND = "alert-file-raised"
COOLDOWN_LIMITS = RecordLimits(20_000, 20_000)
"""Each rule, market and side has one record, which its next alert replaces; what is beyond is not kept."""
TOGETHER_S = 0.5
_OWNER = "file"

_log = structlog.get_logger(__name__)


class RaisedLast(msgspec.Struct, frozen=True):
    """When a rule was raised last for a market and side, UTC ms; `digest` is of the rule as it was."""

    rule: str
    symbol: str
    side: str
    digest: str
    time_ms: int


class KeptCooldowns:
    """`run` is a task: it begins with the cooldowns there are in `book`, then keeps those that begin.

    Its first step is to be made before the first alert. Errors of `unreachable` are waited out.
    """

    def __init__(
        self,
        rules: Iterable[OwnedRule],
        book: RuleBook,
        records: OwnedRecords,
        *,
        unreachable: tuple[type[BaseException], ...] = (),
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        self._rules = {each.rule.name: each for each in rules}  # of the file, by name
        self._book = book  # the evaluator's
        self._records = records  # of COOLDOWN_KIND
        self._unreachable = unreachable  # see the class
        self._timing = timing  # UTC ms, and the clock of the book
        self._unwritten: dict[str, str] = {}  # content by id
        self._arrived = asyncio.Event()  # set by each of them

    def take(self, firing: Firing) -> None:
        """Keep that a rule of the file was raised, soon; a sink."""
        owned = None if firing.owner or firing.is_test else self._rules.get(firing.rule_id)
        if owned is not None:
            side = str(firing.facts.get("side", ""))
            row = RaisedLast(firing.rule_id, firing.symbol, side, owned.digest, firing.time_ms)
            what = "\0".join((row.rule, row.symbol, row.side))
            self._unwritten[sha256(what.encode()).hexdigest()[:32]] = msgspec.json.encode(row).decode()
            self._arrived.set()

    async def run(self) -> None:
        """Resume, and then keep, until cancelled."""
        try:
            await self._resume()
        except self._unreachable as error:
            _log.debug("alert_cooldowns_not_read", reason=str(error))
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                await self.keep()
            except self._unreachable as error:
                _log.debug("alert_cooldowns_not_kept", reason=str(error))
            raise_swallowed_cancellation()
            await asyncio.sleep(TOGETHER_S)

    async def keep(self) -> None:
        """Keep what began so far; what could not be kept is, the next time."""
        begun, self._unwritten = self._unwritten, {}
        try:
            await self._records.put_all([(_OWNER, key, content) for key, content in begun.items()])
        except BaseException:
            self._unwritten = begun | self._unwritten
            self._arrived.set()
            raise

    async def _resume(self) -> None:
        """Go on with the cooldowns that are not over, and forget the others; a changed rule begins anew."""
        kept = await self._records.of_owner(_OWNER)
        left = {key: content for key, content in kept.items() if self._goes_on(_raised_last(content))}
        if len(left) < len(kept):
            await self._records.clear(_OWNER)
            await self._records.put_all([(_OWNER, key, content) for key, content in left.items()])

    def _goes_on(self, row: RaisedLast | None) -> bool:
        owned = None if row is None else self._rules.get(row.rule)
        if row is None or owned is None or row.digest != owned.digest:
            return False
        until_s = owned.cooldown_until_s(row.time_ms, self._timing)
        self._book.silence(owned.key, row.symbol, row.side, until_s)
        return until_s > self._timing.clock_s()


def _raised_last(content: str) -> RaisedLast | None:
    """A record; None for text that is none of ours."""
    try:
        return msgspec.json.decode(content, type=RaisedLast)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
