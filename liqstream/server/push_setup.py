"""Web Push, as the settings have it: off, or a key, the devices and a sender."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from importlib.util import find_spec

import structlog
from aiohttp import web

from liqstream.alerts.push_endpoint import BadPushHostError, PushHosts
from liqstream.http.app_keys import FIRINGS, RECORDS
from liqstream.http.push_api import PUSH, add_push_routes
from liqstream.server.app_keys import METRICS, SETTINGS, SUPERVISOR
from liqstream.settings.load import BadSettingError
from liqstream.settings.table import Settings
from liqstream.settings.whole_file import whole_file

log = structlog.get_logger(__name__)

TASK = "push"

_ROOT = web.AppKey("push_root", ssl.SSLContext)
"""Whose certificates push hosts may have; set where LIQSTREAM_PUSH_CA names a file."""


def check_push(settings: Settings) -> PushHosts:
    """The hosts that messages may go to. Raises BadSettingError for what cannot be used, in one line."""
    if settings.push and find_spec("cryptography") is None:
        raise BadSettingError(
            f"LIQSTREAM_PUSH={settings.push}: needs the package cryptography; pip install 'liqstream[push]'"
        )
    try:
        return PushHosts(settings.push_hosts)
    except BadPushHostError as error:
        raise BadSettingError(f"LIQSTREAM_PUSH_HOSTS: {error}") from None


def add_push(app: web.Application) -> None:
    """Serve /api/push, and send what is raised while the application runs; after what keeps the records.

    Raises BadSettingError.
    """
    check_push(app[SETTINGS])
    add_push_routes(app)
    app.cleanup_ctx.append(push_ctx)


async def push_root_ctx(app: web.Application) -> AsyncIterator[None]:
    """Read the root of push hosts of one's own, before the history of any market is waited for.

    Raises BadSettingError for a file that cannot be used.
    """
    settings = app[SETTINGS]
    if settings.push and settings.push_ca:
        app[_ROOT] = await asyncio.to_thread(_own_root, settings.push_ca)
    yield


async def push_ctx(app: web.Application) -> AsyncIterator[None]:
    """Take in devices and send them the firings of their owners, where LIQSTREAM_PUSH says so."""
    settings = app[SETTINGS]
    if not settings.push:
        yield
        return
    # Only here: without the extra they cannot be imported.
    from liqstream.alerts.push_sender import PushSender
    from liqstream.alerts.push_subscriptions import (
        KEY_LIMITS,
        KEYS,
        SUBSCRIPTION_LIMITS,
        SUBSCRIPTIONS,
        ServerKey,
        Subscriptions,
    )

    hosts = check_push(settings)
    key = ServerKey(await app[RECORDS](KEYS, KEY_LIMITS))
    subscriptions = Subscriptions(await app[RECORDS](SUBSCRIPTIONS, SUBSCRIPTION_LIMITS), hosts, key)
    root = app.get(_ROOT)
    sender = PushSender(subscriptions, hosts, app[METRICS], contact=settings.push, ssl_context=root)
    _tell_of_https(settings)
    app[PUSH] = subscriptions
    app[FIRINGS].add_sink(TASK, sender.take)
    async with app[SUPERVISOR].background(TASK, sender.run):
        yield
    app[FIRINGS].remove_sink(TASK)


def _own_root(path: str) -> ssl.SSLContext:
    try:
        whole_file(path)  # OpenSSL would read a device without end
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise BadSettingError(f"LIQSTREAM_PUSH_CA={path}: cannot be read: {error.strerror}") from None


def _tell_of_https(settings: Settings) -> None:
    """Browsers give push to pages over HTTPS alone, and to those of their own machine."""
    if not settings.tls_cert and not settings.trusted_proxies:
        log.warning(
            "push_needs_https",
            reason="browsers subscribe on pages over HTTPS only (localhost aside)",
            cure="LIQSTREAM_TLS_CERT and LIQSTREAM_TLS_KEY, or a proxy with TLS in LIQSTREAM_TRUSTED_PROXIES",
        )
