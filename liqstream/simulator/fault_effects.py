"""What a fault of the table makes of a response, a handshake or a message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from liqstream.simulator.dialect import Dialect, Fields, Message
from liqstream.simulator.fault_table import Fault, FaultKind

AHEAD_MS = 70 * 365 * 86_400_000
HUGE = 1e12
STATUS = {
    FaultKind.FORBIDDEN: 403,
    FaultKind.BANNED: 418,
    FaultKind.TOO_MANY: 429,
    FaultKind.CLIENT_ERROR: 400,
    FaultKind.SERVER_ERROR: 503,
    FaultKind.COUNTRY: 451,
}
NOT_JSON = "<!DOCTYPE html><html><body><h1>Attention Required!</h1></body></html>"
_BODIES = {
    FaultKind.EMPTY_OBJECT: "{}",
    FaultKind.EMPTY_LIST: "[]",
    FaultKind.NOT_JSON: NOT_JSON,
    FaultKind.MUTE: "",
}
_HANG_CHECK_S = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def spoilt_response(
    fault: Fault, request: web.Request, dialect: Dialect, handler: Handler
) -> web.StreamResponse:
    """The response to a request that the fault spoils."""
    if fault.kind in (FaultKind.WRONG_TIME, FaultKind.WRONG_SIZE, FaultKind.ZERO):
        response = await handler(request)
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return response
        fields = dialect.endpoints[await dialect.endpoint_of(request)]
        sound = orjson.loads(response.body)
        spoilt = spoil(sound, fields, fault.kind)
        fault.unspoilt += spoilt == sound
        return web.Response(
            body=orjson.dumps(spoilt), status=response.status, content_type="application/json"
        )
    if fault.kind in (FaultKind.PASSING_CODE, FaultKind.ITEM_CODE):
        refusals = dialect.passing if fault.kind is FaultKind.PASSING_CODE else dialect.item
        refusal = refusals[fault.variant % len(refusals)]
        return web.Response(
            text=refusal.body,
            status=refusal.status,
            content_type="application/json",
            headers=_headers(fault),
        )
    if fault.kind in _BODIES:
        kind = "text/html" if fault.kind is FaultKind.NOT_JSON else "application/json"
        return web.Response(text=_BODIES[fault.kind], content_type=kind)
    return await refused_connection(fault, request)


async def refused_connection(fault: Fault, request: web.Request) -> web.StreamResponse:
    """The response to a request, or to a socket's handshake, that does not get through."""
    if fault.kind is FaultKind.HANG:
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  # no event
            await asyncio.sleep(_HANG_CHECK_S)
    elif fault.kind is FaultKind.REDIRECT:
        return web.Response(status=302, headers={"Location": fault.location})
    elif fault.kind in STATUS:
        status = STATUS[fault.kind]
        page = f"<html><body>{status} {'access too frequent' if status == 403 else 'refused'}</body></html>"
        return web.Response(status=status, text=page, content_type="text/html", headers=_headers(fault))
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def _headers(fault: Fault) -> dict[str, str]:
    return {"Retry-After": fault.retry_after} if fault.retry_after else {}


def spoilt_texts(fault: Fault, messages: list[Message], fields: Fields) -> list[str]:
    """A channel's messages of one round, as a fault of MESSAGE_KINDS makes them."""
    if fault.kind is FaultKind.MUTE:
        return []
    if fault.kind in _BODIES:
        return [_BODIES[fault.kind] for _ in messages]
    return [orjson.dumps(spoil(message, fields, fault.kind)).decode() for message in messages]


def spoil(value: Any, fields: Fields, kind: FaultKind) -> Any:
    """A copy of a JSON value with every time (WRONG_TIME) or every amount (WRONG_SIZE, ZERO) spoilt."""
    places = fields.times if kind is FaultKind.WRONG_TIME else fields.amounts
    if isinstance(value, dict):
        return {
            name: _spoilt(each, kind) if name in places and _is_plain(each) else spoil(each, fields, kind)
            for name, each in value.items()
        }
    if isinstance(value, list):
        is_row = all(_is_plain(each) for each in value)
        return [
            _spoilt(each, kind) if is_row and place in places else spoil(each, fields, kind)
            for place, each in enumerate(value)
        ]
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _spoilt(value: Any, kind: FaultKind) -> Any:
    """The spoilt value is written as the sound one was: as text, or as a number."""
    if kind is FaultKind.ZERO:
        return "0" if isinstance(value, str) else 0
    if kind is FaultKind.WRONG_SIZE:
        size = float(value or 1) * HUGE
        return f"{size:.0f}" if isinstance(value, str) else size
    digits = str(value)
    scale = 10 ** max(0, len(digits) - 13) if len(digits) > 11 else 1
    ahead = AHEAD_MS * scale if len(digits) > 11 else AHEAD_MS // 1000
    time = int(digits) + ahead
    return str(time) if isinstance(value, str) else time
