"""The JSON of a request's body: bounded, strict, and refused in a sentence."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import hdrs, web

from liqstream.admission.policy import ADMISSION
from liqstream.admission.refusal import error_response
from liqstream.http.responses import bad_request

MAX_BODY_BYTES = 16_384
BODY_DEADLINE_S = 10.0
"""From the end of a request's headers to that of its body: who sends it byte by byte holds a connection."""

T = TypeVar("T")


async def json_body(request: web.Request, body_type: type[T]) -> T:
    """The body as a `body_type`; 415 unless its type is JSON, 413 for a long one, 400 for another shape.

    408 for one that is not there within `BODY_DEADLINE_S`.

    Only pages of allowed origins can send JSON without a preflight, which a form of a stranger's page cannot.
    """
    if request.content_type != "application/json":
        raise error_response(web.HTTPUnsupportedMediaType, f"send {hdrs.CONTENT_TYPE}: application/json")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_long()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            body = await _body(request)
    except TimeoutError:
        request.app[ADMISSION].deadline.closed += 1
        sentence = f"the body did not come within {BODY_DEADLINE_S:g} s"
        raise error_response(web.HTTPRequestTimeout, sentence) from None
    except web.RequestPayloadError:
        raise bad_request("the body is not encoded as its headers say") from None
    try:
        return msgspec.json.decode(body, type=body_type)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise bad_request(f"the body does not fit: {' '.join(str(error).split())[:200]}") from None


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise _too_long()
    return bytes(body)


def _too_long() -> web.HTTPException:
    return error_response(_TooLarge, f"the body is longer than {MAX_BODY_BYTES} bytes")


class _TooLarge(web.HTTPClientError):
    """aiohttp's own 413 wants the two sizes, and shows them in words of its own."""

    status_code = 413
