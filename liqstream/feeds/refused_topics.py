"""Which topics an exchange refuses, and when each is asked for again: by the one schedule, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from liqstream.feeds.refusals import Refusal
from liqstream.feeds.schedule import MakeSchedule, Schedule
from liqstream.feeds.venue import Topic
from liqstream.supervision.clock import Clock

ANSWER_S = 5.0
"""A topic that is not refused so long after it was asked for has been taken."""
LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class RefusedTopics:
    """What became of the topics of one socket, over its connections.

    All that is refused is asked for no more often than one topic every `every_s`. Times in s are of the
    feed's clock.
    """

    make_schedule: MakeSchedule
    every_s: float
    # Topics that were asked for and may still be refused, by name, with when that was.
    _asked: dict[str, tuple[Topic, float]] = field(default_factory=dict)
    # Topics that are refused, by name, with when each is asked for again.
    _refused: dict[str, tuple[Topic, float]] = field(default_factory=dict)
    # Of each topic that was refused and has not been taken since.
    _schedules: dict[str, Schedule] = field(default_factory=dict)
    # Set while there is anything in the first two.
    _is_open: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, topics: Sequence[Topic], now_s: float) -> None:
        """A new connection asks for these topics, and for no others."""
        self._asked = {topic.name: (topic, now_s) for topic in topics}
        self._refused = {}
        self._schedules = {name: each for name, each in self._schedules.items() if name in self._asked}
        self._is_open.set()

    def refuse(self, topics: Collection[Topic], refusal: Refusal, now_s: float) -> float:
        """These topics are refused: the wait in s until they are asked for again."""
        for topic in topics:
            self._asked.pop(topic.name, None)
            self._refused[topic.name] = (topic, now_s)
        schedules = [self._schedules.setdefault(each.name, self.make_schedule()) for each in topics]
        waits = [schedule.next_s(refusal) for schedule in schedules]
        wait_s = max(*waits, self.every_s * len(self._refused))
        self._refused.update({topic.name: (topic, now_s + wait_s) for topic in topics})
        self._is_open.set()
        return wait_s

    def take_due(self, now_s: float) -> list[Topic]:
        """The topics that are to be asked for now."""
        due = [topic for topic, due_s in self._refused.values() if due_s <= now_s]
        for topic in due:
            del self._refused[topic.name]
            self._asked[topic.name] = (topic, now_s)
        return due

    def take_settled(self, now_s: float, *, is_sending: bool) -> list[Topic]:
        """The topics that were asked for and are not refused, each once; none while some `is_sending`."""
        if is_sending:
            self._asked = {name: (topic, now_s) for name, (topic, _) in self._asked.items()}
        settled = [topic for topic, asked_s in self._asked.values() if now_s - asked_s >= ANSWER_S]
        for topic in settled:
            del self._asked[topic.name]
            self._schedules.pop(topic.name, None)
        if not (self._asked or self._refused):
            self._is_open.clear()
        return settled

    async def wait(self, clock: Clock) -> None:
        """Until some topic may be due or settled."""
        await self._is_open.wait()
        await clock.sleep(LOOK_EVERY_S)
