"""What systemd hears, on a real notify socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from liqstream.server.sd_notify import STOPPING, ServiceManager


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def _environ(listener: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": listener.getsockname(), **more}


def test_ready_and_stopping(listener: socket.socket) -> None:
    """Ready comes with a line for `systemctl status`."""
    manager = ServiceManager(_environ(listener))
    manager.ready("at http://127.0.0.1:8000")
    assert listener.recv(512) == b"READY=1\nSTATUS=at http://127.0.0.1:8000"
    manager.notify(STOPPING)
    assert listener.recv(512) == b"STOPPING=1"


def test_a_reload_names_its_time(listener: socket.socket) -> None:
    """systemd tells a new reload from an old one by it."""
    ServiceManager(_environ(listener)).reloading()
    assert listener.recv(512).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


async def test_the_watchdog_is_fed_twice_per_period(listener: socket.socket) -> None:
    """As long as the event loop turns."""
    listener.setblocking(False)
    manager = ServiceManager(_environ(listener, WATCHDOG_USEC="20000", WATCHDOG_PID=str(os.getpid())))
    assert manager.watchdog_s == 0.02
    feeding = asyncio.create_task(manager.feed_watchdog())
    loop = asyncio.get_running_loop()
    assert [await loop.sock_recv(listener, 512) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    feeding.cancel()
    await asyncio.wait([feeding])


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}])
async def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    """Started by hand, or with a watchdog that is meant for another process."""
    manager = ServiceManager(environ)
    manager.ready("here")
    await manager.feed_watchdog()


def test_a_deaf_manager_is_no_disaster(tmp_path: Path) -> None:
    """The server serves on."""
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("here")
