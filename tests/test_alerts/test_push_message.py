"""What a device is shown."""

from __future__ import annotations

import json

import pytest

from liqstream.alerts.firing import Firing
from liqstream.alerts.push_encryption import MAX_TEXT_BYTES
from liqstream.alerts.push_message import message_of

TEXT = "BTCUSDT: 12.9M USD of longs at 106,600"
FIRING = Firing("r1", "a" * 64, "BTCUSDT", "cluster", TEXT, 1_700_000_000_000)


def changed(**values: object) -> Firing:
    return Firing(**{name: getattr(FIRING, name) for name in Firing.__slots__} | values)


def test_a_notification_names_the_market_and_what_happened_and_opens_its_map() -> None:
    content = json.loads(message_of(FIRING).text)
    assert content["title"] == "BTCUSDT"
    assert content["body"] == "12.9M USD of longs at 106,600"
    assert content["url"] == "?symbol=BTCUSDT"
    assert content["time_ms"] == FIRING.time_ms


@pytest.mark.parametrize(
    ("firing", "title"),
    [
        (changed(is_test=True), "[TEST] BTCUSDT"),
        (changed(source="simulated"), "[SIMULATED] BTCUSDT"),
        (changed(text="no name in front: none"), "BTCUSDT"),
    ],
)
def test_what_is_not_live_is_named_so(firing: Firing, title: str) -> None:
    content = json.loads(message_of(firing).text)
    assert content["title"] == title
    assert content["body"] in (firing.text, FIRING.text.partition(": ")[2])


def test_push_services_are_asked_to_deliver_at_once_and_to_replace_what_is_older() -> None:
    headers = message_of(FIRING).headers
    assert headers["Urgency"] == "high"
    assert headers["TTL"] == "3600"
    assert headers["Content-Encoding"] == "aes128gcm"
    topics = [
        message_of(each).headers["Topic"]
        for each in (
            FIRING,
            changed(text="BTCUSDT: later"),
            changed(symbol="ETHUSDT"),
            changed(rule_id="r2"),
            changed(owner="b" * 64),
        )
    ]
    assert topics[0] == topics[1]
    assert len(set(topics)) == 4
    assert all(len(topic) <= 32 and topic.isalnum() for topic in topics)


def test_no_sentence_is_too_long_for_a_message() -> None:
    firing = changed(symbol="币" * 40, text="🚀" * 10_000)
    text = message_of(firing).text
    assert len(text) <= MAX_TEXT_BYTES
    assert json.loads(text)["url"].isascii()
