"""Pauses, resumes and the loss of a transport are reported, and aiohttp's protocol still gets every call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from liqstream.fanout.connection import Connection
from liqstream.fanout.flow_control import watch_drain
from tests.support.hand_client import HandTransport


class Log(asyncio.Protocol):
    """A protocol and a watcher that write down what they are called with."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.calls.append(f"data {data!r}")

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("inner lost")

    def pause_writing(self) -> None:
        self.calls.append("inner paused")

    def resume_writing(self) -> None:
        self.calls.append("inner resumed")

    def transport_paused(self, connection: Connection) -> None:
        self.calls.append("paused")

    def transport_resumed(self, connection: Connection) -> None:
        self.calls.append("resumed")

    def transport_lost(self, connection: Connection) -> None:
        self.calls.append("lost")


@pytest.fixture
def transport() -> HandTransport:
    return HandTransport()


@pytest.fixture
def log(transport: HandTransport) -> Log:
    log = Log()
    transport.protocol = log
    watch_drain(Connection(web.WebSocketResponse(), transport, window_bits=0), log)
    return log


def test_a_full_transport_is_reported_and_so_is_a_drained_one(log: Log, transport: HandTransport) -> None:
    """After aiohttp's own protocol, whose writers wait for the same."""
    transport.stalled = True
    transport.write(b"x")
    transport.read_all()
    assert log.calls == ["inner paused", "paused", "inner resumed", "resumed"]


def test_a_loss_is_reported_before_the_handler_ends(log: Log, transport: HandTransport) -> None:
    """The handler that aiohttp then ends must find the client forgotten."""
    watch: Any = transport.protocol
    watch.connection_lost(None)
    assert log.calls == ["lost", "inner lost"]


def test_all_else_is_passed_on(log: Log, transport: HandTransport) -> None:
    """With what the protocol returns."""
    watch: Any = transport.protocol
    watch.connection_made(transport)
    watch.data_received(b"x")
    assert watch.eof_received() is True
    assert log.calls == ["made", "data b'x'", "eof"]


def test_another_kind_of_protocol_is_refused() -> None:
    """It has no callbacks for pauses."""
    transport = HandTransport()
    transport.protocol = asyncio.BufferedProtocol()
    with pytest.raises(TypeError, match="BufferedProtocol"):
        watch_drain(Connection(web.WebSocketResponse(), transport, window_bits=0), Log())
