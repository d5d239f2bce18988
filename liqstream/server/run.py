"""A running server: its ports, the signals it obeys, and what its service manager is notified of.

SIGTERM and SIGINT stop it; SIGHUP reads tokens and certificate again; SIGUSR1 writes a backup. It ends with
0 when it was stopped, and with 1 when it could not start; once it has started, nothing but a signal ends it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from typing import Any

import structlog
from aiohttp import web

from liqstream.admission.client_address import BadProxyError
from liqstream.admission.host import BadHostError
from liqstream.admission.origin import BadOriginError
from liqstream.admission.policy import ADMISSION
from liqstream.admission.tokens import TokenFileError
from liqstream.alerts.config import BadAlertsError
from liqstream.feeds.feed import FeedError
from liqstream.file_import.files import ArchiveError
from liqstream.http.app_keys import STORE
from liqstream.http.pages import health_app, metrics_app
from liqstream.ingest.feed_factory import SourceError, check_exchange_urls, make_feeds
from liqstream.model.kernel import KernelError
from liqstream.model.margin import BracketsError
from liqstream.server.app import MakeFeeds, make_app
from liqstream.server.app_keys import METRICS, SUPERVISOR
from liqstream.server.early_stop import STOPS, leave, stop_at_once
from liqstream.server.fd_limit import make_room_for
from liqstream.server.late_stop import STOP_WITHIN_S, late_stop
from liqstream.server.listen_check import check_listening
from liqstream.server.loop_lag import measure_lag
from liqstream.server.sd_notify import STOPPING, ServiceManager
from liqstream.server.tls import ServerTls, TlsError
from liqstream.server.watched_site import WatchedSite, WatchedSocket, start_site
from liqstream.settings.load import BadSettingError
from liqstream.settings.table import Settings
from liqstream.store.backup_files import new_backup_path
from liqstream.store.errors import StoreError
from liqstream.supervision.error_log import in_words
from liqstream.supervision.garbage_collection import short_collections

log = structlog.get_logger(__name__)

SHUTDOWN_TIMEOUT_S = 2.0
"""For handlers to end; the sockets were closed before, so only an answer that is not read takes this long.

aiohttp waits twice: for the handler, and for its end once it is cancelled.
"""

SIDE_SHUTDOWN_TIMEOUT_S = 0.5
"""The same on the ports of metrics and health."""

KEEPALIVE_TIMEOUT_S = 75.0
"""Longer than the 60 s for which a proxy keeps an idle connection, so that none is closed under it."""

RETRY_S = 10.0
"""What guards the server waits no longer before it is begun anew."""

DRAIN_S = 2.0
"""A server that has left a shared port goes on for so long with the connections it has."""

BACKLOG = 2048
"""Connections that may wait to be accepted: all clients of a server that restarted come at once."""

_ONE_LINE_ERRORS = (
    ArchiveError,
    BadAlertsError,
    BadHostError,
    BadOriginError,
    BadProxyError,
    BadSettingError,
    FeedError,
    BracketsError,
    KernelError,
    SourceError,
    StoreError,
    TlsError,
    TokenFileError,
)


def run(
    settings: Settings,
    *,
    announce: Callable[[str], None],
    make_feeds: MakeFeeds = make_feeds,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """`serve` in a loop of its own: ends the process with 0 once it was stopped, else returns 1."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        code = runner.run(serve(settings, announce=announce, make_feeds=make_feeds))
        if code == 0:
            # Everything is closed by now; threads may be at work on a forecast for many seconds.
            leave(0)
    return code


async def serve(
    settings: Settings, *, announce: Callable[[str], None], make_feeds: MakeFeeds = make_feeds
) -> int:
    """Serve until SIGTERM or SIGINT (0), or not at all (1); `announce` is called with the address.

    What keeps it from starting is logged in one line; it raises nothing of that.
    """
    manager = ServiceManager()
    _stop_at_once_on_signals(manager)
    try:
        with late_stop() as begin_stop:
            return await _served(settings, manager, announce, make_feeds, begin_stop)
    except _ONE_LINE_ERRORS as error:
        log.error("cannot start", reason=str(error))
    except OSError as error:
        name = str(error.filename or "")[:200]
        what = f"cannot use {name}" if name else f"cannot listen on {settings.host}:{settings.port}"
        log.error("cannot start", reason=f"{what}: {error.strerror}")
    except Exception as error:  # one line, whatever it is
        log.error("cannot start", reason=in_words(error))
        log.debug("cannot start", exc_info=error)
    return 1


async def _served(
    settings: Settings,
    manager: ServiceManager,
    announce: Callable[[str], None],
    make_feeds: MakeFeeds,
    begin_stop: Callable[[float], None],
) -> int:
    async with AsyncExitStack() as parts:
        check_exchange_urls(settings)
        await check_listening(settings)
        tls = await asyncio.to_thread(ServerTls.of, settings)
        app = make_app(settings, make_feeds)
        _tell_names(app, settings, tls)
        site, address = await parts.enter_async_context(_listening(app, settings, tls))
        await parts.enter_async_context(_watched(app, manager))
        parts.enter_context(short_collections())
        stop = _stop_on_signals()
        _reload_and_back_up_on_signals(app, tls, manager, address)
        announce(address)
        manager.ready(f"at {address}")
        await stop
        manager.notify(STOPPING)
        if settings.reuse_port:
            site.leave()
            await asyncio.sleep(DRAIN_S)
        begin_stop(STOP_WITHIN_S)
        return 0


