"""What one connection has subscribed to: a refused topic is taken out, and the rest is asked for again."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from liqstream.feeds.parsing import SubscriptionRefusal
from liqstream.feeds.venue import Topic, Venue


@dataclass(slots=True)
class Subscriptions:
    """The messages of one connection to `venue`, and what their refusals mean for its topics."""

    venue: Venue
    _waiting: deque[tuple[Topic, ...]] = field(default_factory=deque)
    _asked: dict[str, tuple[Topic, ...]] = field(default_factory=dict)
    _number: int = 0

    def ask(self, topics: Sequence[Topic]) -> None:
        """Topics to subscribe to, as many to a message as the exchange takes."""
        size = self.venue.topics_per_message
        self._waiting.extend(tuple(topics[at : at + size]) for at in range(0, len(topics), size))

    @property
    def has_waiting(self) -> bool:
        """Whether some message is still to be sent."""
        return bool(self._waiting)

    def next_message(self) -> str | None:
        """The next text to send; None if nothing waits."""
        if not self._waiting:
            return None
        topics = self._waiting.popleft()
        self._number += 1
        request_id = f"s{self._number}"
        self._asked[request_id] = topics
        return self.venue.subscription(topics, request_id)

    def refused(self, refusal: SubscriptionRefusal) -> list[Topic]:
        """The topics that a refusal means; what was refused with them waits to be asked for again.

        A refusal that names none of several topics has each of them asked for alone.
        """
        if refusal.request_id in self._asked:
            suspects = {refusal.request_id: self._asked[refusal.request_id]}
        else:
            suspects = dict(self._asked)
        named = [topic for topics in suspects.values() for topic in topics if _is_named(topic, refusal.text)]
        if named:
            self._take_out(suspects, named)
            return named
        alone = [topics[0] for topics in suspects.values() if len(topics) == 1]
        if len(suspects) == 1 and alone:
            self._asked = {number: topics for number, topics in self._asked.items() if number not in suspects}
            return alone
        for number, topics in suspects.items():
            if len(topics) > 1:
                del self._asked[number]
                self._waiting.extend((topic,) for topic in topics)
        return []

    def _take_out(self, suspects: dict[str, tuple[Topic, ...]], named: list[Topic]) -> None:
        for number, topics in suspects.items():
            if any(topic in named for topic in topics):
                del self._asked[number]
                if rest := tuple(topic for topic in topics if topic not in named):
                    self._waiting.append(rest)


def _is_named(topic: Topic, text: str) -> bool:
    return bool(topic.words) and all(
        re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-]|\.\w)", text) for word in topic.words
    )
