"""The socket that names accounts: trades of the followed coins, the contexts of all, some users' fills."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import orjson

from liqstream.client.url_mask import masked
from liqstream.feeds.http_session import proxy_of
from liqstream.supervision.backoff import FullJitter
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

PING_EVERY_S = 50.0
SILENT_AFTER_S = 60.0
"""The exchange ends a socket that is silent for so long; so do we."""
_CONNECT_S = 10.0
_MAX_MESSAGE_BYTES = 8 * 2**20
_LIVED_S = 30.0
"""A connection that lived so long was a success: its break is followed by a short wait."""

OnData = Callable[[str, Any], None]
"""Called with a channel and its data; "subscribed" and "unsubscribed" with the subscription that was."""


class TradeSocket:
    """Kept open by `run`. `on_data` gets what comes, `on_break` is called with the reason when messages may
    have been missed."""

    def __init__(
        self,
        url: str,
        coins: Sequence[str],
        session: aiohttp.ClientSession,
        on_data: OnData,
        on_break: Callable[[str], None],
        *,
        proxy: str = "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.is_connected = False
        self.users: tuple[str, ...] = ()
        """Whose fills are subscribed to, at every connection."""
        self._ws: aiohttp.ClientWebSocketResponse | None = None  # while connected
        self._url = f"{url.rstrip('/')}/ws"  # of the exchange's sockets
        self._coins = tuple(coins)  # whose trades are subscribed to
        self._session = session  # of whoever runs this; not closed here
        self._on_data = on_data  # see the class
        self._on_break = on_break  # see the class
        self._proxy = proxy  # "" for the environment's
        self._clock = clock  # of every wait

    async def run(self) -> None:
        """Never returns: connect, read, and connect again after every break."""
        backoff = FullJitter()
        while True:
            reason, began_s = "the exchange has closed the socket", self._clock.time_s()
            try:
                await self._read()
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                reason = masked(str(error) or type(error).__name__)
            finally:
                self.is_connected, self._ws = False, None
            self._on_break(reason)
            if self._clock.time_s() >= began_s + _LIVED_S:
                backoff.reset()
            await self._clock.sleep(backoff.next_s())

    async def follow(self, users: Sequence[str]) -> None:
        """Subscribe to the fills of these users and of no others; what could not be sent follows at the next
        connection."""
        before, self.users = self.users, tuple(users)
        if self._ws is None:
            return
        with suppress(aiohttp.ClientError, OSError):
            for user in before:
                if user not in users:
                    await self._ws.send_json({"method": "unsubscribe", "subscription": _fills_of(user)})
            for user in users:
                if user not in before:
                    await self._ws.send_json({"method": "subscribe", "subscription": _fills_of(user)})

    async def _read(self) -> None:
        async with self._clock.timeout(_CONNECT_S):
            ws = await self._session.ws_connect(
                self._url,
                proxy=proxy_of(self._url, self._proxy),
                max_msg_size=_MAX_MESSAGE_BYTES,
                autoping=True,
            )
        async with ws:
            for subscription in self._subscriptions():
                await ws.send_json({"method": "subscribe", "subscription": subscription})
            self.is_connected, self._ws = True, ws
            pinging = asyncio.create_task(self._ping(ws))
            try:
                while True:
                    async with self._clock.timeout(SILENT_AFTER_S):
                        message = await ws.receive()
                    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                        return
                    self._take(message.data)
            finally:
                pinging.cancel()
                await asyncio.wait({pinging})

    def _subscriptions(self) -> list[dict[str, str]]:
        trades = [{"type": "trades", "coin": coin} for coin in self._coins]
        return [{"type": "allDexsAssetCtxs"}, *trades, *map(_fills_of, self.users)]

    async def _ping(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._clock.sleep(PING_EVERY_S)
            await ws.send_json({"method": "ping"})

    def _take(self, text: str | bytes) -> None:
        """Hand on a message; one of another form is passed over."""
        try:
            message = orjson.loads(text)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        channel, data = message.get("channel"), message.get("data")
        if channel == "subscriptionResponse" and isinstance(data, dict):
            is_end = data.get("method") == "unsubscribe"
            self._on_data("unsubscribed" if is_end else "subscribed", data.get("subscription"))
        elif isinstance(channel, str):
            self._on_data(channel, data)


def _fills_of(user: str) -> dict[str, str]:
    return {"type": "userFills", "user": user}
