"""HTTP behind the door: a rate per address, tokens on the data, CORS by the origin list.

The socket's own route does its checks itself, before the upgrade (ws/endpoint.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from liqstream.admission.door import DOOR, Door

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SOCKET_PATH = "/ws/heatmap"
PRIVATE_PATHS = ("/api/", "/liquidations/", "/prices/", "/ws/stats", "/metrics")
"""What a token protects. The page and its files hold no data; supervisors ask /health and /ready."""
UNLIMITED_PATHS = ("/health", "/ready")
"""A supervisor that is refused would restart a healthy server."""


@web.middleware
async def http_guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit the request, or answer it here."""
    door = request.app[DOOR]
    door.deadline.heard(request.protocol)
    if request.path == SOCKET_PATH:
        return await handler(request)
    if request.path not in UNLIMITED_PATHS:
        door.check_rate(request)
    if _is_preflight(request):
        return _preflight(request, door)
    if request.path.startswith(PRIVATE_PATHS):
        door.check_token(request)
    return await handler(request)


def _is_preflight(request: web.Request) -> bool:
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def _preflight(request: web.Request, door: Door) -> web.Response:
    """Tells a browser what a page of another host may send; cors_headers adds for whom."""
    if not door.origins.readable_by(request.headers.get(hdrs.ORIGIN)):
        raise door.refusal("origin", web.HTTPForbidden, "pages of this origin may not read from here")
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, If-None-Match",
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        },
    )


async def cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of listed origins read the answer (a signal: it also reaches errors)."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or not request.app[DOOR].origins.readable_by(origin):
        return
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "ETag, Retry-After"
    vary = response.headers.get(hdrs.VARY)
    response.headers[hdrs.VARY] = f"{vary}, Origin" if vary else "Origin"
