"""Which topics are refused, when they are asked for again, and when they have been taken."""

from __future__ import annotations

import itertools
import random

import pytest

from liqstream.feeds.refusals import Refusal, RefusalKind
from liqstream.feeds.refused_topics import ANSWER_S, RefusedTopics
from liqstream.feeds.schedule import Schedule
from liqstream.feeds.venue import Topic
from liqstream.supervision.backoff import CAP_S, FullJitter

TOPICS = [Topic(f"candle/{number}", f"C{number}USDT", ("bars",)) for number in range(12)]
ITEM = Refusal(RefusalKind.ITEM, "no such channel")


def refused_topics(every_s: float = 2.0) -> RefusedTopics:
    return RefusedTopics(lambda: Schedule(FullJitter(random=random.Random(1))), every_s)


def asked_within(topics: RefusedTopics, first: list[Topic], for_s: int) -> list[tuple[int, list[str]]]:
    """Each second's questions, where every one of `first` is refused at once and for ever."""
    topics.refuse(first, ITEM, 0.0)
    found = []
    for now_s in range(for_s):
        if due := topics.take_due(float(now_s)):
            found.append((now_s, [topic.name for topic in due]))
            for topic in due:
                topics.refuse([topic], ITEM, float(now_s))
        assert topics.take_settled(float(now_s), is_sending=False) == []
    return found


def test_a_topic_is_asked_for_again_by_the_one_schedule_for_ever() -> None:
    """Soon at first, and within half a minute after a day."""
    moments = [at for at, _ in asked_within(refused_topics(), TOPICS[:1], 86_400)]
    assert moments[0] <= 3
    waits = [later - at for at, later in itertools.pairwise(moments)]
    assert max(waits) <= CAP_S + 1
    assert min(waits) >= 2


def test_many_refused_topics_stay_within_the_exchanges_limit() -> None:
    """OKX takes 480 subscriptions an hour: twelve that it will never have leave it room."""
    asked = asked_within(refused_topics(every_s=10.0), TOPICS, 3600)
    assert 12 <= sum(len(names) for _, names in asked) <= 360 + 12
    assert {name for _, names in asked for name in names} == {topic.name for topic in TOPICS}


def test_a_stated_pause_is_kept() -> None:
    """Not a moment sooner."""
    topics = refused_topics()
    wait_s = topics.refuse(TOPICS[:1], Refusal(RefusalKind.PASSING, "too many", 60.0), 0.0)
    assert wait_s == 60.0
    assert topics.take_due(59.9) == []
    assert topics.take_due(60.0) == TOPICS[:1]


def test_what_is_not_refused_again_has_been_taken() -> None:
    """Only once an answer would have come: not while messages still wait to be sent."""
    topics = refused_topics()
    topics.begin(TOPICS[:2], 0.0)
    topics.refuse(TOPICS[:1], ITEM, 0.1)
    assert topics.take_settled(ANSWER_S + 0.1, is_sending=True) == []
    assert topics.take_settled(2 * ANSWER_S, is_sending=False) == []
    assert topics.take_settled(2 * ANSWER_S + 0.2, is_sending=False) == TOPICS[1:2]
    (due,) = topics.take_due(100.0)
    assert topics.take_settled(100.0 + ANSWER_S - 0.1, is_sending=False) == []
    assert topics.take_settled(100.0 + ANSWER_S, is_sending=False) == [due]
    assert topics.take_settled(200.0, is_sending=False) == topics.take_due(200.0) == []


def test_a_new_connection_begins_anew_with_its_own_topics() -> None:
    """It asks for all of them; what is refused there again waits as long as it would have."""
    topics = refused_topics()
    for now_s in range(10):
        topics.refuse(TOPICS[:2], ITEM, float(now_s))
    topics.begin(TOPICS[1:3], 10.0)
    assert topics.take_due(1000.0) == []
    waits = [topics.refuse(TOPICS[1:2], ITEM, 11.0) for _ in range(30)]
    assert max(waits) > 10.0
    assert topics.take_settled(20.0, is_sending=False) == TOPICS[2:3]


@pytest.mark.parametrize("count", [1, 5])
def test_the_null_case_of_no_refusal(count: int) -> None:
    """Everything asked for is taken once."""
    topics = refused_topics()
    topics.begin(TOPICS[:count], 0.0)
    assert topics.take_settled(ANSWER_S, is_sending=False) == TOPICS[:count]
    assert topics.take_settled(2 * ANSWER_S, is_sending=False) == []