def _tell_names(app: web.Application, settings: Settings, tls: ServerTls | None) -> None:
    """Take in what the certificate says, and warn where names from outside are expected but not set."""
    hosts = app[ADMISSION].hosts
    if tls is not None:
        hosts.certificate_names = tls.names
        app[METRICS].certificate_expiry_s = tls.expiry_s
    if not hosts.is_set and (settings.trusted_proxies or not _is_loopback(settings.host)):
        log.warning(
            "hosts_not_set",
            reason="pages of strangers can point their own names here; list those this server is called by",
            cure="LIQSTREAM_HOSTS=liq.example.com",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@asynccontextmanager
async def _listening(
    app: web.Application, settings: Settings, tls: ServerTls | None
) -> AsyncIterator[tuple[WatchedSite, str]]:
    """Open the ports, the public one last; yields it and its address."""
    app[ADMISSION].caps.total = make_room_for(settings.ws_max_connections)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S, keepalive_timeout=KEEPALIVE_TIMEOUT_S
    )
    async with AsyncExitStack() as parts:
        parts.push_async_callback(runner.cleanup)
        await runner.setup()
        runners = [runner]
        if settings.metrics_host:
            runners.append(await parts.enter_async_context(_metrics_port(app, settings)))
        if settings.health_socket:
            runners.append(await parts.enter_async_context(_health_socket(app, settings.health_socket)))
        context = None if tls is None else tls.context
        shared = {"reuse_port": True} if settings.reuse_port else {}
        site = WatchedSite(
            runner, settings.host, settings.port, backlog=BACKLOG, ssl_context=context, **shared
        )
        site.deadline = app[ADMISSION].deadline
        await site.start()

        async def cut_off_late_headers() -> None:
            await app[ADMISSION].deadline.run(*(each.server for each in runners if each.server))

        late = app[SUPERVISOR].background("header-deadline", cut_off_late_headers, longest_wait_s=RETRY_S)
        _ = await parts.enter_async_context(late)
        yield site, _address(runner, "http" if tls is None else "https")


@asynccontextmanager
async def _metrics_port(app: web.Application, settings: Settings) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(
        metrics_app(app[METRICS], app[ADMISSION]), access_log=None, shutdown_timeout=SIDE_SHUTDOWN_TIMEOUT_S
    )
    try:
        await runner.setup()
        site = WatchedSite(runner, settings.metrics_host, settings.metrics_port)
        await start_site(site, app[ADMISSION].deadline, f"LIQSTREAM_METRICS_HOST={settings.metrics_host}")
        log.info("metrics_port", address=_address(runner, "http"))
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _health_socket(app: web.Application, path: str) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(
        health_app(app, app[METRICS]), access_log=None, shutdown_timeout=SIDE_SHUTDOWN_TIMEOUT_S
    )
    try:
        await runner.setup()
        site = WatchedSocket(runner, path)
        await start_site(site, app[ADMISSION].deadline, f"LIQSTREAM_HEALTH_SOCKET={path}")
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _watched(app: web.Application, manager: ServiceManager) -> AsyncIterator[None]:
    supervise = app[SUPERVISOR].background
    # Soon enough again that the service manager does not take the server for dead.
    retry_s = (manager.watchdog_s or RETRY_S) / 4
    async with (
        supervise("loop-lag", lambda: measure_lag(app[METRICS].event_loop_lag.observe)),
        supervise("watchdog", manager.feed_watchdog, longest_wait_s=retry_s),
    ):
        yield


def _stop_at_once_on_signals(manager: ServiceManager) -> None:
    """Until the server has started: end at once."""

    def _tell(number: int) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        manager.notify(STOPPING)

    stop_at_once(_tell)


def _stop_on_signals() -> asyncio.Future[None]:
    """Done when the server, which has started, shall stop."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def _on_stop(number: int) -> None:
        if not stop.done():
            log.info("stopping", signal=signal.Signals(number).name)
            stop.set_result(None)

    for number in STOPS:
        loop.add_signal_handler(number, _on_stop, number)
    return stop


def _reload_and_back_up_on_signals(
    app: web.Application, tls: ServerTls | None, manager: ServiceManager, address: str
) -> None:
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()

    async def _obey(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # a signal is no reason to end
            app[SUPERVISOR].report(name, error)

    def _start(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(_obey(name, work), name=name)
        running.add(task)
        task.add_done_callback(running.discard)

    async def _reload_all() -> None:
        manager.reloading()
        try:
            await _reload(app, tls)
        finally:
            manager.ready(f"at {address}")

    loop.add_signal_handler(signal.SIGHUP, _start, "reload", _reload_all)
    loop.add_signal_handler(signal.SIGUSR1, _start, "backup", lambda: _back_up(app))


async def _reload(app: web.Application, tls: ServerTls | None) -> None:
    """Read tokens and certificate again; what cannot be used is logged, and the old one stays."""
    tokens = app[ADMISSION].tokens
    for name, read in (("tokens", tokens.reload), ("certificate", tls.reload if tls else None)):
        if read is None:
            continue
        try:
            await asyncio.to_thread(read)
        except (TokenFileError, TlsError) as error:
            log.error("reload_failed", what=name, reason=str(error))
        else:
            log.info("reloaded", what=name)
    if tls is not None:
        app[ADMISSION].hosts.certificate_names = tls.names
        app[METRICS].certificate_expiry_s = tls.expiry_s


async def _back_up(app: web.Application) -> None:
    store = app.get(STORE)
    if store is None:
        log.warning("backup_refused", reason="this server keeps no data of its own")
        return
    target = new_backup_path(store.path)
    try:
        await store.backup(target)
    except StoreError as error:
        log.error("backup_failed", path=str(target), reason=str(error))
    else:
        log.info("backup_written", path=str(target))


def _address(runner: web.AppRunner, scheme: str) -> str:
    host, port = runner.addresses[0][:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
