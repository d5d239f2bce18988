"""A device as its browser names it."""

from __future__ import annotations

import msgspec
import pytest

from liqstream.alerts.push_device import Subscription
from tests.support.push_host import Device


def test_what_a_browser_sends_is_read_and_what_nobody_needs_is_left_out() -> None:
    sent = Device().subscription("https://fcm.googleapis.com")
    assert "expirationTime" in sent
    subscription = msgspec.convert(sent, Subscription)
    assert msgspec.to_builtins(subscription) == {name: sent[name] for name in ("endpoint", "keys")}


@pytest.mark.parametrize("body", [b"{}", b'{"endpoint": 1, "keys": {}}', b'{"endpoint": "x"}', b"[]"])
def test_anything_else_is_no_subscription(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Subscription)


def test_an_id_tells_nobody_the_endpoint() -> None:
    first, second = (
        msgspec.convert(Device().subscription("https://fcm.googleapis.com"), Subscription) for _ in range(2)
    )
    assert len(first.id) == 32
    assert first.id not in first.endpoint
    assert first.id != second.id
