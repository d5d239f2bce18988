"""A refused topic costs itself alone: what was asked for with it is asked for again."""

from __future__ import annotations

import orjson
import pytest

from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.parsing import SubscriptionRefusal
from liqstream.feeds.subscriptions import Subscriptions
from liqstream.feeds.venue import Topic, Venue

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
STEP_MS = 300_000


def asked_of(venue: Venue) -> tuple[Subscriptions, list[Topic], list[dict[str, object]]]:
    """Subscriptions to everything of four symbols, and the messages they make."""
    subscriptions, topics = Subscriptions(venue), venue.topics(SYMBOLS, STEP_MS)
    subscriptions.ask(topics)
    return subscriptions, topics, drained(subscriptions)


def drained(subscriptions: Subscriptions) -> list[dict[str, object]]:
    messages = []
    while (text := subscriptions.next_message()) is not None:
        messages.append(orjson.loads(text))
    return messages


def test_a_named_topic_is_taken_out() -> None:
    """Bybit refuses a message as a whole: the other nine topics are asked for again, and nothing else."""
    subscriptions, topics, messages = asked_of(Bybit())
    assert [len(message["args"]) for message in messages] == [10, 2]  # type: ignore[arg-type]
    refusal = SubscriptionRefusal("10001", "error:handler not found,topic:tickers.ETHUSDT", "s1")
    assert [topic.name for topic in subscriptions.refused(refusal)] == ["tickers.ETHUSDT"]
    (again,) = drained(subscriptions)
    assert again["args"] == [topic.name for topic in topics[:10] if topic.name != "tickers.ETHUSDT"]


@pytest.mark.parametrize("request_id", ["s1", ""])
def test_a_refusal_that_names_none_has_each_asked_alone(request_id: str) -> None:
    """With or without the id of the message; the topic that is refused then is the one."""
    subscriptions, _, messages = asked_of(Bybit())
    assert subscriptions.refused(SubscriptionRefusal("10001", "error", request_id)) == []
    alone = drained(subscriptions)
    count = 10 if request_id else 12
    assert len(messages) == 2
    assert [len(message["args"]) for message in alone] == [1] * count  # type: ignore[arg-type]
    number = str(alone[4]["req_id"])
    refused = subscriptions.refused(SubscriptionRefusal("10001", "error", number))
    assert [topic.name for topic in refused] == alone[4]["args"]
    assert drained(subscriptions) == []


def test_a_name_inside_another_is_not_meant() -> None:
    """Only the whole word is."""
    venue = Bybit()
    topics = venue.topics(("BTCUSDT", "1000BTCUSDT"), STEP_MS)
    subscriptions = Subscriptions(venue)
    subscriptions.ask(topics)
    drained(subscriptions)
    refusal = SubscriptionRefusal("10001", "no topic:tickers.BTCUSDT.", "s1")
    assert [topic.name for topic in subscriptions.refused(refusal)] == ["tickers.BTCUSDT"]


def test_okx_names_channel_and_contract() -> None:
    """Both have to be those of the topic."""
    subscriptions, _, _ = asked_of(Okx())
    text = "Wrong URL or channel:mark-price,instId:ETH-USDT-SWAP doesn't exist."
    refused = subscriptions.refused(SubscriptionRefusal("60018", text, "s1"))
    assert [(topic.symbol, topic.kinds) for topic in refused] == [("ETHUSDT", ("marks",))]


def test_hyperliquid_repeats_the_subscription() -> None:
    """Its answers carry no id."""
    subscriptions, _, messages = asked_of(Hyperliquid())
    assert len(messages) == 8
    text = 'Invalid subscription {"type":"candle","coin":"ETH","interval":"5m"}'
    refused = subscriptions.refused(SubscriptionRefusal("invalid", text))
    assert [topic.name for topic in refused] == ["candle/ETH/5m"]
    assert drained(subscriptions) == []
