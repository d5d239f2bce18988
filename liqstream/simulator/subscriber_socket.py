"""A subscriber's socket, from handshake to end, of any exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import aiohttp
from aiohttp import web

from liqstream.simulator.app_state import STATE
from liqstream.simulator.dialect import Dialect
from liqstream.simulator.fault_effects import refused_connection
from liqstream.simulator.fault_table import CONNECTION_KINDS, SUBSCRIPTION_KINDS, FaultKind
from liqstream.simulator.publisher import Subscriber

Answer = Callable[[Subscriber, str], Awaitable[None]]
Open = Callable[[Subscriber], Awaitable[None]]


async def _nothing(_subscriber: Subscriber) -> None:
    return


async def serve_subscriber(
    request: web.Request,
    dialect: Dialect,
    carried: Sequence[str],
    answer: Answer,
    on_open: Open = _nothing,
) -> web.StreamResponse:
    """Accept a subscriber and answer its messages until it leaves; `carried` are the channels this socket can
    carry. Its handshake fails if a fault says so of one of them, or with 503 while `refuse_connects`."""
    state = request.app[STATE]
    if state.faults.refuse_connects:
        raise web.HTTPServiceUnavailable
    for channel, symbol in map(dialect.channel_of, carried):
        fault = state.table.hit(dialect.name, channel, symbol, CONNECTION_KINDS)
        if fault is not None:
            return await refused_connection(fault, request)
    ws = web.WebSocketResponse(heartbeat=None, max_msg_size=64 * 1024)
    await ws.prepare(request)
    subscriber = Subscriber(ws, request.transport, dialect, state.publisher, carried)
    subscriber.client, subscriber.sent_s = request.remote or "", state.publisher.now_s()
    state.publisher.subscribers.add(subscriber)
    try:
        await on_open(subscriber)
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                await answer(subscriber, message.data)
    finally:
        state.publisher.subscribers.discard(subscriber)
    return ws


def refused_subscriptions(subscriber: Subscriber, names: Iterable[str]) -> dict[str, FaultKind]:
    """The subscriptions a fault refuses, and whether because of the moment or of what was asked for."""
    table, dialect = subscriber.publisher.table, subscriber.dialect
    refused = {}
    for name in names:
        fault = table.hit(dialect.name, *dialect.channel_of(name), SUBSCRIPTION_KINDS)
        if fault is not None:
            refused[name] = fault.kind
    return refused
