"""Whose rules a request is about: the header with the secret of its page."""

from __future__ import annotations

from aiohttp import web

from liqstream.alerts.owner import OWNER_HEADER, BadSecretError, owner_of
from liqstream.http.responses import bad_request


def owner_param(request: web.Request) -> str | None:
    """The owner; None without the header, 400 for one that holds no secret."""
    try:
        return owner_of(request.headers.get(OWNER_HEADER))
    except BadSecretError as error:
        raise bad_request(str(error)) from None


def required_owner(request: web.Request) -> str:
    """The owner; 400 without one."""
    owner = owner_param(request)
    if owner is None:
        raise bad_request(f"{OWNER_HEADER} is missing: a rule belongs to the secret in it")
    return owner
