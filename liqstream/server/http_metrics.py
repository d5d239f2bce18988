"""Counts HTTP requests by the route's template, never by the path a client sent: that list has an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from liqstream.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

UNMATCHED = "unmatched"
"""The one label of every path that no route has."""

CLIENT_LEFT = 499
"""nginx's code, never sent: who asked was gone before the answer, which is no error of ours."""


def http_metrics(metrics: Metrics) -> Middleware:
    """The outermost middleware, so that refusals are counted as well."""

    @web.middleware
    async def _count(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = _route(request)
        started_s = time.perf_counter()
        status = 500
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        except (ConnectionError, asyncio.CancelledError):
            if request.transport is None or request.transport.is_closing():
                status = CLIENT_LEFT
            raise
        finally:
            metrics.http_requests.labels(route, status).inc()
            # A socket's request lasts as long as the socket: hours would drown every other duration.
            if status != HTTPStatus.SWITCHING_PROTOCOLS:
                metrics.http_duration.labels(route).observe(time.perf_counter() - started_s)

    return _count


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical
