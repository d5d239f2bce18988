"""Network namespaces of our own, each with a TUN device as its only way out; nothing is left behind.

A namespace lives as long as the descriptor that this process holds, so neither names nor mounts are needed.
What the machine does not allow raises NotAllowedError with the step and the kernel's reason.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_QUEUE_PACKETS = 20_000
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


class NotAllowedError(Exception):
    """This machine does not let us; says what and why."""


class Namespace:
    """A network namespace; `tun` is the descriptor its packets are read from and written to."""

    def __init__(self, address: str, peer: str) -> None:
        self.address = address
        self.peer = peer
        # A namespace belongs to a thread: what is done in it is done by this one.
        self._thread = ThreadPoolExecutor(1)
        try:
            self.fd, self.tun = self._thread.submit(_made, address, peer).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def run(self, work: Callable[[], T]) -> T:
        """Do it within: a socket made there is one of this namespace, whoever uses it."""
        return self._thread.submit(work).result()

    @property
    def prefix(self) -> tuple[str, ...]:
        """Before a command, runs it within."""
        return ("nsenter", f"--net=/proc/{os.getpid()}/fd/{self.fd}", "--")

    def use_congestion_control(self, name: str) -> bool:
        """For connections over the path; False where the kernel does not have it.

        By the route: a namespace's own default may only be one that the machine allows to everybody.
        """
        route = ("ip", "route", "replace", self.peer, "dev", "path0", "congctl", name)
        try:
            self.run(lambda: _run(*route))
        except NotAllowedError:
            return False
        return True

    def close(self) -> None:
        """Give it up; it goes with its last process."""
        self._thread.shutdown()
        os.close(self.fd)
        os.close(self.tun)


def _made(address: str, peer: str) -> tuple[int, int]:
    if _libc.unshare(_CLONE_NEWNET):
        raise NotAllowedError(f"a network namespace: {os.strerror(ctypes.get_errno())}")
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"path0", _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        raise NotAllowedError(f"a TUN device: {error.strerror}") from error
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "address", "add", address, "peer", peer, "dev", "path0"),
        ("ip", "link", "set", "path0", "up", "txqueuelen", str(_QUEUE_PACKETS)),
    ):
        _run(*command)
    return namespace, tun


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotAllowedError(f"{command[0]}: not installed") from error
    except subprocess.CalledProcessError as error:
        raise NotAllowedError(f"{' '.join(command)}: {error.stderr.strip()}") from error


def slowed_by_kernel(namespace: Namespace, *, delay_ms: float, loss: float) -> str | None:
    """Delay and lose what leaves the namespace by netem; None when that is done, else why it was not."""
    limit = ("limit", str(_QUEUE_PACKETS))
    rule = ("netem", "delay", f"{delay_ms:g}ms", "loss", f"{100 * loss:g}%", *limit)
    try:
        namespace.run(lambda: _run("tc", "qdisc", "add", "dev", "path0", "root", *rule))
    except NotAllowedError as error:
        return str(error).rpartition(": ")[2]
    return None


@contextmanager
def two_namespaces() -> Iterator[tuple[Namespace, Namespace]]:
    """That of a server and that of its clients; RFC 2544's addresses, which nobody has."""
    server = Namespace("198.18.0.1", "198.18.0.2")
    try:
        clients = Namespace("198.18.0.2", "198.18.0.1")
        try:
            yield server, clients
        finally:
            clients.close()
    finally:
        server.close()
