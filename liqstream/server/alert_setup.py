"""The server's alerts, as the settings have them: rules of the file and of pages, and who sends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress

import structlog
from aiohttp import web
from msgspec.structs import replace

from liqstream.alerts.config import AlertsConfig, read_alerts
from liqstream.alerts.delivery import Claim, Sender, unclaimed
from liqstream.alerts.evaluator import Evaluator
from liqstream.alerts.firing import Firing
from liqstream.alerts.kept_cooldowns import COOLDOWN_KIND, COOLDOWN_LIMITS, KeptCooldowns
from liqstream.alerts.monitor import AlertMonitor
from liqstream.alerts.owned_rules import HISTORY_KIND, HISTORY_LIMITS, RULE_KIND, RULE_LIMITS, OwnedRules
from liqstream.alerts.records import OwnedRecords, StoredRecords
from liqstream.alerts.rules import OwnedRule
from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames
from liqstream.fleet.roles import NodeRole
from liqstream.fleet.shared_claims import SharedClaims
from liqstream.fleet.shared_records import SharedRecords
from liqstream.http.alerts_api import FILE_RULES, OWNED_RULES, add_alerts_routes
from liqstream.http.app_keys import FIRINGS, MAPS, RECORDS, STORE, SYMBOLS
from liqstream.http.events_api import LIQUIDATION_BUS
from liqstream.market.identity import followed_symbol
from liqstream.server.app_keys import FLEET, METRICS, SETTINGS, SUPERVISOR
from liqstream.server.fleet_setup import connect_redis
from liqstream.settings.secret_files import secret_path
from liqstream.settings.server_role import ServerRole
from liqstream.store.errors import StoreError
from liqstream.store.owned_records import RecordLimits
from liqstream.supervision.supervise import Work

SENDING = "alerts-sending"
"""The task, and the sink, of the alerts file's targets."""
RULES, HISTORY = "alert-rules", "alert-history"
"""The task that follows the rules of pages; the task, and the sink, that keeps what they raised."""
COOLDOWNS = "alert-cooldowns"
"""The task, and the sink, that keeps the cooldowns of the alerts file's rules."""
COUNTING = "alerts-counting"
"""The sink that counts."""

_log = structlog.get_logger(__name__)

_FILE = web.AppKey("alerts_file", AlertsConfig)
"""What the alerts file holds, as it was at the start; set where there is one."""
_CLAIM: web.AppKey[Claim] = web.AppKey("alert_claim")
"""Which server of the fleet sends an alert of the file; not set on a server that is alone."""


def add_alerts(app: web.Application) -> None:
    """Serve /api/alerts, and run what raises and sends alerts while the application runs."""
    if app[SETTINGS].alerts:
        add_alerts_routes(app)
    app.cleanup_ctx.extend((_records_ctx, alerts_ctx))


async def _records_ctx(app: web.Application) -> AsyncIterator[None]:
    """What is kept for owners, and who sends what: in the fleet's Redis, else in the store and here."""
    settings = app[SETTINGS]
    if not settings.redis_enabled:

        async def _stored(kind: str, limits: RecordLimits) -> OwnedRecords:
            return await StoredRecords.open(app[STORE], kind, limits)

        app[RECORDS] = _stored
        yield
        return
    redis, names = connect_redis(settings), RedisNames(settings.redis_channel_prefix)

    async def _shared(kind: str, limits: RecordLimits) -> OwnedRecords:
        return SharedRecords(redis, names, kind, limits)

    app[RECORDS], app[_CLAIM] = _shared, SharedClaims(redis, names, "alerts").take
    yield
    await redis.aclose()


async def alerts_file_ctx(app: web.Application) -> AsyncIterator[None]:
    """Read the alerts file, before the history of any market is waited for.

    Raises BadAlertsError for a file that cannot be used; a server without maps needs none.
    """
    settings = app[SETTINGS]
    if settings.alerts_file and settings.role != ServerRole.FANOUT:
        path = secret_path(settings.alerts_file, settings.secrets_dir)
        app[_FILE] = await asyncio.to_thread(read_alerts, path)
    yield


