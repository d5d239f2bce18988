"""The one form of every HTTP error this server sends: JSON with a sentence about what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TypeVar

import orjson
from aiohttp import hdrs, web

JSON = "application/json"
"""The media type of errors."""
ErrorT = TypeVar("ErrorT", bound=web.HTTPException)

_KEPT = (hdrs.RETRY_AFTER,)
"""Headers that say more than the sentence."""


def error_response(kind: type[ErrorT], sentence: str, headers: Mapping[str, str] | None = None) -> ErrorT:
    """An HTTP error of this kind, to be raised; its body is `{"error": sentence}`."""
    return kind(text=error_body(sentence), content_type=JSON, headers=headers)


def error_body(sentence: str) -> str:
    """The body of every error."""
    return orjson.dumps({"error": sentence}).decode()


def error_page(error: web.HTTPException) -> web.Response:
    """The same error for a person who opened the page: its sentence as HTML."""
    sentence = escape(str(orjson.loads(error.text or "{}").get("error", error.reason)))
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>liqstream: {error.status}</title>'
        f"<p>{sentence}</p></html>"
    )
    kept = {name: error.headers[name] for name in _KEPT if name in error.headers}
    return web.Response(status=error.status, text=page, content_type="text/html", headers=kept)
