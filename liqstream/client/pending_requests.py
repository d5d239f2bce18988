"""Subscriptions the server has not answered: sent in lists it takes, and found again by their id."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .messages import ErrorMessage, SubscribedMessage

MAX_SYMBOLS = 10
"""A message names at most so many symbols (docs/websocket_api.md, "What a client may say")."""

MOST_AT_ONCE = 10


def lists_of(symbols: Sequence[str]) -> list[list[str]]:
    """The symbols in lists that a message may hold."""
    return [list(symbols[at : at + MAX_SYMBOLS]) for at in range(0, len(symbols), MAX_SYMBOLS)]


class ResyncPace:
    """At most `MOST_AT_ONCE` resyncs at once, then one a second.

    A server whose every answer calls for another must not be asked as fast as it answers.
    """

    def __init__(self) -> None:
        self._spent_until_s = -math.inf  # each resync takes a second of it

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next one may be sent; 0: it may be now, and counts as sent."""
        spent_until_s = max(self._spent_until_s, now_s)
        wait_s = spent_until_s - now_s - (MOST_AT_ONCE - 1)
        if wait_s <= 0.0:
            self._spent_until_s = spent_until_s + 1.0
        return max(0.0, wait_s)


class PendingRequests:
    """The subscribe messages of one connection without an answer, by id."""

    def __init__(self) -> None:
        self._symbols: dict[int, list[str]] = {}
        self._next_id = 1  # never reset

    def add(self, symbols: list[str]) -> int:
        """The id to send a new request with."""
        request_id, self._next_id = self._next_id, self._next_id + 1
        self._symbols[request_id] = symbols
        return request_id

    def clear(self) -> list[list[str]]:
        """Forget all of them; returns the symbols of each."""
        pending, self._symbols = list(self._symbols.values()), {}
        return pending

    def refused_by(self, ack: SubscribedMessage) -> tuple[list[str], list[str]]:
        """The symbols of the request that is answered, and those of them that were not accepted."""
        asked = self._symbols.pop(ack.id, []) if isinstance(ack.id, int) else []
        return asked, [symbol for symbol in asked if symbol not in ack.symbols]

    def concerned_by(self, error: ErrorMessage) -> list[str]:
        """The symbols of the request an error answers; of all that are pending where it names none."""
        if isinstance(error.id, int) and error.id in self._symbols:
            return self._symbols.pop(error.id)
        if error.id is not None:
            return []  # of a message that is no subscription
        return [symbol for symbols in self.clear() for symbol in symbols]
