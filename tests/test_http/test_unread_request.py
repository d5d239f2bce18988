"""What is answered to bytes that are no request: JSON, our headers, and none of those bytes."""

from __future__ import annotations

import json

import pytest
from aiohttp.http_exceptions import (
    BadHttpMessage,
    BadHttpMethod,
    BadStatusLine,
    ContentEncodingError,
    InvalidHeader,
    LineTooLong,
)

from liqstream.http.unread_request import unread_request


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BadStatusLine("SECRET"), "Bad status"),
        (BadStatusLine("SECRET", "Invalid method encountered:\n\n  b'SECRET'\n     ^"), "Invalid method"),
        (BadHttpMethod("\x16\x03SECRET"), "HTTPS traffic on an HTTP port"),
        (BadHttpMessage("Missing 'Host' header in request."), "Missing 'Host' header"),
        (InvalidHeader("SECRET"), "Invalid HTTP header"),
        (LineTooLong(b"SECRET", 8190), "longer than 8190 bytes"),
        (ContentEncodingError("deflate"), "not encoded as"),
        (ZeroDivisionError("SECRET"), "its log has more"),
    ],
)
def test_it_says_what_is_wrong_and_repeats_nothing(error: Exception, says: str) -> None:
    response = unread_request(400, error)
    assert response.text is not None
    assert says in json.loads(response.text)["error"]
    assert "SECRET" not in response.text
    assert response.content_type == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "aiohttp" not in response.headers["Server"]
    assert not response.keep_alive
