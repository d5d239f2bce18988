"""The other end of the fan-out bench: N clients on one core that throw away what they read.

Run as `python -m bench.fanout_drain PORT CLIENTS PATH COUNTER_FILE CPU [SUBSCRIBE]`. It upgrades every
connection, sends the SUBSCRIBE message where one is given, then reads all sockets into one buffer and keeps
the total of bytes read in the first 8 bytes of COUNTER_FILE, so that the server can see when all arrived.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import sys
from pathlib import Path

_ADDRESSES = 60
"""Source addresses on the loopback: one has ports for 28,000 connections only."""


def handshake(path: str, extensions: str) -> bytes:
    """A WebSocket upgrade."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        f"{extensions}\r\n"
    ).encode()


def masked_text(text: str) -> bytes:
    """A short client message, masked with zeros."""
    payload = text.encode()
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
    return head + b"\0\0\0\0" + payload


def connect(port: int, number: int, opening: bytes, message: bytes) -> socket.socket:
    """One upgraded and subscribed connection."""
    sock = socket.socket()
    sock.bind((f"127.0.0.{2 + number % _ADDRESSES}", 0))
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(opening)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise SystemExit(f"no upgrade: {answer[:100]!r}")
    sock.sendall(message)
    return sock


def drain(sockets: dict[int, socket.socket], counter: mmap.mmap) -> None:
    """Read everything until the server closes."""
    poll = select.epoll()
    for fd, sock in sockets.items():
        sock.setblocking(False)
        poll.register(fd, select.EPOLLIN)
    buffer = bytearray(1 << 20)
    total = 0
    while True:
        for fd, _ in poll.poll():
            try:
                count = sockets[fd].recv_into(buffer)
            except (BlockingIOError, ConnectionResetError):
                continue
            if not count:
                return
            total += count
        counter[:8] = struct.pack("q", total)


def main() -> None:
    """Connect, tell how many are connected in bytes 8-15 of the counter, and drain."""
    port, clients, path, counter_file, cpu = sys.argv[1:6]
    subscribe, extensions = (*sys.argv[6:], "", "")[:2]
    os.sched_setaffinity(0, {int(cpu)})
    with Path(counter_file).open("r+b") as file:
        counter = mmap.mmap(file.fileno(), 16)
    opening = handshake(path, extensions and f"Sec-WebSocket-Extensions: {extensions}\r\n")
    message = masked_text(subscribe) if subscribe else b""
    sockets: dict[int, socket.socket] = {}
    for number in range(int(clients)):
        sock = connect(int(port), number, opening, message)
        sockets[sock.fileno()] = sock
    counter[8:16] = struct.pack("q", len(sockets))
    drain(sockets, counter)


if __name__ == "__main__":
    main()