async def alerts_ctx(app: web.Application) -> AsyncIterator[None]:
    """Evaluate all rules and send what they raise; a server without maps only answers for the rules."""
    settings, metrics, supervisor = app[SETTINGS], app[METRICS], app[SUPERVISOR]
    config = AlertsConfig()
    if _FILE in app:
        config = _of_markets(app[_FILE], app[SYMBOLS])
        app[FILE_RULES] = config.rule
    work: dict[str, Work] = {}

    def count(firing: Firing) -> None:
        if not firing.is_test:
            metrics.alerts_raised.labels(firing.kind).inc()

    app[FIRINGS].add_sink(COUNTING, count)
    owned = await _owned_rules(app) if settings.alerts else None
    if owned is not None:
        app[OWNED_RULES] = owned
        app[FIRINGS].add_sink(HISTORY, owned.take)
        metrics.alert_rules.set_function(lambda: len(owned))
        work |= {RULES: owned.run, HISTORY: owned.write_history}
    if config.target:
        sender = Sender(config.target, metrics, claim=app.get(_CLAIM, unclaimed))
        app[FIRINGS].add_sink(SENDING, sender.take)
        work[SENDING] = sender.run
    kept: KeptCooldowns | None = None
    if MAPS in app and (owned is not None or config.rule):
        of_file = [OwnedRule("", rule) for rule in config.rule]
        evaluator = Evaluator(of_file)
        if of_file:
            records = await app[RECORDS](COOLDOWN_KIND, COOLDOWN_LIMITS)
            kept = KeptCooldowns(of_file, evaluator.rules, records, unreachable=_unreachable(app))
            app[FIRINGS].add_sink(COOLDOWNS, kept.take)
            # Before the monitor's loops: the cooldowns there are go on before anything is raised.
            work[COOLDOWNS] = kept.run
        monitor = AlertMonitor(
            evaluator,
            app[FIRINGS],
            maps=app[MAPS],
            liquidations=app[LIQUIDATION_BUS],
            symbols=app[SYMBOLS],
            on_failure=supervisor.report,
        )
        monitor.on_dropped = metrics.alerts_dropped.inc
        if owned is not None:
            owned.book = evaluator.rules
        work |= monitor.loops()
    async with AsyncExitStack() as loops:
        for name, loop in work.items():
            _ = await loops.enter_async_context(supervisor.background(name, loop))
        yield
    # What was raised in the last moment. A stop does not wait for a Redis or a disk that is away.
    with suppress(StoreError, *REDIS_ERRORS):
        if kept is not None:
            await kept.keep()
        if owned is not None:
            await owned.keep_raised()


def _of_markets(config: AlertsConfig, followed: Sequence[str]) -> AlertsConfig:
    """The file with its rules' markets by their symbols. One that is not followed is logged.

    It may be a typing error, whose alert is never raised, or a market that is listed or chosen later.
    """
    symbols = (followed_symbol(rule.symbol, followed) or rule.symbol for rule in config.rule)
    rules = [replace(rule, symbol=symbol) for rule, symbol in zip(config.rule, symbols, strict=True)]
    for rule in rules:
        if rule.symbol not in ("*", *followed):
            _log.warning("alert_rule_of_no_market", rule=rule.name, symbol=rule.symbol)
    return replace(config, rule=rules)


def _unreachable(app: web.Application) -> tuple[type[BaseException], ...]:
    """Errors that mean that what is kept cannot be reached just now."""
    return REDIS_ERRORS if app[SETTINGS].redis_enabled else ()


async def _owned_rules(app: web.Application) -> OwnedRules:
    leadership = _Leadership(app)
    owned = OwnedRules(
        await app[RECORDS](RULE_KIND, RULE_LIMITS),
        await app[RECORDS](HISTORY_KIND, HISTORY_LIMITS),
        app[FIRINGS],
        leads=leadership.is_held,
        unreachable=_unreachable(app),
    )
    owned.on_lost = app[METRICS].alerts_not_kept.inc
    return owned


class _Leadership:
    """Whether this server evaluates the rules of pages: alone or as leader.

    While Redis is away, the server that led last goes on with the rules it knows, and no other begins: each
    alert comes once.
    """

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._has_led = False

    def is_held(self) -> bool:
        """Does it evaluate them now?"""
        if not self._app[SETTINGS].redis_enabled:
            return True
        fleet = self._app.get(FLEET)
        if fleet is not None and fleet.redis != "down":
            self._has_led = fleet.role == NodeRole.LEADER
        return self._has_led
