"""The form of an HTTP error."""

from __future__ import annotations

import json

from aiohttp import hdrs, web

from liqstream.admission.refusal import error_response


def test_an_error_is_json_with_one_sentence() -> None:
    """Its kind gives the status; further headers go with it."""
    error = error_response(web.HTTPTooManyRequests, 'no "more"', {hdrs.RETRY_AFTER: "7"})
    assert isinstance(error, web.HTTPTooManyRequests)
    assert (error.status, error.content_type, error.headers[hdrs.RETRY_AFTER]) == (
        429,
        "application/json",
        "7",
    )
    assert json.loads(error.text or "") == {"error": 'no "more"'}
