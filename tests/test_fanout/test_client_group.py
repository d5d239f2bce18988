"""A group's buffer reaches every synced client whole, whatever the kernel takes of it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

from liqstream.fanout.client_group import Group
from liqstream.wire.encoding import Shape, Variant
from tests.support.hand_client import HandTransport


class ClosedTransport(HandTransport):
    """Refuses to be written to, as uvloop's does once it is closed."""

    def write(self, data: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")


@dataclass(eq=False)
class Client:
    """A member of a group."""

    transport: asyncio.WriteTransport = field(default_factory=HandTransport)


def group_of(client: Client, fd: int) -> Group[Client]:
    group: Group[Client] = Group(Variant(Shape.V1, 0), ("BTCUSDT",))
    group.synced[client] = fd
    return group


def test_one_buffer_goes_straight_to_the_descriptor() -> None:
    """All frames in order; the transport is not asked."""
    client, (near, far) = Client(), socket.socketpair()
    with near, far:
        assert group_of(client, near.fileno()).write([b"one", b"two"]) == 6
        assert far.recv(100) == b"onetwo"
    assert isinstance(client.transport, HandTransport)
    assert client.transport.writes == 0


def test_what_the_kernel_does_not_take_is_the_transports() -> None:
    """The bytes from the first one on that did not fit."""
    client, (near, far) = Client(), socket.socketpair()
    near.setblocking(False)
    with near, far:
        size = group_of(client, near.fileno()).write([b"x" * 3_000_000, b"end"])
        assert size == 3_000_003
        assert isinstance(client.transport, HandTransport)
        rest = bytes(client.transport.arrived)
        taken = size - len(rest)
        assert 0 < taken < size
        assert rest.endswith(b"xend")
        received = b""
        while len(received) < taken:
            received += far.recv(taken)
        assert received + rest == b"x" * 3_000_000 + b"end"


def test_a_client_without_a_plain_socket_is_written_by_its_transport() -> None:
    """As over TLS."""
    client = Client()
    group_of(client, -1).write([b"one"])
    assert isinstance(client.transport, HandTransport)
    assert client.transport.arrived == b"one"


def test_a_closed_transport_costs_nobody_else_the_frame() -> None:
    """It is aborted; the next client is served."""
    gone, other = Client(ClosedTransport()), Client()
    group = group_of(gone, -1)
    group.synced[other] = -1
    group.write([b"one"])
    assert isinstance(gone.transport, HandTransport)
    assert isinstance(other.transport, HandTransport)
    assert gone.transport.aborted
    assert other.transport.arrived == b"one"


def test_the_size_of_a_group_counts_both_kinds() -> None:
    """Synced and lagging."""
    group = group_of(Client(), -1)
    group.lagging[Client()] = None
    assert len(group) == 2
