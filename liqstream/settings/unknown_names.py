"""Names in environment and `.env` that were meant to be settings and are none: no slip passes in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import cast

from liqstream.settings.exchange_settings import is_of_exchange
from liqstream.settings.table import Settings

OTHER_NAMES = frozenset({"LIQSTREAM_TOKEN", "LIQSTREAM_URL"})
"""What verbs read that is no setting of the server."""

_TESTS_OWN = "LIQSTREAM_TEST_"
_EDITS = 2
"""A WS_ or REDIS_ name of somebody else's is so far from ours, or is taken for a slip."""

# What Kubernetes sets for each service, and Docker for each link: LIQSTREAM_SERVICE_HOST and the like.
_SERVICE_LINK = re.compile(
    r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
_LINK_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def known_names() -> frozenset[str]:
    """Every name that is read, those per exchange aside."""
    aliases = (cast("str", field.validation_alias) for field in Settings.model_fields.values())
    return frozenset(alias for alias in aliases if "<" not in alias) | OTHER_NAMES


def unknown_names(variables: Mapping[str, str | None]) -> list[str]:
    """What is wrong with each name that was meant for us and is not read, with the name that was meant."""
    known = known_names()
    return [
        _complaint(name, known)
        for name, value in variables.items()
        if _is_meant_for_us(name, known) and not _is_read(name, known) and not _is_link(name, value or "")
    ]


def is_link_address(value: str) -> bool:
    """Whether a value is what Kubernetes gives a variable named as one of our ports."""
    return _LINK_ADDRESS.match(value) is not None


def _is_meant_for_us(name: str, known: Iterable[str]) -> bool:
    upper = name.upper()
    if upper.startswith("LIQSTREAM_"):
        return not upper.startswith(_TESTS_OWN)
    return upper.startswith(("WS_", "REDIS_")) and any(
        upper == each or (name == upper and edits(name, each) <= _EDITS) for each in known
    )


def _is_read(name: str, known: frozenset[str]) -> bool:
    return name in known or is_of_exchange(name)


def _is_link(name: str, value: str) -> bool:
    return _SERVICE_LINK.fullmatch(name) is not None or (name.endswith("_PORT") and is_link_address(value))


def _complaint(name: str, known: frozenset[str]) -> str:
    meant = _meant(name.upper(), known)
    return f"{name}: no such setting; " + (
        f"did you mean {meant}?" if meant else "`liqstream show-config` lists them all"
    )


def _meant(upper: str, known: frozenset[str]) -> str | None:
    stem = upper.removeprefix("LIQSTREAM_")
    if upper in known or is_of_exchange(upper):
        return upper
    if stem in known:
        return stem
    nearest = min(sorted(known), key=lambda each: edits(upper, each))
    if edits(upper, nearest) <= max(_EDITS, len(stem) // 3):
        return nearest
    longer = [each for each in known if upper.startswith(each) or (stem and each.startswith(upper))]
    return max(longer, key=len, default=None)


def edits(one: str, other: str) -> int:
    """How many letters to put in, leave out, replace or swap with their neighbour between two words."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
