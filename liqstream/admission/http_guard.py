"""Admission of HTTP requests: a rate per address, tokens on the data, CORS by the origin list.

The socket's own route does its checks itself, before the upgrade (ws/endpoint.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from liqstream.admission.policy import ADMISSION, AdmissionPolicy, RefusalReason

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SOCKET_PATH = "/ws/heatmap"
PRIVATE_PATHS = ("/api/", "/liquidations/", "/prices/", "/ws/stats", "/metrics")
"""What a token protects. The page and its files hold no data; supervisors ask /health and /ready."""
UNLIMITED_PATHS = ("/health", "/ready")
"""A supervisor that is refused would restart a healthy server."""
STATIC_PATH = "/static/"
"""Not limited either: one visit asks for dozens of files, which are in memory."""
OWNER_HEADER = "X-Liqstream-Alerts-Secret"
"""The header with the secret that alert rules belong to; alerts/owner.py reads it."""
READING = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS)
"""Any other method changes something, which only pages of allowed origins may."""
ANY_HOST_PATHS = ("/health",)
"""Asked by machines that may call this server anything, and tells nothing."""


@web.middleware
async def request_watch(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the deadline of headers when they are whole, and when the connection may begin another request."""
    deadline = request.app[ADMISSION].deadline
    deadline.mark_complete(request.protocol)
    try:
        response = await handler(request)
        _close_after_body(request, response)
    except web.HTTPException as error:
        _close_after_body(request, error)
        raise
    finally:
        deadline.mark_answered(request.protocol)
    return response


def _close_after_body(request: web.Request, response: web.StreamResponse) -> None:
    """Take no more requests after one with a body: its end and the next one's beginning look alike."""
    if request.body_exists:
        response.force_close()


@web.middleware
async def host_guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse names this server is not known by, and nothing else: for the operator's port."""
    if request.path not in ANY_HOST_PATHS:
        request.app[ADMISSION].check_host(request)
    return await handler(request)


@web.middleware
async def http_guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit the request, or raise its refusal."""
    admission = request.app[ADMISSION]
    if request.path == SOCKET_PATH:
        return await _guard_socket(request, handler, admission)
    if request.path not in ANY_HOST_PATHS:
        admission.check_host(request)
    if request.path.startswith(PRIVATE_PATHS) and not _is_preflight(request):
        _check_token(request, admission)
    if request.path not in UNLIMITED_PATHS and not request.path.startswith(STATIC_PATH):
        admission.check_rate(request)
    if _is_preflight(request):
        return _preflight(request, admission)
    if request.method not in READING:
        admission.check_origin(request)
    return await handler(request)


async def _guard_socket(
    request: web.Request, handler: Handler, admission: AdmissionPolicy
) -> web.StreamResponse:
    """A refused handshake costs its address something, an admitted one does not."""
    try:
        admission.check_host(request)
        return await handler(request)
    except web.HTTPException as error:
        raise admission.handshake_refusal(request, error) from None


def _check_token(request: web.Request, admission: AdmissionPolicy) -> None:
    """Before the rate: failures must not use up what holders of a token may send."""
    try:
        admission.check_token(request)
    except web.HTTPUnauthorized:
        if hdrs.AUTHORIZATION in request.headers:
            admission.check_failure(request)
        else:
            admission.check_tokenless_rate(request)
        raise


def _is_preflight(request: web.Request) -> bool:
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def _preflight(request: web.Request, admission: AdmissionPolicy) -> web.Response:
    """The response to a browser's preflight request; cors_headers adds which origin may read."""
    if not admission.origins.readable_by(request.headers.get(hdrs.ORIGIN)):
        raise admission.refusal(
            RefusalReason.ORIGIN, web.HTTPForbidden, "pages of this origin may not read from here"
        )
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD, PUT, POST, DELETE",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: f"Authorization, Content-Type, If-None-Match, {OWNER_HEADER}",
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        },
    )


async def cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of listed origins read the response (a signal: it also reaches errors)."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or not request.app[ADMISSION].origins.readable_by(origin):
        return
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "ETag, Retry-After"
    vary = response.headers.get(hdrs.VARY)
    response.headers[hdrs.VARY] = f"{vary}, Origin" if vary else "Origin"
