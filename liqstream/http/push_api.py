"""/api/push: a browser's devices get the alerts of its rules while no page is open (Web Push).

A subscription belongs to the same secret as the rules; nobody sees or removes another's.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson
import structlog
from aiohttp import hdrs, web

from liqstream.admission.refusal import error_response
from liqstream.alerts.owner import OWNER_HEADER
from liqstream.alerts.push_device import BadDeviceError, Subscription
from liqstream.http.json_body import json_body
from liqstream.http.owner_param import owner_param
from liqstream.http.responses import bad_request, not_found, unavailable
from liqstream.store.owned_records import Full

_RETRY_S = 5
_FULL_RETRY_S = 3600

_log = structlog.get_logger(__name__)


class PushDesk(Protocol):
    """What the routes ask of push; set where it is on. Every method may raise what the records raise."""

    async def public_key(self) -> str:
        """For pages that subscribe: base64url."""

    async def ids(self, owner: str) -> list[str]:
        """Of an owner's devices."""

    async def add(self, owner: str, subscription: Subscription) -> Full | None:
        """Keep a device; which limit is met, if one is. Raises BadDeviceError."""

    async def remove(self, owner: str, subscription_id: str) -> bool:
        """Forget a device; False where there is none of that id."""


PUSH: web.AppKey[PushDesk] = web.AppKey("push", PushDesk)
"""Set where push is on."""


async def push_state(request: web.Request) -> web.Response:
    """GET: the key to subscribe with, null where push is off, and the ids of the owner's devices."""
    owner, desk = owner_param(request), request.app.get(PUSH)
    if desk is None:
        return _json({"public_key": None, "devices": []})
    try:
        state = {"public_key": await desk.public_key(), "devices": await desk.ids(owner) if owner else []}
    except Exception as error:
        raise _away(error) from error
    return _json(state)


async def subscribe(request: web.Request) -> web.Response:
    """POST: keep a device; its body is the browser's PushSubscription as JSON."""
    owner, desk = _required(request)
    subscription = await json_body(request, Subscription)
    try:
        full = await desk.add(owner, subscription)
    except BadDeviceError as error:
        raise bad_request(str(error)) from None
    except Exception as error:
        raise _away(error) from error
    if full is Full.OWNER:
        raise error_response(web.HTTPConflict, "no more devices: remove one of yours first")
    if full is Full.ALL:
        raise unavailable("this server has as many devices as it takes", retry_after_s=_FULL_RETRY_S)
    return _json({"id": subscription.id})


async def unsubscribe(request: web.Request) -> web.Response:
    """DELETE: forget one of the owner's devices, by its id."""
    owner, desk = _required(request)
    try:
        removed = await desk.remove(owner, request.match_info["id"])
    except Exception as error:
        raise _away(error) from error
    if not removed:
        raise not_found("no device of yours has this id")
    return _json({"removed": True})


def _required(request: web.Request) -> tuple[str, PushDesk]:
    desk = request.app.get(PUSH)
    if desk is None:
        raise not_found("push is off: LIQSTREAM_PUSH switches it on")
    owner = owner_param(request)
    if owner is None:
        raise bad_request(f"whose device? The header {OWNER_HEADER} is missing")
    return owner, desk


def _json(body: Any) -> web.Response:
    """Of one owner, so no cache may hold it."""
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=headers)


def _away(error: Exception) -> web.HTTPServiceUnavailable:
    """Where devices are kept, nothing can be read or written now; the log says what."""
    _log.warning("push_devices_away", reason=type(error).__name__)
    return unavailable("devices cannot be read or kept just now", retry_after_s=_RETRY_S)


def add_push_routes(app: web.Application) -> None:
    """Serve them on every server; without PUSH they say that it is off."""
    app.router.add_get("/api/push", push_state)
    app.router.add_post("/api/push", subscribe)
    app.router.add_delete("/api/push/{id}", unsubscribe)
