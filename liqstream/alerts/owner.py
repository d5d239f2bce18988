"""Whose a rule is: a secret that the owner's browser made, of which only the hash is kept.

The secret is 128 random bits, so a fast hash is enough: there is no dictionary to try it with. It comes in a
header and stands in no address and no log.
"""

from __future__ import annotations

import re
from hashlib import sha256

from liqstream.admission import http_guard

OWNER_HEADER = http_guard.OWNER_HEADER
"""The header with the secret: 32 small hexadecimal digits."""

_SECRET = re.compile(r"[0-9a-f]{32}")


class BadSecretError(Exception):
    """What the header holds is no secret; the message says what one looks like, and never repeats it."""


def owner_of(secret: str | None) -> str | None:
    """The owner's name in all that is kept, 64 hexadecimal digits; None without a secret.

    Raises BadSecretError for text that is none.
    """
    if secret is None:
        return None
    if not _SECRET.fullmatch(secret):
        raise BadSecretError(f"{OWNER_HEADER} must be 128 random bits as 32 digits of 0-9 and a-f")
    return sha256(bytes.fromhex(secret)).hexdigest()
