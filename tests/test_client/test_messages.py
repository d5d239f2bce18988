"""Messages of protocol 2, parsed and checked as they come in."""

from __future__ import annotations

import json

import pytest

from liqstream.client.errors import OldServerError
from liqstream.client.messages import (
    ErrorMessage,
    HeartbeatMessage,
    NotUnderstoodError,
    StreamPosition,
    WarningMessage,
    decode,
)


def test_each_kind_has_its_type() -> None:
    """Unknown keys are passed over: servers may send more."""
    at = {"epoch": 1, "seq": 2}
    heartbeat = decode(json.dumps({"type": "heartbeat", "symbols": {"A1": at}, "more": 1}))
    assert heartbeat == HeartbeatMessage(symbols={"A1": StreamPosition(1, 2)})
    assert decode('{"type":"error","code":"X","id":"a"}') == ErrorMessage("X", id="a")
    warning = {"type": "warning", "code": "SLOW_CONSUMER", "dropped_by_symbol": {"A1": 3}}
    assert decode(json.dumps(warning)) == WarningMessage("SLOW_CONSUMER", dropped_by_symbol={"A1": 3})


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"type":"later"}', '{"type":"snapshot"}', '{"type":"error","code":7}', '{"a":']
)
def test_anything_else_is_not_understood(text: str) -> None:
    """A wrong type in a known message, too."""
    with pytest.raises(NotUnderstoodError):
        decode(text)


def test_a_snapshot_of_the_first_protocol_is_recognised() -> None:
    """It ends the client with one line instead of passing for silence."""
    with pytest.raises(OldServerError, match="needs protocol 2"):
        decode('{"type":"snapshot","symbol":"A1","data":{"levels":[]}}')
