"""Whether this server can listen where it shall: asked first, for a start takes long and writes a store."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liqstream.settings.load import BadSettingError
from liqstream.settings.table import Settings


async def check_listening(settings: Settings) -> None:
    """Raise BadSettingError or OSError, as the start would at its end, if one is taken or none of ours."""
    _check_shared_port(settings)
    await _check_free(settings.host, settings.port, reuse_port=settings.reuse_port)
    if settings.metrics_host:
        with naming(f"LIQSTREAM_METRICS_HOST={settings.metrics_host}"):
            await _check_free(settings.metrics_host, settings.metrics_port, reuse_port=False)
    if settings.health_socket:
        with naming(f"LIQSTREAM_HEALTH_SOCKET={settings.health_socket}"):
            await asyncio.to_thread(_check_path, Path(settings.health_socket))


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Have an OSError say which setting it is about, and always why."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or errno.EINVAL, error.strerror or str(error), setting) from error


def _check_shared_port(settings: Settings) -> None:
    """Where a port is shared, clients would get another stream each time they connect."""
    if settings.reuse_port and not (settings.redis_enabled and settings.port):
        raise BadSettingError(
            "LIQSTREAM_REUSE_PORT: processes on one port need REDIS_ENABLED=true, to have one stream, and a "
            "LIQSTREAM_PORT other than 0"
        )


async def _check_free(host: str, port: int, *, reuse_port: bool) -> None:
    try:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, host, port, start_serving=False, reuse_port=reuse_port or None
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:  # the loop's own text repeats the address
            raise OSError(error.errno, os.strerror(error.errno)) from None
        raise
    server.close()


def _check_path(path: Path) -> None:
    if path.is_socket():
        return  # one that was left behind is replaced
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(str(path))
    path.unlink()
