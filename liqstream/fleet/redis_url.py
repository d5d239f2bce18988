"""From REDIS_URL to a client that never keeps a caller waiting for long.

A command has one second and one attempt: with redis-py's own retries a hung Redis holds up one publish for
25 s. Whoever calls decides what a failure means.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

SOCKET_TIMEOUT_S = 1.0
DEFAULT_SENTINEL_PORT = 26379
_OPTIONS = (
    "db",
    "username",
    "password",
    "client_name",
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_certfile",
    "ssl_keyfile",
)
_CERT_REQS = ("none", "optional", "required")
_SENTINEL_SCHEMES = ("sentinel", "redis+sentinel")
_SCHEMES = ("redis", "rediss", "unix", *_SENTINEL_SCHEMES)


class RedisUrlError(ValueError):
    """A REDIS_URL that cannot be used; the message is the one line to show."""


def connect(url: str) -> aioredis.Redis:
    """A client of the Redis at `url`; no connection is made before the first command.

    redis://[user:password@]host[:port][/db], rediss:// for TLS, unix:///path/to.sock[?db=n], or
    sentinel://[user:password@]host[:port][,host[:port]...]/service[/db]. Raises RedisUrlError.
    """
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES or "://" not in url:
        raise RedisUrlError(f"REDIS_URL must start with one of {', '.join(s + '://' for s in _SCHEMES)}")
    try:
        if scheme in _SENTINEL_SCHEMES:
            return _through_sentinel(url)
        _check_parts(url)
        return aioredis.Redis.from_url(url, **_connection_options())
    except ValueError as error:
        raise RedisUrlError(f"REDIS_URL cannot be read: {error}") from None


def _check_parts(url: str) -> None:
    """Raise ValueError for what redis-py would pass over (a database that is none) or take at its word.

    Its options reach every connection: with some of them nothing is bounded or understood any more.
    """
    parts = urlsplit(url)
    if parts.scheme != "unix" and not _is_number(parts.path.removeprefix("/") or "0"):
        raise ValueError("after the host and / comes the number of a database, e.g. redis://localhost:6379/1")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _OPTIONS:
            # Its name is not shown: what follows a "?" may be the rest of a password.
            raise ValueError(f"an option after the ? must be one of {', '.join(_OPTIONS)}")
        if name.startswith("ssl_") and parts.scheme != "rediss":
            raise ValueError(f"{name} is of TLS, which rediss:// speaks")
        if name == "ssl_cert_reqs" and value not in _CERT_REQS:
            raise ValueError(f"ssl_cert_reqs must be one of {', '.join(_CERT_REQS)}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


class _ThroughSentinel(aioredis.Redis):
    """A client of the master that, closed, also closes those of the sentinels it asked."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to the master and to every sentinel."""
        await super().aclose(close_connection_pool)
        if isinstance(self.connection_pool, SentinelConnectionPool):
            for sentinel in self.connection_pool.sentinel_manager.sentinels:
                await sentinel.aclose()


def _connection_options() -> dict[str, Any]:
    return {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        # Announcements only Redis' cloud service makes; asking for them costs every connection a round trip.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        # Else redis-py reads its own version from disk, on the event loop, for every connection.
        "driver_info": None,
    }


def _through_sentinel(url: str) -> aioredis.Redis:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    if not service or parts.query or not _is_number(db or "0"):
        raise ValueError("name the service, and a database by its number: sentinel://host:26379/service[/1]")
    user, _, password = credentials.partition(":")
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        [_host_and_port(host) for host in hosts.split(",")], sentinel_kwargs=_connection_options()
    )
    client: aioredis.Redis = sentinel.master_for(
        service,
        redis_class=_ThroughSentinel,
        db=int(db or 0),
        username=unquote(user) or None,
        password=unquote(password) or None,
        **_connection_options(),
    )
    return client


def _host_and_port(text: str) -> tuple[str, int]:
    # Brackets are of an address with colons of its own.
    host, _, port = (text, "", "") if text.endswith("]") or ":" not in text else text.rpartition(":")
    if not host:
        raise ValueError("a sentinel without a host")
    port = port or str(DEFAULT_SENTINEL_PORT)
    if not _is_number(port) or not 0 < int(port) < 1 << 16:
        raise ValueError("a sentinel's port must be a number from 1 to 65535")
    return host.strip("[]"), int(port)
