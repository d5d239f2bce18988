"""HTTP answers every route gives alike: JSON, "you have that already", and a sentence for a bad request."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import hdrs, web


def json_answer(request: web.Request, body: Any) -> web.Response:
    """`body` as JSON; 304 to a client that has it already."""
    return cacheable(request, orjson.dumps(body), content_type="application/json")


def cacheable(
    request: web.Request,
    body: bytes,
    *,
    content_type: str,
    etag: str | None = None,
    charset: str | None = None,
    coding: str = "",
    cache_control: str = "no-cache",
) -> web.Response:
    """A body with an ETag, compressed by negotiation; 304 without a body to a client that has it.

    `coding` names the content coding of a body that is compressed already, as the client accepts it.
    """
    etag = etag or blake2b(body, digest_size=8).hexdigest()
    headers = {hdrs.CACHE_CONTROL: cache_control, hdrs.VARY: "Accept, Accept-Encoding"}
    if request.if_none_match and any(tag.value in (etag, "*") for tag in request.if_none_match):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=body, content_type=content_type, charset=charset, headers=headers)
        if coding:
            response.headers[hdrs.CONTENT_ENCODING] = coding
        else:
            response.enable_compression()
    response.etag = etag
    return response


def bad_request(sentence: str) -> web.HTTPBadRequest:
    """A 400 that says what was wrong and what would be right."""
    return web.HTTPBadRequest(
        text=orjson.dumps({"error": sentence}).decode(), content_type="application/json"
    )


def not_found(sentence: str) -> web.HTTPNotFound:
    """A 404 that says what there is not, and what would change that."""
    return web.HTTPNotFound(text=orjson.dumps({"error": sentence}).decode(), content_type="application/json")


def unavailable(sentence: str, *, retry_after_s: int) -> web.HTTPServiceUnavailable:
    """A 503 that says why, and when to ask again."""
    return web.HTTPServiceUnavailable(
        text=orjson.dumps({"error": sentence}).decode(),
        content_type="application/json",
        headers={hdrs.RETRY_AFTER: str(retry_after_s)},
    )
