"""RFC 6455 on the production handler, with wsproto as the second opinion and hypothesis as the fuzzer.

Where aiohttp, which reads the frames for us, does otherwise than the RFC, the test says so by name:
`test_known_deviation_...`.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from tests.attack.harness import Victim, attacked
from tests.attack.raw import BINARY, CLOSE, PING, PONG, TEXT, frame, request

CONTINUATION = 0x0
END = b"the end"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server that lets a test say much in a short time."""
    with attacked(tmp_path_factory.mktemp("server"), MESSAGE_RATE="100000", MESSAGE_BURST="100000") as server:
        yield server


@dataclass
class Outcome:
    """What a server makes of a client's frames."""

    messages: int = 0
    pongs: list[bytes] = field(default_factory=list)
    close: int | None = None


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _receive(sock: socket.socket) -> tuple[int, bytes]:
    first, size = _exactly(sock, 2)
    assert first & 0x70 == 0, "nothing was negotiated"
    assert not size & 0x80, "a server never masks"
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(sock, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", _exactly(sock, 8))
    return first & 0x0F, _exactly(sock, size)


def ours(server: Victim, stream: bytes) -> Outcome:
    """What our server makes of the frames: each message is answered, each ping echoed."""
    outcome = Outcome()
    with closing(socket.create_connection((server.host, server.port), timeout=10)) as sock:
        sock.sendall(request(server))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _exactly(sock, 1)
        assert head.startswith(b"HTTP/1.1 101")
        try:
            sock.sendall(stream + frame(PING, END))
            while True:
                opcode, payload = _receive(sock)
                if opcode == CLOSE:
                    outcome.close = struct.unpack("!H", payload[:2])[0] if payload else 1005
                    return outcome
                if opcode == PONG and payload == END:
                    return outcome
                if opcode == PONG:
                    outcome.pongs.append(payload)
                else:
                    json.loads(payload)
                    outcome.messages += 1
        except (EOFError, ConnectionError):
            outcome.close = outcome.close or 1006
            return outcome


def theirs(stream: bytes) -> Outcome:
    """What wsproto makes of the same frames."""
    outcome, connection = Outcome(), Connection(ConnectionType.SERVER)
    connection.receive_data(stream + frame(PING, END))
    for event in connection.events():
        if isinstance(event, TextMessage | BytesMessage):
            outcome.messages += event.message_finished
        elif isinstance(event, Ping) and bytes(event.payload) != END:
            outcome.pongs.append(bytes(event.payload))
        elif isinstance(event, CloseConnection):
            outcome.close = event.code
            break
    return outcome


Pieces = list[tuple[int, bytes, bool]]

payloads = st.binary(max_size=200)
texts = st.text(st.characters(max_codepoint=0x7F), max_size=150).map(str.encode)
controls = st.tuples(st.sampled_from((PING, PONG)), st.binary(max_size=125), st.just(True))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """One whole message in any number of fragments, with control frames between them."""
    opcode = draw(st.sampled_from((TEXT, BINARY)))
    parts = draw(st.lists(texts if opcode == TEXT else payloads, min_size=1, max_size=5))
    stream = b""
    for number, part in enumerate(parts):
        stream += frame(CONTINUATION if number else opcode, part, fin=number == len(parts) - 1)
        for control, payload, _ in draw(st.lists(controls, max_size=2)):
            stream += frame(control, payload)
    return stream


@st.composite
def anything(draw: st.DrawFn) -> bytes:
    """Frames of any kind in any order, masked, small enough for their length to be no reason."""
    return frame(
        draw(st.sampled_from((CONTINUATION, TEXT, BINARY, 0x3, 0x7, PING, PONG, 0xB, 0xF))),
        draw(texts.filter(len)),
        fin=draw(st.booleans()),
        reserved=draw(st.sampled_from((0, 0, 0, 0x40, 0x20, 0x10))),
    )


@settings(max_examples=60)
@given(st.lists(messages(), max_size=6).map(b"".join))
def test_whole_messages_are_understood(server: Victim, stream: bytes) -> None:
    """However they are cut, and with control frames between: each is answered once, pings in order."""
    assert ours(server, stream) == theirs(stream)
    assert theirs(stream).close is None


@settings(max_examples=150)
@given(st.lists(st.one_of(messages(), anything()), max_size=8).map(b"".join))
def test_broken_streams_end_where_and_how_the_rfc_says(server: Victim, stream: bytes) -> None:
    """The same frames are accepted before the first violation, and its close code is the same."""
    verdict, opinion = ours(server, stream), theirs(stream)
    assert verdict.close == opinion.close
    if opinion.close is None:
        assert verdict == opinion
    else:
        # What was sent just before a violation may be cut off by the close.
        assert verdict.messages <= opinion.messages
        assert opinion.pongs[: len(verdict.pongs)] == verdict.pongs


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_is_answered_with_a_close(server: Victim, code: int) -> None:
    """And nothing after it."""
    outcome = ours(server, frame(CLOSE, struct.pack("!H", code) + b"bye") + frame(TEXT, b"{}"))
    assert outcome.close in (code, 1000)
    assert outcome.messages == 0


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
def test_a_close_code_nobody_may_send_is_a_violation(server: Victim, code: int) -> None:
    """1002."""
    assert ours(server, frame(CLOSE, struct.pack("!H", code))).close == 1002


def test_a_close_without_a_code_is_fine(server: Victim) -> None:
    """An empty one, that is; half a code is not."""
    assert ours(server, frame(CLOSE)).close in (1000, 1005)
    assert ours(server, frame(CLOSE, b"\x03")).close == 1002


@pytest.mark.parametrize("text", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"{\xe2\x82"])
def test_text_must_be_utf_8(server: Victim, text: bytes) -> None:
    """1007, also when a character is cut by a fragment and never finished."""
    assert ours(server, frame(TEXT, text)).close == 1007
    assert ours(server, frame(TEXT, text[:1], fin=False) + frame(CONTINUATION, text[1:])).close == 1007
    assert ours(server, frame(CLOSE, struct.pack("!H", 1000) + text)).close == 1007


