"""A client's messages are parsed strictly; none of them breaks the parser."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.wire.messages import (
    BadMessageError,
    Ping,
    Resync,
    Subscribe,
    Unsubscribe,
    parse_request,
    shown,
    slow_consumer_message,
)


def test_requests_are_read() -> None:
    """Each action with all it may carry; unknown keys are ignored."""
    message = '{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":2.5,"proto":2,"x":1,"id":"a"}'
    subscribe = parse_request(message)
    assert isinstance(subscribe, Subscribe)
    assert (subscribe.symbols, subscribe.update_interval, subscribe.proto) == (["BTCUSDT"], 2.5, 2)
    resume = parse_request('{"action":"subscribe","symbols":["A1"],"resume":{"A1":{"epoch":3,"seq":4}}}')
    assert isinstance(resume, Subscribe)
    assert (resume.resume["A1"].epoch, resume.resume["A1"].seq) == (3, 4)
    assert parse_request('{"action":"unsubscribe","symbols":["A1"],"id":1}') == Unsubscribe(["A1"], 1)
    assert parse_request('{"action":"ping"}') == Ping()
    assert parse_request('{"action":"resync"}') == Resync()


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never another exception."""
    with pytest.raises(BadMessageError):
        parse_request(text)


_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.fixed_dictionaries(
        {"action": st.sampled_from(["subscribe", "unsubscribe", "ping", "resync", "", None])},
        optional=dict.fromkeys(("symbols", "update_interval", "proto", "delta", "id", "resume"), _values),
    )
)
def test_any_object_is_read_or_refused(message: dict[str, object]) -> None:
    """Wrong types in any field are answered, not raised."""
    refused: BadMessageError | None = None
    try:
        parse_request(json.dumps(message))
    except BadMessageError as error:
        refused = error
    assert refused is None or refused.code in ("INVALID_ACTION", "INVALID_MESSAGE")
    assert refused is None or len(refused.message) < 300


def test_deep_nesting_is_refused() -> None:
    """As deep as 4 KiB can nest."""
    with pytest.raises(BadMessageError, match="not valid JSON"):
        parse_request("[" * 4000)


def test_a_clients_text_is_repeated_short_and_escaped() -> None:
    """No control character, no direction mark, no page of text comes back."""
    assert shown("a\nb\u202e") == r"'a\nb\u202e'"
    assert len(shown("x" * 4000)) < 60


def test_the_warning_has_the_drops_of_each_symbol() -> None:
    """The sum for everyone, by symbol for exact accounts."""
    message = json.loads(slow_consumer_message({"BTCUSDT": 2, "ETHUSDT": 1}))
    assert (message["dropped_messages"], message["dropped_by_symbol"]) == (3, {"BTCUSDT": 2, "ETHUSDT": 1})
