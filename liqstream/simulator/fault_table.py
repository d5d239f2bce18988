"""The fault table: which endpoint or channel of which exchange fails, how, and for how long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self


class FaultKind(StrEnum):
    """How an endpoint or channel fails. A status refuses the request, or the handshake of every socket that
    carries the channel."""

    FORBIDDEN = "403"
    BANNED = "418"
    TOO_MANY = "429"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    COUNTRY = "451"
    PASSING_CODE = "passing-code"
    """The exchange's own code for what passes; a subscription is refused with it."""
    ITEM_CODE = "item-code"
    """The exchange's own code for an unknown symbol, interval or topic."""
    EMPTY_OBJECT = "{}"
    EMPTY_LIST = "[]"
    NOT_JSON = "not-json"
    HANG = "hang"
    """Connected, and never answered."""
    REDIRECT = "redirect"
    WRONG_TIME = "wrong-time"
    """Every time is seventy years ahead."""
    WRONG_SIZE = "wrong-size"
    """Every price and size is a million million times itself."""
    ZERO = "zero"
    """Every price and size is 0."""
    MUTE = "mute"
    """An empty body; a channel that is acknowledged and says nothing."""
    REFUSED = "refused"
    """The connection is cut before an answer."""


CONNECTION_KINDS = frozenset(
    [
        FaultKind.FORBIDDEN,
        FaultKind.BANNED,
        FaultKind.TOO_MANY,
        FaultKind.CLIENT_ERROR,
        FaultKind.SERVER_ERROR,
        FaultKind.COUNTRY,
        FaultKind.HANG,
        FaultKind.REDIRECT,
        FaultKind.REFUSED,
    ]
)
"""Of a channel: what becomes of the handshake of its socket."""
SUBSCRIPTION_KINDS = frozenset([FaultKind.PASSING_CODE, FaultKind.ITEM_CODE])
"""Of a channel: what becomes of a subscription to it."""
REQUEST_KINDS = frozenset(FaultKind)
"""Of an endpoint: what becomes of a request."""
MESSAGE_KINDS = REQUEST_KINDS - CONNECTION_KINDS - SUBSCRIPTION_KINDS
"""Of a channel: what becomes of its messages."""


@dataclass(slots=True, eq=False)
class Fault:
    """One line of the table. `target` is an endpoint or a channel of `exchange`, `symbol` "" for all of them.

    It ends after `times` requests, handshakes, subscriptions or messages, and after `lasts_s`, if given.
    `retry_after` is sent as that header, `location` is where a redirect leads, `variant` picks one of the
    exchange's codes. `hits` counts what it met, `unspoilt` those of them that had nothing to spoil.
    """

    exchange: str
    target: str
    kind: FaultKind
    symbol: str = ""
    times: int | None = None
    lasts_s: float = math.inf
    retry_after: str = ""
    location: str = "http://redirected.invalid/"
    variant: int = 0
    hits: int = field(default=0, init=False)
    unspoilt: int = field(default=0, init=False)
    since_s: float = field(default=0.0, init=False)

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Self:
        """A line given by name. Raises ValueError with a sentence."""
        known = [each.name for each in fields(cls) if each.init]
        for name in line:
            if name not in known:
                raise ValueError(f"unknown field {name!r}; one of {', '.join(known)}")
        try:
            kind = FaultKind(line["kind"])
            fault = cls(**{**line, "kind": kind})
        except KeyError:
            raise ValueError("a fault needs exchange, target and kind") from None
        except TypeError as error:
            raise ValueError(str(error)) from None
        except ValueError:
            raise ValueError(f"unknown kind {line['kind']!r}; one of {', '.join(FaultKind)}") from None
        if not isinstance(fault.lasts_s, int | float) or not isinstance(fault.times, int | None):
            raise ValueError("lasts_s is a number of seconds, times a whole number")
        return fault


class FaultTable:
    """Faults in force, on the clock `now_s` (seconds). `targets` are those that exist, by exchange;
    `on_add` is called with each new fault."""

    def __init__(
        self, targets: Mapping[str, Collection[str]], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.targets = targets
        self.now_s = now_s
        self.on_add: Callable[[Fault], None] = lambda _fault: None
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force. Raises ValueError for an exchange or a target there is not."""
        if fault.exchange not in self.targets:
            raise ValueError(f"no exchange {fault.exchange!r}; one of {', '.join(self.targets)}")
        if fault.target not in self.targets[fault.exchange]:
            known = ", ".join(self.targets[fault.exchange])
            raise ValueError(f"{fault.exchange} has no {fault.target!r}; one of {known}")
        fault.since_s = self.now_s()
        self._faults.append(fault)
        self.on_add(fault)
        return fault

    def replace(self, faults: Iterable[Fault]) -> None:
        """Put these faults in force and no others."""
        wanted = list(faults)
        self._faults.clear()
        for fault in wanted:
            self.add(fault)

    def clear(self) -> None:
        """End every fault."""
        self._faults.clear()

    def is_active(self, fault: Fault) -> bool:
        """Whether the fault is in force now."""
        over = self.now_s() >= fault.since_s + fault.lasts_s
        spent = fault.times is not None and fault.hits >= fault.times
        return fault in self._faults and not over and not spent

    def hit(self, exchange: str, target: str, symbol: str, kinds: Collection[FaultKind]) -> Fault | None:
        """The fault that spoils this, counted, or None. A fault of one symbol leaves what is about none."""
        for fault in self._faults:
            if (
                (fault.exchange, fault.target) == (exchange, target)
                and fault.kind in kinds
                and fault.symbol in ("", symbol)
                and self.is_active(fault)
            ):
                fault.hits += 1
                return fault
        return None