def test_a_character_may_be_cut_by_a_fragment(server: Victim) -> None:
    """As long as the message is UTF-8."""
    word = '"häß€𝄞"'.encode()
    stream = b"".join(
        frame(CONTINUATION if at else TEXT, word[at : at + 1], fin=at == len(word) - 1)
        for at in range(len(word))
    )
    assert ours(server, stream) == Outcome(messages=1)


@given(st.binary(min_size=4, max_size=4), texts)
@settings(max_examples=20)
def test_every_mask_is_undone(server: Victim, mask: bytes, text: bytes) -> None:
    """The pong carries what the ping did before it was masked."""
    payload = text[:125]
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    stream = bytes([0x80 | PING, 0x80 | len(payload)]) + mask + masked
    assert ours(server, stream).pongs == [payload]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 4095, 4096])
def test_every_form_of_length(server: Victim, size: int) -> None:
    """Up to the limit of 4 KiB."""
    assert ours(server, frame(TEXT, b"x" * size)) == Outcome(messages=1)


@pytest.mark.parametrize(
    "length", [bytes([0x80 | 126]) + struct.pack("!H", 2), bytes([0x80 | 127]) + struct.pack("!Q", 2)]
)
def test_known_deviation_a_length_may_be_longer_than_it_must(server: Victim, length: bytes) -> None:
    """RFC 6455 5.2 asks for the shortest form; aiohttp also reads the others. They do no harm."""
    assert ours(server, bytes([0x80 | TEXT]) + length + b"\0\0\0\0{}").messages == 1


def test_known_deviation_an_empty_first_fragment_is_forgotten(server: Victim) -> None:
    """A message may begin inside another one that holds nothing yet; aiohttp takes it for the first."""
    assert ours(server, frame(TEXT, b"", fin=False) + frame(TEXT, b"{}")) == Outcome(messages=1)


@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, PING, PONG, CLOSE, 0x3])
def test_an_unmasked_frame_is_a_violation(server: Victim, opcode: int) -> None:
    """1002 at the first, whatever it is; what came masked before it is answered."""
    outcome = ours(server, frame(PING, b"x") + frame(opcode, b"", masked=False) + frame(TEXT, b"{}"))
    assert outcome == Outcome(pongs=[b"x"], close=1002)


def test_an_unmasked_frame_within_the_handshakes_packet_is_seen(server: Victim) -> None:
    """Nothing that comes before the socket is open slips past the check."""
    with closing(socket.create_connection((server.host, server.port), timeout=10)) as sock:
        sock.sendall(request(server) + frame(TEXT, b"{}", masked=False))
        answer = b""
        while more := sock.recv(4096):
            answer += more
    assert answer.startswith(b"HTTP/1.1 101")
    assert answer.partition(b"\r\n\r\n")[2].startswith(b"\x88\x02\x03\xea")


@pytest.mark.parametrize("version", [b"", b"7", b"8", b"12", b"13, 8", b"14", b"+13"])
def test_only_version_13_is_spoken(server: Victim, version: bytes) -> None:
    """426, and which version would do (RFC 6455 4.4)."""
    head = request(server).replace(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: " + version)
    with closing(socket.create_connection((server.host, server.port), timeout=10)) as sock:
        sock.sendall(head)
        answer = sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 426")
    assert b"sec-websocket-version: 13\r\n" in answer.lower()
    assert b'{"error":' in answer
