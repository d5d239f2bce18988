"""Two things at once: a private server that only fans out, and a flood, or a producer with a rate."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from liqstream.admission.tokens import new_token, token_line
from tests.faults.catalogue import Outcome, UnexpectedError, fault
from tests.faults.movers import SYMBOL
from tests.faults.processes import Node
from tests.faults.stack import COLLECTING, Stack

HISTORY = f"/api/heatmap/{SYMBOL}/history?window=12h"
KLINES = f"/prices/klines?symbol={SYMBOL}"
STRANGERS = 300
ASKED = 150
PRODUCER_RATE_PER_S = 2
PRODUCER_BURST = 20


@asynccontextmanager
async def private_fan_out(stack: Stack) -> AsyncIterator[tuple[Node, str]]:
    """A server that only fans out the fleet's stream and asks a producer of its own; both want a token."""
    token, folder = new_token(), stack.folder / "private"
    folder.mkdir(exist_ok=True)
    (folder / "tokens").write_text(token_line("bot", token))
    shared = {**stack.nodes["one"].env, "LIQSTREAM_TOKENS_FILE": str(folder / "tokens")}
    rate = {
        "LIQSTREAM_REST_RATE": str(PRODUCER_RATE_PER_S),
        "LIQSTREAM_REST_BURST": str(PRODUCER_BURST),
        "REDIS_ENABLED": "false",
    }
    producer = Node("producer", folder, shared | rate)
    role = {"LIQSTREAM_ROLE": "fanout", "LIQSTREAM_HISTORY_URL": producer.url}
    guard = Node("guard", folder, shared | role)
    try:
        await asyncio.gather(producer.start(), guard.start())
        own = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "192.0.2.200"}
        async with aiohttp.ClientSession(guard.url) as session:

            async def has_bars() -> bool:
                return await _status(session, KLINES, own) == 200

            await stack.until_async(has_bars, "bars of the producer", 30)
        yield guard, token
    finally:
        await asyncio.gather(producer.stop(), guard.stop())


async def _status(session: aiohttp.ClientSession, path: str, headers: Mapping[str, str]) -> int:
    async with session.get(path, headers=headers) as answer:
        await answer.read()
        return answer.status


@fault(
    "private-fan-flood", "pair", "tokens, fan-out and a flood without tokens: whoever has one notices nothing"
)
async def private_fan_flood(stack: Stack) -> Outcome:
    async with (
        private_fan_out(stack) as (guard, token),
        aiohttp.ClientSession(guard.url, connector=aiohttp.TCPConnector(limit=0)) as session,
        AsyncExitStack() as sockets,
    ):
        page, bearer = {"Origin": guard.url}, {"Authorization": f"Bearer {token}"}

        async def stranger(number: int) -> int:
            if number % 2:
                return await _status(session, KLINES, {"Authorization": "Bearer liq_wrong"})
            try:
                await sockets.enter_async_context(session.ws_connect("/ws/heatmap", headers=page))
            except aiohttp.WSServerHandshakeError as error:
                return error.status
            return 101

        async def guest() -> int:
            async with session.ws_connect("/ws/heatmap", headers=bearer) as ws:
                await ws.send_json({"action": "subscribe", "symbols": [SYMBOL]})
                kind = (await ws.receive_json(timeout=10))["type"]
            return 200 if kind == "snapshot" else 0

        flood = asyncio.gather(*(stranger(number) for number in range(STRANGERS)))
        guests = await asyncio.gather(*(guest() for _ in range(40)))
        rest = [await _status(session, HISTORY, bearer) for _ in range(3)]
        told = Counter(await flood)
    if set(guests) | set(rest) != {200}:
        raise UnexpectedError(f"with a token: {Counter(guests)} by the socket, {rest} by REST")
    if not set(told) <= {101, 401, 429, 503}:
        raise UnexpectedError(f"without one: {told}")
    return Outcome(f"40 of 40 with a token; without: {dict(told)}", untouched=COLLECTING)


@fault("fan-rate", "pair", "fan-out and the producer's rate: who asks too often waits, others do not")
async def fan_rate(stack: Stack) -> Outcome:
    async with (
        private_fan_out(stack) as (guard, token),
        aiohttp.ClientSession(guard.url, connector=aiohttp.TCPConnector(limit=0)) as session,
    ):

        def of(address: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}

        greedy = Counter(
            await asyncio.gather(*(_status(session, KLINES, of("192.0.2.1")) for _ in range(ASKED)))
        )
        modest = [await _status(session, KLINES, of(f"192.0.2.{host}")) for host in range(2, 12)]
    if set(greedy) != {200, 429}:
        raise UnexpectedError(f"who asks {ASKED} times at once is told {greedy}")
    if set(modest) != {200}:
        raise UnexpectedError(f"others behind the same server are told {modest}")
    return Outcome(f"{greedy[429]} of {ASKED} had to wait, nobody else", untouched=COLLECTING)
