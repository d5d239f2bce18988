"""What a browser is told about every answer: run no script but ours, guess no types, no frames."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from liqstream.admission.origin import ANY, parse_origin

SELF = "self"
_HOST = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,255}")

Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def security_headers(frame_ancestors: tuple[str, ...]) -> Signal:
    """The signal for `app.on_response_prepare`. Raises BadOriginError for an ancestor that is no origin."""
    ancestors = " ".join(_ancestor(text) for text in frame_ancestors) or "'none'"
    framing = {"'none'": "DENY", "'self'": "SAMEORIGIN"}.get(ancestors)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Content-Security-Policy"] = _policy(request.host, ancestors)
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        # For browsers that do not know frame-ancestors; it cannot say a list of origins.
        if framing is not None:
            headers["X-Frame-Options"] = framing
        headers["Server"] = "liqstream"  # aiohttp's own line tells its version and Python's

    return add


def _ancestor(text: str) -> str:
    if text == SELF:
        return "'self'"
    if text != ANY:
        parse_origin(text)
    return text


def _policy(host: str, ancestors: str) -> str:
    # Safari before 15.4 does not count ws: and wss: of the same host as 'self'.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; worker-src 'self'; "
        f"img-src 'self' data: blob:; manifest-src 'self'; connect-src 'self'{sockets}; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    )
