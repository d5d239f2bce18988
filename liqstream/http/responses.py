"""HTTP answers every route gives alike: JSON, "you have that already", and a sentence for a bad request."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import hdrs, web

from liqstream.admission.refusal import error_response
from liqstream.http.content_coding import IDENTITY, accepted_coding

_FORCED = {"gzip": web.ContentCoding.gzip, "deflate": web.ContentCoding.deflate}


def json_response(request: web.Request, body: Any) -> web.Response:
    """`body` as JSON; 304 to a client that has it already."""
    return cacheable(request, orjson.dumps(body), content_type="application/json")


def cacheable(
    request: web.Request,
    body: bytes,
    *,
    content_type: str,
    etag: str | None = None,
    charset: str | None = None,
    coding: str | None = None,
    cache_control: str = "no-cache",
) -> web.Response:
    """A body with an ETag, compressed by negotiation; 304 without a body to a client that has it.

    `coding` names the content coding the body is in already ("identity": it stays as it is).
    """
    etag = etag or blake2b(body, digest_size=8).hexdigest()
    headers = cache_headers(cache_control)
    if is_known(request, etag):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=body, content_type=content_type, charset=charset, headers=headers)
        if coding is None:
            compress(request, response)
        elif coding != IDENTITY:
            response.headers[hdrs.CONTENT_ENCODING] = coding
    response.etag = etag
    return response


def cache_headers(cache_control: str = "no-cache") -> dict[str, str]:
    """The headers that rule caches, of every body with an ETag."""
    return {hdrs.CACHE_CONTROL: cache_control, hdrs.VARY: "Accept, Accept-Encoding"}


def is_known(request: web.Request, etag: str) -> bool:
    """Does the client have the body of this ETag?"""
    return bool(request.if_none_match) and any(
        tag.value in (etag, "*") for tag in request.if_none_match or ()
    )


def compress(request: web.Request, response: web.Response) -> None:
    """Let aiohttp write the body in the coding the client likes best, if any.

    aiohttp's own choice takes the first name it finds anywhere in the header, weights or not.
    """
    response.headers.setdefault(hdrs.VARY, "Accept-Encoding")
    coding = accepted_coding(request.headers.get(hdrs.ACCEPT_ENCODING))
    if coding != IDENTITY:
        response.enable_compression(_FORCED[coding])


def bad_request(sentence: str) -> web.HTTPBadRequest:
    """A 400 that says what was wrong and what would be right."""
    return error_response(web.HTTPBadRequest, sentence)


def not_found(sentence: str) -> web.HTTPNotFound:
    """A 404 that says what there is not, and what would change that."""
    return error_response(web.HTTPNotFound, sentence)


def unavailable(sentence: str, *, retry_after_s: int) -> web.HTTPServiceUnavailable:
    """A 503 that says why, and when to ask again."""
    return error_response(web.HTTPServiceUnavailable, sentence, {hdrs.RETRY_AFTER: str(retry_after_s)})
