"""Each message of a client and what it is answered, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.wire.close_codes import RATE_LIMITED, TOO_MANY_ERRORS
from liqstream.ws.session import ERROR_WINDOW_S, MAX_ERRORS, MAX_OVER_RATE, Session, outcome_of
from tests.support.hand_client import HandClient, done
from tests.support.hand_clock import HandClock
from tests.support.market_tables import table
from tests.support.snapshots import first_snapshot


class Conversation:
    """A session, its client and its clock."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.manager = ConnectionManager(timers=self.clock, now_ms=lambda: 1_766_932_200_000)
        self.client = HandClient(self.manager, 0)
        self.connection = self.manager._connections[self.client.ws]
        symbols = ("BTCUSDT", "ETHUSDT")
        self.session = Session(self.manager, self.connection, symbols=symbols, clock=self.clock.time)

    def ask(self, message: str) -> list[dict[str, Any]]:
        """The answers to one message, which must not close the connection."""
        assert done(self.session.answer(message)) is None
        return self.answers()

    def answers(self) -> list[dict[str, Any]]:
        messages = self.client.frames.messages(bytes(self.client.transport.arrived))
        self.client.transport.arrived.clear()
        return messages


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


def test_the_first_protocol_acknowledges_nothing(talk: Conversation) -> None:
    """Its clients wait for snapshots, and ids are the second's."""
    assert talk.ask('{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":3,"id":1}') == []
    assert talk.manager.active_symbols() == {"BTCUSDT"}
    assert talk.manager.smallest_interval_s(60) == 3
    assert talk.ask('{"action":"ping","id":1}') == [{"type": "pong", "timestamp": "2025-12-28T14:30:00Z"}]
    assert talk.ask('{"action":"unsubscribe","symbols":["BTCUSDT"]}') == []
    assert talk.manager.active_symbols() == frozenset()


def test_the_second_protocol_acknowledges_with_the_id(talk: Conversation) -> None:
    """What is followed from now on, at which interval, in which form."""
    (answer,) = talk.ask(
        '{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":99,"proto":2,"id":"a"}'
    )
    assert answer == {
        "type": "subscribed",
        "id": "a",
        "proto": 2,
        "symbols": ["BTCUSDT"],
        "update_interval": 60,
        "delta": True,
        "ticks": False,
        "positions": {},
    }
    assert talk.ask('{"action":"ping","id":5}')[0]["id"] == 5
    (answer,) = talk.ask('{"action":"unsubscribe","symbols":["BTCUSDT","ETHUSDT"],"id":6}')
    assert answer == {"type": "unsubscribed", "id": 6, "symbols": ["BTCUSDT"]}


def test_acks_and_pongs_state_where_the_server_stands(talk: Conversation) -> None:
    """Of the symbols subscribed to, and of all the connection follows; a symbol without a map is left out."""
    watcher = HandClient(talk.manager, 0)
    done(talk.manager.connect(watcher.ws, ["BTCUSDT"]))
    done(talk.manager.broadcast(first_snapshot(epoch=5, seq=7)))
    ack = talk.ask(
        '{"action":"subscribe","symbols":["BTCUSDT","ETHUSDT"],"proto":2,'
        '"resume":{"BTCUSDT":{"epoch":9,"seq":9},"ETHUSDT":{"epoch":9,"seq":9}}}'
    )[0]
    assert ack["positions"] == {"BTCUSDT": {"epoch": 5, "seq": 7}}
    (pong,) = talk.ask('{"action":"ping"}')
    assert pong["positions"] == {"BTCUSDT": {"epoch": 5, "seq": 7}}
    talk.ask('{"action":"unsubscribe","symbols":["BTCUSDT"]}')
    assert talk.ask('{"action":"ping"}')[0]["positions"] == {}


