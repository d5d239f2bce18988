"""The socket options that keep a stalled client cheap, where the platform has them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios

SEND_BUFFER_BYTES = 128 * 1024
"""Bounds what a peer that acknowledges nothing can hold. The kernel doubles it for its own bookkeeping."""

NOTSENT_LOWAT_BYTES = 64 * 1024
"""Without it the kernel takes 4 MB of stale snapshots per stalled client before it pushes back."""

USER_TIMEOUT_MS = 30_000
"""In case our own eviction fails: the kernel drops a peer that acknowledges nothing for so long."""


def tune_socket(transport: asyncio.BaseTransport) -> None:
    """Set the options on an accepted connection; unix sockets and platforms without them are left alone."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    _set(sock, socket.SOL_SOCKET, "SO_SNDBUF", SEND_BUFFER_BYTES)
    _set(sock, socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", NOTSENT_LOWAT_BYTES)
    _set(sock, socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", USER_TIMEOUT_MS)


def _set(sock: socket.socket, level: int, option: str, value: int) -> None:
    number = getattr(socket, option, None)
    if number is not None:
        # A peer that is gone already makes this fail; the read side reports it.
        with contextlib.suppress(OSError):
            sock.setsockopt(level, number, value)


def plain_socket_fd(transport: asyncio.BaseTransport) -> int:
    """The descriptor whose bytes are the peer's bytes; -1 where there is none or TLS lies between."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    fd: int = sock.fileno()
    return fd


def undelivered_bytes(transport: asyncio.WriteTransport) -> int:
    """Bytes the peer has not acknowledged: in the transport's buffer and in the kernel's send queue."""
    waiting = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is None:
        return waiting
    try:
        reply = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    except OSError:
        return waiting
    queued: int = struct.unpack("i", reply)[0]
    return waiting + queued
