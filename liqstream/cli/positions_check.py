"""Whether positions can be measured from here: one account is read, one message of trades is waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import aiohttp

from liqstream.cli.doctor_checks import Check
from liqstream.client.url_mask import masked
from liqstream.feeds.http_session import make_session
from liqstream.ingest.feed_factory import MEASURED_EXCHANGE, exchange_endpoints
from liqstream.positions.account_state import read_account_state
from liqstream.positions.info_client import InfoClient, RefusedForGoodError, UnansweredError
from liqstream.positions.messages import HLP, read_trades
from liqstream.positions.stored_state import coin_of
from liqstream.positions.trade_socket import TradeSocket
from liqstream.settings.table import Settings

TRADES_WITHIN_S = 30.0
ACCOUNT, TRADES = "positions: an account", "positions: trades"
_NETWORK = "check network, proxy and firewall, or unset LIQSTREAM_POSITIONS"


async def positions_checks(settings: Settings, wait_s: float = TRADES_WITHIN_S) -> list[Check]:
    """Both checks, where positions are measured from an exchange; trades are waited for so long."""
    if not settings.positions or not settings.exchanges:
        return []
    async with make_session() as session:
        return [await _account(settings, session), await _trades(settings, session, wait_s)]


async def _account(settings: Settings, session: aiohttp.ClientSession) -> Check:
    url = settings.positions_url or exchange_endpoints(settings, MEASURED_EXCHANGE).rest_url
    began_s = time.monotonic()
    try:
        client = InfoClient(url, session, settings.proxy)
        state = read_account_state(await client.ask({"type": "clearinghouseState", "user": HLP}))
    except RefusedForGoodError as error:
        return Check(ACCOUNT, "fault", str(error), "it does not serve your country or network")
    except UnansweredError as error:
        return Check(ACCOUNT, "fault", masked(str(error)), _NETWORK)
    except (KeyError, TypeError, ValueError) as error:
        return Check(ACCOUNT, "fault", f"{masked(url)} answers in another form: {error}", "update liqstream")
    took_ms = (time.monotonic() - began_s) * 1000
    return Check(ACCOUNT, "ok", f"read in {took_ms:.0f} ms, {len(state.positions)} positions")


async def _trades(settings: Settings, session: aiohttp.ClientSession, wait_s: float) -> Check:
    url = exchange_endpoints(settings, MEASURED_EXCHANGE).ws_url
    first: asyncio.Future[tuple[Sequence[Any], int]] = asyncio.get_running_loop().create_future()

    def on_data(channel: str, data: Any) -> None:
        if channel == "trades" and not first.done():
            first.set_result(read_trades(data))

    coin = coin_of(settings.symbols[0])
    socket = TradeSocket(url, [coin], session, on_data, lambda _reason: None, proxy=settings.proxy)
    reading = asyncio.create_task(socket.run())
    try:
        trades, bad = await asyncio.wait_for(first, wait_s)
    except TimeoutError:
        finding = f"no trade of {coin} within {wait_s:.0f} s from {masked(url)}"
        return Check(TRADES, "fault", finding, _NETWORK)
    finally:
        reading.cancel()
        await asyncio.wait({reading})
    if bad:
        return Check(TRADES, "fault", f"{bad} trades of {coin} are in another form", "update liqstream")
    return Check(TRADES, "ok", f"{len(trades)} trades of {coin}, each with its two accounts")
