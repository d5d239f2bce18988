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
    group.sync(client, fd)
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
    group.sync(other, -1)
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


def test_whoever_comes_and_goes_between_two_writes_counts() -> None:
    """With a descriptor and without; nobody is written to twice, and nobody after it went."""
    pairs = [socket.socketpair() for _ in range(3)]
    clients = [Client() for _ in range(4)]
    fds = [*(near.fileno() for near, _ in pairs), -1]
    group = group_of(clients[2], fds[2])
    group.lagging[clients[0]] = None
    group.write([b"a"])
    for number in (3, 0, 1):
        group.sync(clients[number], fds[number])
    assert not group.lagging
    group.write([b"b"])
    assert group.unsync(clients[2])
    assert not group.unsync(clients[2])
    group.write([b"c"])
    received = [far.recv(100) for _, far in pairs]
    transport = clients[3].transport
    assert isinstance(transport, HandTransport)
    assert [*received, transport.arrived] == [b"bc", b"bc", b"ab", b"bc"]
    for near, far in pairs:
        near.close()
        far.close()


def test_a_full_socket_costs_the_others_nothing() -> None:
    """Its rest goes to its own transport; who has no descriptor gets all by its own in the same write."""
    full, ready, other = Client(), Client(), Client()
    (near, far), (near2, far2) = socket.socketpair(), socket.socketpair()
    with near, far, near2, far2:
        near.setblocking(False)
        filled = 0
        while True:
            try:
                filled += near.send(b"x" * 100_000)
            except BlockingIOError:
                break
        group = group_of(full, near.fileno())
        group.sync(ready, near2.fileno())
        group.sync(other, -1)
        group.write([b"one"])
        assert far2.recv(100) == b"one"
        arrived = [client.transport for client in (full, ready, other)]
        assert [it.arrived for it in arrived if isinstance(it, HandTransport)] == [b"one", b"", b"one"]
