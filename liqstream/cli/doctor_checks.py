"""What a machine must have to run liqstream well: each thing checked, and what to do where it lacks."""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import aiohttp
import duckdb

from liqstream.client.url_mask import masked
from liqstream.feeds.http_session import proxy_of
from liqstream.feeds.registry import VENUES
from liqstream.fleet.redis_pubsub import REDIS_ERRORS, RedisNames
from liqstream.fleet.redis_url import RedisUrlError, connect
from liqstream.fleet.scripts import run_script
from liqstream.http.static_files import web_root
from liqstream.ingest.feed_factory import (
    SourceError,
    address_warnings,
    check_exchange_urls,
    exchange_endpoints,
)
from liqstream.settings.table import Settings

Verdict = Literal["ok", "advice", "fault"]

OPEN_FILES_BESIDE_CLIENTS = 256
LEAST_FREE_BYTES = 1_000_000_000
MOST_SKEW_S = 1.0
SAFE_AIOHTTP = (3, 14, 5)
REACH_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing: how it stands, and the cure where it does not stand well."""

    thing: str
    verdict: Verdict
    finding: str
    cure: str = ""


async def examine(settings: Settings) -> AsyncIterator[Check]:
    """Every check, one after the other."""
    checks: tuple[Callable[[Settings], Check], ...] = (
        _python,
        _event_loop,
        _page,
        _open_files,
        _port,
        _disk,
        _database,
        _redis,
        _exchange_urls,
    )
    for check in checks:
        yield await asyncio.to_thread(check, settings)
    for found in await _exchanges(settings):
        yield found


def _python(_settings: Settings) -> Check:
    aiohttp_version = version("aiohttp")
    words = f"Python {'.'.join(map(str, sys.version_info[:3]))}, aiohttp {aiohttp_version}"
    if tuple(map(int, aiohttp_version.split(".")[:3])) < SAFE_AIOHTTP:
        return Check("python", "fault", words, "pip install --upgrade aiohttp (known holes before 3.14.5)")
    return Check("python", "ok", words)


def _event_loop(_settings: Settings) -> Check:
    if find_spec("uvloop") is None:
        cure = "pip install 'liqstream[speed]' (fewer CPU microseconds per frame)"
        return Check("event loop", "advice", "asyncio's own", cure)
    return Check("event loop", "ok", f"uvloop {version('uvloop')}")


def _page(_settings: Settings) -> Check:
    root = web_root()
    wanted = (
        root / "templates" / "coinglass_heatmap.html",
        root / "templates" / "markets.html",
        root / "vendor" / "lightweight-charts.mjs",
    )
    missing = [str(path) for path in wanted if not path.is_file()]
    if missing:
        cure = "in a checkout: `make run` fetches it; from a package: install the wheel again"
        return Check("page", "fault", f"missing: {', '.join(missing)}", cure)
    return Check("page", "ok", f"template and chart library in {root}")


def _open_files(settings: Settings) -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.ws_max_connections + OPEN_FILES_BESIDE_CLIENTS
    words = f"{soft} allowed, {wanted} wanted for WS_MAX_CONNECTIONS={settings.ws_max_connections}"
    if soft >= wanted:
        return Check("open files", "ok", words)
    cure = f"`ulimit -n {wanted}` (hard limit {hard}), or LimitNOFILE= in the systemd unit"
    return Check("open files", "fault", words, cure)


def _port(settings: Settings) -> Check:
    where = f"{settings.host}:{settings.port}"
    try:
        with socket.create_server((settings.host, settings.port)):
            return Check("port", "ok", f"{where} is free")
    except OSError as error:
        cure = "stop what holds it, or choose another with LIQSTREAM_PORT or --port"
        return Check("port", "advice", f"{where}: {error.strerror}", f"{cure} (fine if liqstream is running)")


def _disk(settings: Settings) -> Check:
    folder = _nearest_folder(settings.db_path.absolute().parent)
    free = shutil.disk_usage(folder).free
    words = f"{free / 1e9:.1f} GB free at {folder}"
    if free < LEAST_FREE_BYTES:
        return Check("disk", "fault", words, "free some, or move LIQSTREAM_DB to a larger disk")
    return Check("disk", "ok", words)


def _nearest_folder(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())


def _database(settings: Settings) -> Check:
    path = settings.db_path
    if not path.exists():
        return Check("database", "ok", f"{path} will be made at the first start")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute("SELECT count(*) FROM candles").fetchone()
    except duckdb.Error as error:
        line = str(error).splitlines()[0]
        if "Conflicting lock" in line:
            return Check("database", "ok", f"{path} is in use by a running liqstream")
        cure = "see docs/operations.md (restore a backup), or choose another file with LIQSTREAM_DB"
        return Check("database", "fault", f"{path}: {line}", cure)
    return Check("database", "ok", f"{path} opens, {row[0] if row else 0} bars")


def _redis(settings: Settings) -> Check:
    if not settings.redis_enabled:
        return Check("redis", "ok", "off (REDIS_ENABLED=false): one server")
    try:
        return Check("redis", "ok", f"answers in {asyncio.run(_redis_answers_in_s(settings)) * 1000:.1f} ms")
    except (RedisUrlError, *REDIS_ERRORS) as error:
        cure = "start it, or correct REDIS_URL; meanwhile each server streams on its own"
        return Check("redis", "fault", masked(str(error)), cure)


async def _redis_answers_in_s(settings: Settings) -> float:
    """How long a ping takes; then what else a server of a fleet needs, which changes nothing there.

    A user without the rights for it answers a ping too, and so does one of the servers that share the keys.
    """
    redis, names = connect(settings.redis_url), RedisNames(settings.redis_channel_prefix)
    try:
        began_s = time.monotonic()
        await redis.ping()
        took_s = time.monotonic() - began_s
        await run_script(redis, "newer", [names.latest("BTCUSDT"), names.latest("ETHUSDT")], [0, 0, 0, 0, 0])
        async with redis.pubsub() as pubsub:
            await pubsub.subscribe(names.wake_channel)
            await pubsub.get_message(timeout=1)
        return took_s
    finally:
        await redis.aclose()


def _exchange_urls(settings: Settings) -> Check:
    try:
        check_exchange_urls(settings)
    except SourceError as error:
        return Check("exchange addresses", "fault", str(error), "correct the name, or unset the variable")
    if warnings := address_warnings(settings):
        return Check(
            "exchange addresses", "fault", "; ".join(warnings.values()), "correct LIQSTREAM_<NAME>_WS_URL"
        )
    return Check("exchange addresses", "ok", "each belongs to an exchange")


async def _exchanges(settings: Settings) -> list[Check]:
    if not settings.exchanges:
        return [Check("exchanges", "ok", "none (LIQSTREAM_EXCHANGES is empty): a simulated market")]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(REACH_TIMEOUT_S)) as session:
        found = [await _exchange(session, settings, name) for name in settings.exchanges]
    return [check for checks in found for check in checks]


async def _exchange(session: aiohttp.ClientSession, settings: Settings, name: str) -> list[Check]:
    venue = VENUES.get(name)
    if venue is None:
        return [Check(name, "fault", "no such exchange", f"one of {', '.join(VENUES)}")]
    url = exchange_endpoints(settings, name).rest_url.rstrip("/") + venue.ping_path
    try:
        began_s = time.time()
        async with session.get(url, proxy=proxy_of(url, settings.proxy)) as answer:
            ended_s = time.time()
            date = answer.headers.get("Date")
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        cure = "check network, proxy and firewall; the other exchanges go on without it"
        finding = masked(f"{url}: {str(error) or 'no answer'}")
        return [Check(name, "fault", finding, cure)]
    if status in (403, 451):
        cure = "it does not serve your country or network; leave it out of LIQSTREAM_EXCHANGES"
        return [Check(name, "fault", f"{masked(url)} answers {status}", cure)]
    age_days = (datetime.now(UTC).date() - venue.checked_on).days
    return [
        Check(
            name,
            "ok",
            f"answers in {(ended_s - began_s) * 1000:.0f} ms; its facts were checked {age_days} days ago "
            f"({venue.checked_on})",
        ),
        *_clock(date, began_s, ended_s),
    ]


def _clock(date: str | None, began_s: float, ended_s: float) -> list[Check]:
    """The exchange's clock has whole seconds and answered somewhere between the two times."""
    if date is None:
        return []
    theirs_s = parsedate_to_datetime(date).timestamp()
    skew_s = max(0.0, theirs_s - ended_s, began_s - (theirs_s + 1))
    if skew_s > MOST_SKEW_S:
        return [
            Check(
                "clock", "fault", f"{skew_s:.1f} s off", "run an NTP client (e.g. `timedatectl set-ntp true`)"
            )
        ]
    return [Check("clock", "ok", f"within {MOST_SKEW_S:.0f} s of the exchange's")]
