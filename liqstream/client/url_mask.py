"""Addresses as they may be shown: without user, password and the values of a query.

The one such function of the project: whatever is logged, answered or printed goes through it. It stands in
the client because that imports nothing else of ours.
"""

from __future__ import annotations

import re

MASK = "***"

# What ends an address in a sentence, a quote say, may stand in a password before its "@".
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>(?:\S*@)?[^\s'\"<>]+)")
# Credentials of an address whose scheme is missing or misspelt; not the "://" of one that has it.
_BARE = re.compile(r"(?<![\w/*])[^\s'\"<>=:/@,(]+:(?!//)[^\s'\"<>]*@")
_QUERY = re.compile(r"\?[^\s'\"<>]*")


def masked(text: str) -> str:
    """`text` with every address in it masked.

    Up to the last "@" of an address all counts as credentials: a password may hold any character.
    """
    if "@" not in text and "://" not in text:
        return text
    return _BARE.sub(f"{MASK}@", _URL.sub(_masked_url, text))


def _masked_url(found: re.Match[str]) -> str:
    credentials, at, rest = found["rest"].rpartition("@")
    head = f"{found['scheme']}{MASK}@" if at and credentials else found["scheme"] + at
    return head + _QUERY.sub(f"?{MASK}", rest)
