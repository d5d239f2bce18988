"""What a promise is, and what a check of it found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from liqstream.selftest.target import Target

Verdict = Literal["kept", "broken", "not applicable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was observed; `kept` is None where the promise could not be put to the test."""

    observation: str
    kept: bool | None


@dataclass(frozen=True, slots=True)
class Promise:
    """One scenario: what is promised, what exactly is expected, and the check.

    A promise with `own_server_only` stops or kills the server and is never tried on somebody else's; one that
    is `apart` starts another server for itself and can be tried beside the rest.
    """

    name: str
    expectation: str
    check: Callable[[Target], Awaitable[Finding]]
    own_server_only: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A promise put to the test."""

    promise: str
    expectation: str
    observation: str
    verdict: Verdict
    seconds: float