def test_unknown_symbols_are_named_and_the_others_served(talk: Conversation) -> None:
    """With what there is."""
    (answer,) = talk.ask('{"action":"subscribe","symbols":["DOGEBTC","BTCUSDT"]}')
    assert (answer["type"], answer["code"]) == ("error", "INVALID_SYMBOL")
    assert answer["message"] == "unknown symbol 'DOGEBTC'; available: BTCUSDT, ETHUSDT"
    assert talk.manager.active_symbols() == {"BTCUSDT"}


BAD = [
    '{"action":"unsubscribe"',
    '{"action":"resync","symbols":"ETHUSDT"',
    '{"action":"fly"',
    '{"symbols":["BTCUSDT"]',
    '{"action":"subscribe","symbols":[]',
    '{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":true',
    '{"action":"subscribe","symbols":["NOSUCH"]',
    '{"action":"unsubscribe","symbols":["NOSUCH"]',
    '{"action":"resync","symbols":["NOSUCH"]',
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("request_id", [4, 0, "r1", "", "x" * 64])
def test_errors_carry_the_id_of_what_they_answer(talk: Conversation, bad: str, request_id: int | str) -> None:
    """Every one, once the connection speaks protocol 2; before, the message itself must."""
    mark = f',"id":{json.dumps(request_id)}'
    assert "id" not in talk.ask(f"{bad}{mark}}}")[0]
    if "NOSUCH" not in bad:
        assert talk.ask(f'{bad}{mark},"proto":2}}')[0]["id"] == request_id
    talk.ask('{"action":"subscribe","symbols":["BTCUSDT"],"proto":2}')
    answers = talk.ask(f"{bad}{mark}}}")
    assert answers[0]["type"] == "error"
    assert [answer["id"] for answer in answers] == [request_id] * len(answers)


@pytest.mark.parametrize("request_id", ["true", "1.5", "[1]", '{"a":1}', f'"{"x" * 65}"'])
def test_what_is_no_id_does_not_come_back(talk: Conversation, request_id: str) -> None:
    """A bool, a fraction, a structure, a text that is too long."""
    talk.ask('{"action":"subscribe","symbols":["BTCUSDT"],"proto":2}')
    (answer,) = talk.ask(f'{{"action":"ping","id":{request_id}}}')
    assert answer["code"] == "INVALID_MESSAGE"
    assert "id" not in answer


def test_a_resync_of_what_is_not_subscribed_to_is_refused(talk: Conversation) -> None:
    """Whoever asks would wait for ever; what is subscribed to is sent all the same."""
    talk.ask('{"action":"subscribe","symbols":["BTCUSDT"],"proto":2}')
    done(talk.manager.broadcast(first_snapshot()))
    snapshot, refusal = talk.ask('{"action":"resync","symbols":["BTCUSDT","ETHUSDT"],"id":8}')[-2:]
    assert (snapshot["type"], snapshot["repeat"]) == ("snapshot", True)
    assert (refusal["code"], refusal["id"]) == ("INVALID_MESSAGE", 8)
    assert "no subscription to ETHUSDT" in refusal["message"]
    talk.ask('{"action":"unsubscribe","symbols":["BTCUSDT"]}')
    for message, what in (('"id":9', "any symbol"), ('"stream":"markets","id":9', "markets")):
        (refusal,) = talk.ask(f'{{"action":"resync",{message}}}')
        assert (refusal["code"], refusal["id"]) == ("INVALID_MESSAGE", 9)
        assert f"no subscription to {what}" in refusal["message"]


def test_a_resync_belongs_to_the_second_protocol(talk: Conversation) -> None:
    """The answer names what is missing."""
    (answer,) = talk.ask('{"action":"resync"}')
    assert (answer["code"], '"proto":2' in answer["message"]) == ("INVALID_ACTION", True)


def test_too_many_errors_within_the_window_close(talk: Conversation) -> None:
    """Errors of long ago do not count."""
    for _ in range(MAX_ERRORS):
        talk.ask("?")
    talk.clock.advance(ERROR_WINDOW_S + 1)
    for _ in range(MAX_ERRORS):
        talk.ask("?")
    assert done(talk.session.answer("?")) is TOO_MANY_ERRORS


def test_messages_over_the_rate_are_answered_and_then_closed(talk: Conversation) -> None:
    """A time without one forgives."""
    for _ in range(2):
        for _ in range(MAX_OVER_RATE):
            assert talk.session.slow_down(0.0123) is None
        talk.clock.advance(11.0)
    answers = talk.answers()
    assert len(answers) == 2 * MAX_OVER_RATE
    assert (answers[0]["code"], answers[0]["retry_after_ms"]) == ("RATE_LIMITED", 13)
    closes = [talk.session.slow_down(1.0) for _ in range(MAX_OVER_RATE + 1)]
    assert closes[-2:] == [None, RATE_LIMITED]


def test_the_outcome_is_our_code_before_the_peers(talk: Conversation) -> None:
    """1006 where neither sent one."""
    assert outcome_of(talk.client.ws, talk.connection) == 1006
    talk.connection.close_code = RATE_LIMITED
    assert outcome_of(talk.client.ws, talk.connection) == 4002


def test_ticks_are_acknowledged_and_stay_until_they_are_refused(talk: Conversation) -> None:
    """Of the connection: what a later subscription does not name stays as it was."""
    for wish, granted in ((',"ticks":true', True), ("", True), (',"ticks":false', False), ("", False)):
        (answer,) = talk.ask(f'{{"action":"subscribe","symbols":["BTCUSDT"],"proto":2{wish}}}')
        assert answer["ticks"] is granted
        assert talk.connection.ticks is granted
    assert talk.ask('{"action":"subscribe","symbols":["BTCUSDT"],"proto":2,"ticks":1,"id":3}')[0] == {
        "type": "error",
        "code": "INVALID_MESSAGE",
        "message": "subscribe: Expected bool, got int in ticks",
        "id": 3,
    }


def test_the_first_protocol_has_no_ticks(talk: Conversation) -> None:
    """It is not sent what it does not know."""
    assert talk.ask('{"action":"subscribe","symbols":["BTCUSDT"],"ticks":true}') == []
    assert talk.connection.ticks is False


def test_a_stream_is_followed_until_it_is_not(talk: Conversation) -> None:
    """Acknowledged by name and id; the table comes at once, then changes, the whole when asked for."""
    talk.manager.markets.offer(table(1))
    ack, whole = talk.ask('{"action":"subscribe","stream":"markets","proto":2,"id":3}')
    assert ack == {"type": "subscribed", "id": 3, "proto": 2, "stream": "markets"}
    assert (whole["seq"], whole["symbols"]) == (1, ["BTCUSDT", "ETHUSDT"])
    talk.manager.markets.offer(table(2))
    (changes,) = talk.answers()
    assert changes["prev_seq"] == 1
    (again,) = talk.ask('{"action":"resync","stream":"markets"}')
    assert (again["seq"], "symbols" in again) == (2, True)
    (end,) = talk.ask('{"action":"unsubscribe","stream":"markets","id":4}')
    assert end == {"type": "unsubscribed", "id": 4, "stream": "markets"}
    talk.manager.markets.offer(table(3))
    assert talk.answers() == []


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ('{"action":"subscribe","stream":"markets"}', 'a stream needs "proto":2'),
        ('{"action":"resync","stream":"markets"}', 'a stream needs "proto":2'),
        ('{"action":"subscribe","stream":"trades","proto":2}', "Invalid enum value 'trades' in stream"),
        ('{"action":"subscribe","stream":"markets","symbols":["BTCUSDT"],"proto":2}', "not for both"),
        ('{"action":"subscribe","stream":null,"proto":2}', "in stream"),
        ('{"action":"subscribe","proto":2}', "missing field symbols"),
    ],
)
def test_a_bad_request_for_a_stream_is_answered(talk: Conversation, message: str, sentence: str) -> None:
    """With what would be right, and nothing is followed."""
    (answer,) = talk.ask(message)
    assert (answer["type"], answer["code"]) == ("error", "INVALID_MESSAGE")
    assert sentence in answer["message"]
    assert not talk.manager.markets.follows(talk.connection)
