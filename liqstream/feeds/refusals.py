"""What it means when an exchange refuses: one table per exchange, for REST and for the handshake alike.

A refusal passes, or concerns one item (a symbol, a channel, an interval), or shuts out this whole address.
What no table knows passes: an exchange that answers in a new way is asked again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from liqstream.feeds.parsing import Json

BAN_S = 120.0
"""HTTP 418 without a time: the shortest ban there is."""
SHUT_OUT_S = 900.0
"""How often an address that is shut out tries again: the exchange or the proxy may have changed."""
_TEXT = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BANNED_UNTIL = re.compile(r"banned until (\d{13}|\d{10})\b")
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d*)?) ?([a-z]*)", re.IGNORECASE)
_UNITS_S = {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "minute": 60.0}
_PLACE = r"(region|location|area|territor)"
_CLOSED = r"(restricted|blocked|prohibited|unavailable|not available|not supported|not allowed)"
_SHUT_OUT = re.compile(
    rf"\bcountr(y|ies)\b|\bjurisdiction|{_CLOSED}[^.<]{{0,60}}\b{_PLACE}|\b{_PLACE}[^.<]{{0,60}}{_CLOSED}",
    re.IGNORECASE,
)


class RefusalKind(StrEnum):
    """What a refusal concerns, which says what is done about it."""

    PASSING = "passing"
    ITEM = "item"
    VENUE = "venue"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal in one line. `pause_s` is how long nothing may be asked, None if nothing says so.

    `reached` is false where nobody was there to refuse: then other requests are as hopeless.
    """

    kind: RefusalKind
    text: str
    pause_s: float | None = None
    reached: bool = True


@dataclass(frozen=True, slots=True)
class RefusalTable:
    """An exchange's own codes. `code_field` and `text_field` are where a response carries them; a response
    without the field, or with one of `fine`, refuses nothing.

    `limits` are the codes of having asked too much, in windows of `window_s`; `phrases` are words of a body,
    in small letters, that name a limit, each with its pause in s.
    """

    code_field: str = "code"
    text_field: str = "msg"
    fine: frozenset[str] = frozenset({"0", "200"})
    limits: frozenset[str] = frozenset()
    item: frozenset[str] = frozenset()
    venue: frozenset[str] = frozenset()
    window_s: float = 60.0
    phrases: tuple[tuple[str, float], ...] = ()

    def of_response(
        self, status: int, headers: Mapping[str, str], body: Json, raw: str, now_ms: int
    ) -> Refusal | None:
        """What a response refuses, None if nothing. `body` is its JSON, None if it is none; `now_ms` UTC."""
        code = self._code(body)
        if status < 400 and code is None:
            return None
        text = f"{code}: {body.get(self.text_field, '')}" if code is not None else raw[:_TEXT]
        text = " ".join((text if status < 400 else f"HTTP {status}: {text}").split())
        if code is not None and code in self.item:
            return Refusal(RefusalKind.ITEM, text)
        stated_s = stated_pause_s(headers, raw, now_ms)
        if status == 451 or code in self.venue or _SHUT_OUT.search(raw):
            return Refusal(RefusalKind.VENUE, text, stated_s or SHUT_OUT_S)
        return Refusal(RefusalKind.PASSING, text, stated_s or self._usual_pause_s(status, code, raw, now_ms))

    def of_code(self, code: str, text: str) -> Refusal:
        """What a socket's own refusal of a subscription means."""
        kind = RefusalKind.VENUE if code in self.venue else RefusalKind.PASSING
        if code in self.item:
            kind = RefusalKind.ITEM
        return Refusal(kind, text, self.window_s if code in self.limits else None)

    def _code(self, body: Json) -> str | None:
        code = body.get(self.code_field) if isinstance(body, dict) else None
        return None if code is None or str(code) in self.fine else str(code)

    def _usual_pause_s(self, status: int, code: str | None, raw: str, now_ms: int) -> float | None:
        small = raw.lower()
        for phrase, pause_s in self.phrases:
            if phrase in small:
                return pause_s
        if status == 418:
            return BAN_S
        if status == 429 or code in self.limits:
            return self.window_s - now_ms / 1000 % self.window_s
        return None


def stated_pause_s(headers: Mapping[str, str], raw: str, now_ms: int) -> float | None:
    """The pause a response states: Retry-After in s or as a date, or the end of a ban; None for one that is
    over.

    A number of seconds counts before an end: our clock may be another than theirs.
    """
    text = headers.get("Retry-After", "").strip()
    stated = (_length_s(text), _until_s(raw, now_ms), _date_s(text, now_ms))
    return next((pause_s for pause_s in stated if pause_s is not None and pause_s > 0), None)


def _length_s(text: str) -> float | None:
    """A Retry-After of seconds; some write a unit behind them."""
    found = _SECONDS.fullmatch(text)
    if found is None:
        return None
    unit = found[2].lower()
    unit_s = _UNITS_S.get(unit, _UNITS_S.get(unit.removesuffix("s")))
    return None if unit_s is None else float(found[1]) * unit_s


def _until_s(raw: str, now_ms: int) -> float | None:
    """How long a ban lasts whose end, in ms or s, is in a body."""
    found = _BANNED_UNTIL.search(raw)
    if found is None:
        return None
    return (int(found[1]) * (1 if len(found[1]) == 13 else 1000) - now_ms) / 1000


def _date_s(text: str, now_ms: int) -> float | None:
    """A Retry-After that is a date, in any of the forms of HTTP; one that names no zone is GMT."""
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return (date.replace(tzinfo=date.tzinfo or UTC) - _EPOCH).total_seconds() - now_ms / 1000
