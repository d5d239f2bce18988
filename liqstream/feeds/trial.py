"""Trials: a side or a unit that no document settles is believed once a second source agrees with it.

Until then the records it concerns are held back. A Question names its readings, the documented one first.
The reading that agrees with the second source over 20 events, or over those of 24 h, is used from then on,
and what was held is delivered in it; where none agrees the channel stays off, and is tried anew a day later.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from liqstream.market import DAY_MS, MarketEvent
from liqstream.market.record_bounds import unsound

ENOUGH = 20
"""Events that were compared before a verdict."""
LONG_ENOUGH_MS = DAY_MS
"""After so long fewer events are enough, and an exchange that agreed with nothing is asked anew."""
AGREEING = 0.9
"""Share of the events that a reading must agree with: one of them may have been damaged."""
ROUNDS, OFF_AFTER_MS = 3, 600_000
"""It is off once nothing has agreed in so many rounds of ENOUGH events, and for so long: a second source that
is wrong for a while turns nothing off."""
MOST_HELD = 20_000

OFF = ""
"""The verdict where no reading agrees."""

R = TypeVar("R", bound=MarketEvent)


@dataclass(frozen=True, slots=True)
class Question:
    """What no document settles: `about` it in words, the `kind` of records it concerns, on the sockets
    (`live`) and in the past, its `readings`, the documented one first, and the `second_source` in words."""

    about: str
    kind: str
    readings: tuple[str, ...]
    second_source: str
    live: bool = True
    past: bool = False


@dataclass(slots=True, eq=False)
class Held(Generic[R]):
    """A record in each of the readings, held back; `open` until it has been compared."""

    readings: Mapping[str, R]
    open: bool = True

    @property
    def record(self) -> R:
        """In the documented reading."""
        return next(iter(self.readings.values()))


@dataclass(slots=True)
class Trial(Generic[R]):
    """One question of one exchange. `verdict` is the reading in use, OFF, or None while it is open."""

    question: Question
    verdict: str | None = None
    since_ms: int | None = None
    """When the comparison began, UTC."""
    decided_ms: int | None = None
    rounds: int = 0
    """Of ENOUGH events with which no reading agreed."""
    compared: int = 0
    """Events of the present round."""
    agreed: Counter[str] = field(default_factory=Counter)
    not_found: int = 0
    """Events the second source should have had when it was asked last, and had not."""
    has_changed: bool = False
    """Since it was last written down; whoever writes it resets it."""
    _held: deque[Held[R]] = field(default_factory=lambda: deque(maxlen=MOST_HELD))

    @property
    def is_open(self) -> bool:
        """Whether records are held back."""
        return self.verdict is None

    def take(self, readings: Mapping[str, R]) -> list[R]:
        """A record in each reading; it as it is to be used, nothing while it is held or off.

        What no market can have sent in any reading goes on at once: it is the guard's to refuse.
        """
        if all(unsound(each) for each in readings.values()):
            return list(readings.values())[:1]
        if self.verdict is None:
            self._held.append(Held(readings))
            return []
        return [readings[self.verdict]] if self.verdict in readings else []

    def pending(self, symbols: Collection[str]) -> list[Held[R]]:
        """What is held of these symbols and was not compared yet."""
        return [each for each in self._held if each.open and each.record.symbol in symbols]

    def judge(self, items: Iterable[Held[R]], agreeing: Collection[str]) -> None:
        """These were compared: the second source agrees with `agreeing` of the readings."""
        count = 0
        for item in items:
            item.open = False
            count += 1
        self.note(count, agreeing)

    def note(self, count: int, agreeing: Collection[str]) -> None:
        """So many events were compared. Events that agree with every reading tell nothing."""
        if self.verdict is not None or not count or len(agreeing) == len(self.question.readings):
            return
        self.compared += count
        for reading in agreeing:
            self.agreed[reading] += count
        self.has_changed = True

    def drop(self, items: Iterable[Held[R]]) -> None:
        """These cannot be compared any more; they stay held."""
        for item in items:
            item.open = False

    def settle(self, now_ms: int) -> list[R]:
        """Judge by what was compared; what was held, in the reading that is used from now on. UTC ms."""
        if self.verdict is not None:
            if self.verdict == OFF and _is_over(self.decided_ms or 0, now_ms):
                self._begin_anew()
            return []
        if self.since_ms is None:
            self.since_ms, self.has_changed = now_ms, True
        is_late = _is_over(self.since_ms, now_ms)
        if self.compared < (1 if is_late else ENOUGH):
            return []
        found = [name for name in self.question.readings if self.agreed[name] >= AGREEING * self.compared]
        if not found and not is_late:
            self.rounds, self.compared = self.rounds + 1, 0
            self.agreed.clear()
            if self.rounds < ROUNDS or now_ms - self.since_ms < OFF_AFTER_MS:
                return []
        self.verdict = found[0] if found else OFF
        self.decided_ms, self.has_changed = now_ms, True
        held = [each.readings[self.verdict] for each in self._held if self.verdict in each.readings]
        self._held.clear()
        return held

    def _begin_anew(self) -> None:
        self.verdict = self.since_ms = self.decided_ms = None
        self.compared, self.rounds, self.has_changed = 0, 0, True
        self.agreed.clear()

    @property
    def sentence(self) -> str:
        """How it stands, for users."""
        about, source = self.question.about, self.question.second_source
        if self.verdict is None:
            missing = f", {self.not_found} not found there" if self.not_found else ""
            failed = ", with none of those before" if self.rounds else ""
            so_far = f"{self.compared} of {ENOUGH} compared{failed}{missing}"
            return f"{about}: held back until {source} agrees, {so_far}"
        if self.verdict == OFF:
            return f"{about}: off, {source} agrees with no reading of it"
        return f"{about}: {self.verdict}, as {source} agrees"

    def to_document(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "verdict": self.verdict,
            "compared": self.compared,
            "rounds": self.rounds,
            "agreed": dict(self.agreed),
            "since_ms": self.since_ms,
            "decided_ms": self.decided_ms,
        }

    def recall(self, document: Mapping[str, Any]) -> None:
        """Go on from what was written down. What is not of its form is left out."""
        verdict = document.get("verdict")
        if verdict is not None and verdict not in (*self.question.readings, OFF):
            return
        times = [document.get(name) for name in ("since_ms", "decided_ms")]
        compared, agreed = document.get("compared"), document.get("agreed")
        if not isinstance(compared, int) or not isinstance(agreed, dict):
            return
        self.since_ms, self.decided_ms = (at if isinstance(at, int) else None for at in times)
        self.verdict, self.compared = verdict, compared
        rounds = document.get("rounds")
        self.rounds = rounds if isinstance(rounds, int) else 0
        self.agreed = Counter({k: v for k, v in agreed.items() if isinstance(v, int)})


def _is_over(since_ms: int, now_ms: int) -> bool:
    """Whether a day has passed; a beginning that is far ahead is of a clock that was wrong."""
    return abs(now_ms - since_ms) >= LONG_ENOUGH_MS
