"""What each message does to the subscriptions: acks, errors, warnings and positions."""

from __future__ import annotations

from typing import Any, cast

import pytest

from liqstream.client.connection import Connection
from liqstream.client.errors import ClientError
from liqstream.client.messages import ErrorMessage, WarningMessage
from liqstream.client.subscription import Subscription
from liqstream.client.subscriptions import Subscriptions


class Sink:
    """Stands where a connection is: keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


async def subscribed(*symbols: str, **options: Any) -> tuple[Subscriptions, Subscription, Connection]:
    subscriptions = Subscriptions(on_warning=options.get("on_warning"))
    subscription = Subscription(symbols, 1, keep=1, on_close=subscriptions.remove)
    subscriptions.add(subscription)
    connection = cast(Connection, Sink())
    await subscriptions.begin(connection)
    return subscriptions, subscription, connection


async def test_an_error_that_names_no_request_is_raised_out_of_all_without_an_ack() -> None:
    """Or a subscription the server refused would wait for ever."""
    subscriptions, subscription, connection = await subscribed("BTCUSDT")
    await subscriptions.take(connection, ErrorMessage(code="INVALID_MESSAGE", message="too many"))
    with pytest.raises(ClientError, match="does not understand the request: too many"):
        await anext(subscription)


async def test_warnings_are_handed_on() -> None:
    """A listener that fails stops nothing."""
    heard: list[str] = []

    def on_warning(code: str, message: str) -> None:
        heard.append(f"{code} {message}")
        raise RuntimeError

    subscriptions, _, connection = await subscribed("BTCUSDT", on_warning=on_warning)
    await subscriptions.take(connection, WarningMessage(code="NO_DATA_YET", message="no map yet"))
    await subscriptions.take(
        connection, WarningMessage(code="SLOW_CONSUMER", dropped_messages=3, dropped_by_symbol={"X": 3})
    )
    assert heard == ["NO_DATA_YET no map yet", "SLOW_CONSUMER "]
    assert subscriptions.dropped == 3
