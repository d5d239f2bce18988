"""The security headers of every response: no script but ours, no guessed types, no frames."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping

from aiohttp import hdrs, web

from liqstream.admission.origin import ANY, BadOriginError, parse_origin

SELF = "self"
_NONE = "'none'"
_FRAMING = {_NONE: "DENY", "'self'": "SAMEORIGIN"}
_HOST = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,255}")

Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def security_headers(frame_ancestors: tuple[str, ...]) -> Signal:
    """The signal for `app.on_response_prepare`. Raises BadOriginError for an ancestor that is no origin."""
    ancestors = " ".join(_ancestor(text) for text in frame_ancestors) or _NONE

    async def _add(request: web.Request, response: web.StreamResponse) -> None:
        _set(response.headers, request.headers.get(hdrs.HOST, ""), ancestors)

    return _add


def set_strictest(response: web.StreamResponse) -> None:
    """Set them on a response that no application makes: no page, no frame."""
    _set(response.headers, "", _NONE)


def _set(headers: MutableMapping[str, str], host: str, ancestors: str) -> None:
    headers["Content-Security-Policy"] = _policy(host, ancestors)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    # For browsers that do not know frame-ancestors; it cannot hold a list of origins.
    framing = _FRAMING.get(ancestors)
    if framing is not None:
        headers["X-Frame-Options"] = framing
    headers["Server"] = "liqstream"  # aiohttp's own value names its version and Python's


def _ancestor(text: str) -> str:
    if text == SELF:
        return "'self'"
    if text != ANY:
        try:
            parse_origin(text)
        except BadOriginError as error:
            raise BadOriginError(f"LIQSTREAM_FRAME_ANCESTORS: {error}") from None
    return text


def _policy(host: str, ancestors: str) -> str:
    # Safari before 15.4 does not count ws: and wss: of the same host as 'self'.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; worker-src 'self'; "
        f"img-src 'self' data: blob:; manifest-src 'self'; connect-src 'self'{sockets}; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    )
