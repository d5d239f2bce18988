"""A running server: its ports, the signals it obeys, and what its supervisor hears.

SIGTERM and SIGINT stop it; SIGHUP reads tokens and certificate again; SIGUSR1 writes a backup. It ends with
0 when it was told to, and with 1 when it could not start or a part of it died.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from aiohttp import web

from liqstream.admission.client_address import BadProxyError
from liqstream.admission.door import DOOR
from liqstream.admission.origin import BadOriginError
from liqstream.admission.tokens import TokenFileError
from liqstream.alerts.config import BadAlertsError
from liqstream.app import FATAL, METRICS, MakeFeeds, make_app
from liqstream.background import background
from liqstream.descriptors import make_room_for
from liqstream.feeds.feed import FeedError
from liqstream.heatmap.kernel import KernelError
from liqstream.heatmap.margin import BracketsError
from liqstream.loop_lag import measure_lag
from liqstream.pages import metrics_app
from liqstream.resources import STORE
from liqstream.sd_notify import STOPPING, ServiceManager
from liqstream.settings import BadSettingError, Settings
from liqstream.sources import SourceError, make_feeds
from liqstream.store.archive_files import ArchiveError
from liqstream.store.errors import StoreError
from liqstream.tls import ServerTls, TlsError

log = structlog.get_logger(__name__)

SHUTDOWN_TIMEOUT_S = 5.0
"""For handlers to end; the sockets were closed before, so nothing honest takes this long."""

KEEPALIVE_TIMEOUT_S = 75.0
"""Longer than the 60 s for which a proxy keeps an idle connection, so that none is closed under it."""

BACKLOG = 2048
"""Connections that may wait to be accepted: all clients of a server that restarted come at once."""

_ONE_LINE_ERRORS = (
    ArchiveError,
    BadAlertsError,
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


async def serve(
    settings: Settings, *, announce: Callable[[str], None], make_feeds: MakeFeeds = make_feeds
) -> int:
    """Serve until SIGTERM or SIGINT (0) or a fault (1); `announce` is told the address."""
    supervisor = ServiceManager()
    stop = _stop_on_signals()
    try:
        async with AsyncExitStack() as parts:
            tls = await asyncio.to_thread(ServerTls.of, settings)
            app = make_app(settings, make_feeds)
            address = await parts.enter_async_context(_listening(app, settings, tls))
            await parts.enter_async_context(_watched(app, supervisor))
            _reload_and_back_up_on_signals(app, tls, supervisor, address)
            announce(address)
            supervisor.ready(f"at {address}")
            await asyncio.wait((stop, app[FATAL]), return_when=asyncio.FIRST_COMPLETED)
            supervisor.tell(STOPPING)
            return _outcome(app[FATAL])
    except _ONE_LINE_ERRORS as error:
        log.error("cannot start", reason=str(error))
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        log.error("cannot start", reason=f"cannot listen on {where}: {error.strerror}")
    return 1


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings, tls: ServerTls | None) -> AsyncIterator[str]:
    """Open the ports, the public one last; yields its address."""
    app[DOOR].caps.total = make_room_for(settings.ws_max_connections)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S, keepalive_timeout=KEEPALIVE_TIMEOUT_S
    )
    async with AsyncExitStack() as parts:
        parts.push_async_callback(runner.cleanup)
        await runner.setup()
        if settings.metrics_host:
            await parts.enter_async_context(_metrics_port(app, settings))
        context = None if tls is None else tls.context
        await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG, ssl_context=context).start()
        late = _cut_off_late_headers(app, runner)
        _ = await parts.enter_async_context(background(late, app[FATAL], name="header-deadline"))
        yield _address(runner, "http" if tls is None else "https")


async def _cut_off_late_headers(app: web.Application, runner: web.AppRunner) -> None:
    if runner.server is not None:
        await app[DOOR].deadline.run(runner.server)


@asynccontextmanager
async def _metrics_port(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    runner = web.AppRunner(metrics_app(app[METRICS].registry), access_log=None)
    try:
        await runner.setup()
        await web.TCPSite(runner, settings.metrics_host, settings.metrics_port).start()
        log.info("metrics_port", address=_address(runner, "http"))
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _watched(app: web.Application, supervisor: ServiceManager) -> AsyncIterator[None]:
    lag = measure_lag(app[METRICS].event_loop_lag.observe)
    async with (
        background(lag, app[FATAL], name="loop-lag"),
        background(supervisor.feed_watchdog(), app[FATAL], name="watchdog"),
    ):
        yield


def _stop_on_signals() -> asyncio.Future[None]:
    """Done when the server shall stop. Until it has started, it ignores what it cannot obey yet."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def on_stop(number: int) -> None:
        if not stop.done():
            log.info("stopping", signal=signal.Signals(number).name)
            stop.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, number)
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    return stop


def _reload_and_back_up_on_signals(
    app: web.Application, tls: ServerTls | None, supervisor: ServiceManager, address: str
) -> None:
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()

    def start(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(work())
        running.add(task)
        task.add_done_callback(running.discard)

    async def reload() -> None:
        supervisor.reloading()
        await _reload(app, tls)
        supervisor.ready(f"at {address}")

    loop.add_signal_handler(signal.SIGHUP, start, reload)
    loop.add_signal_handler(signal.SIGUSR1, start, lambda: _back_up(app))


async def _reload(app: web.Application, tls: ServerTls | None) -> None:
    """Read tokens and certificate again; what cannot be used is said, and the old one stays."""
    tokens = app[DOOR].tokens
    for name, read in (("tokens", tokens.reload), ("certificate", tls.reload if tls else None)):
        if read is None:
            continue
        try:
            await asyncio.to_thread(read)
        except (TokenFileError, TlsError) as error:
            log.error("reload_failed", what=name, reason=str(error))
        else:
            log.info("reloaded", what=name)


async def _back_up(app: web.Application) -> None:
    store = app.get(STORE)
    if store is None:
        log.warning("backup_refused", reason="this server keeps no data of its own")
        return
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = store.path.parent / "backups" / f"{store.path.stem}-{stamp}.duckdb"
    try:
        await asyncio.to_thread(target.parent.mkdir, exist_ok=True)
        await store.backup(target)
    except (StoreError, OSError) as error:
        log.error("backup_failed", path=str(target), reason=str(error))
    else:
        log.info("backup_written", path=str(target))


def _outcome(fatal: asyncio.Future[None]) -> int:
    if not fatal.done():
        return 0
    error = fatal.exception()
    log.critical("a background task died", reason=f"{type(error).__name__}: {error}", exc_info=error)
    return 1


def _address(runner: web.AppRunner, scheme: str) -> str:
    host, port = runner.addresses[0][:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
