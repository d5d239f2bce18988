"""The answer to bytes that are no HTTP request: in the form of every other error, and without those bytes."""

from __future__ import annotations

import re

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError, LineTooLong

from liqstream.admission.refusal import error_body
from liqstream.admission.security_headers import set_strictest

_FAULT = "the server met an error; its log has more"
_NO_REQUEST = "this is no HTTP request"
_BYTES_OF_CLIENT = re.compile(r"[:\n]| line ['\"]")
_SENTENCES: tuple[tuple[type[HttpProcessingError], str], ...] = (
    (LineTooLong, "a line of the request is longer than 8190 bytes"),
    (ContentEncodingError, "the body is not encoded as its headers say"),
)


def unread_request(status: int, error: BaseException | None) -> web.Response:
    """What aiohttp answers with `status` before any application sees a request; closes the connection.

    `error` is why. The parser's own sentence is kept up to where it repeats the client's bytes.
    """
    response = web.Response(status=status, text=error_body(_sentence(error)), content_type="application/json")
    set_strictest(response)
    response.force_close()
    return response


def _sentence(error: BaseException | None) -> str:
    if not isinstance(error, HttpProcessingError):
        return _FAULT
    known = next((sentence for kind, sentence in _SENTENCES if isinstance(error, kind)), None)
    if known is not None:
        return known
    reason = _BYTES_OF_CLIENT.split(error.message, 1)[0].strip()
    return f"{_NO_REQUEST}: {reason}" if reason else _NO_REQUEST
