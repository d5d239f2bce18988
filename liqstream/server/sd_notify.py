"""Notifies systemd that the server is ready, alive, reloading or stopping (the sd_notify protocol).

The watchdog is fed by the event loop itself: a loop that stands still feeds nothing and is restarted.
https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


class ServiceManager:
    """The service manager that listens on `NOTIFY_SOCKET`; without one every call does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environ)

    def notify(self, *states: str) -> None:
        """Send states; a manager that does not listen is logged, not fatal."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
                channel.connect(self._address)
                channel.send("\n".join(states).encode())
        except OSError as error:
            log.warning("service_manager_unreachable", reason=error.strerror)

    def ready(self, status: str) -> None:
        """The port is open; `status` is shown by `systemctl status`."""
        self.notify(READY, f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it."""
        self.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def feed_watchdog(self) -> None:
        """Report "alive" twice per watchdog period until cancelled; without a watchdog, return at once."""
        while self.watchdog_s is not None:
            self.notify(ALIVE)
            await asyncio.sleep(self.watchdog_s / 2)


def _address(path: str) -> str | None:
    if path.startswith("@"):
        return "\0" + path[1:]
    return path if path.startswith("/") else None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """The watchdog's period, if it is meant for this process."""
    period_us = environ.get("WATCHDOG_USEC", "")
    if not period_us.isdecimal() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(period_us) / 1_000_000 or None
