"""Bearer tokens: only their hashes are kept, and a guess takes the same time whatever it resembles.

The file has one `name:sha256` per line; `liqstream new-token NAME` writes it. A token is 256 random bits, so
a fast hash is enough: there is no dictionary to try it with.
"""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from pathlib import Path

from liqstream.settings.secret_files import secret_path
from liqstream.settings.whole_file import whole_file

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_.@-]{1,64}):(?P<hash>[0-9a-f]{64})")
_MAX_TOKEN_LENGTH = 256
"""Longer ones are refused unhashed: hashing must not become work an attacker can order."""
PREFIX = "liq_"
"""Lets secret scanners recognise a token that was committed by mistake."""


class TokenFileError(Exception):
    """A token file that cannot be used; the message is the one line to show, and holds no token."""


def new_token() -> str:
    """A fresh token."""
    return PREFIX + secrets.token_urlsafe(32)


def token_line(name: str, token: str) -> str:
    """The line of the token file for `token`. Raises ValueError for a name that would not fit."""
    line = f"{name}:{_hash(token)}"
    if not _LINE.fullmatch(line):
        raise ValueError("a name has 1 to 64 letters, digits, or any of _ . @ -")
    return line


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class TokenRing:
    """The tokens of a file; without a file nobody needs one.

    A copy of the file in `secrets_dir`, or systemd's, is read in its place (settings/secret_files.py).
    Until the first `reload` nobody has one: whatever goes wrong before, no token is accepted.
    """

    def __init__(self, path: str | Path | None = None, *, secrets_dir: str = "") -> None:
        self._path = Path(path) if path else None
        self._secrets_dir = secrets_dir
        self._hashes: dict[str, str] = {}

    def reload(self) -> None:
        """Read the file, off the event loop. Raises TokenFileError, and then goes on with what it had."""
        if self._path is not None:
            self._hashes = _read(secret_path(self._path, self._secrets_dir))

    @property
    def required(self) -> bool:
        """Must a client show a token?"""
        return self._path is not None

    def __len__(self) -> int:
        return len(self._hashes)

    def owner(self, token: str) -> str | None:
        """The name of the token's owner, None if it is nobody's. All entries are compared."""
        shown = _hash(token) if len(token) <= _MAX_TOKEN_LENGTH else ""
        found = None
        for known, name in self._hashes.items():
            if hmac.compare_digest(known, shown):
                found = name
        return found

    def owner_of_header(self, authorization: str | None) -> str | None:
        """The owner of the token in an `Authorization: Bearer ...` header."""
        scheme, _, token = (authorization or "").partition(" ")
        return self.owner(token.strip()) if scheme.lower() == "bearer" else None


def _read(path: Path) -> dict[str, str]:
    try:
        lines = whole_file(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise TokenFileError(f"cannot read the tokens in {path}: {reason}") from None
    hashes = {}
    for number, line in enumerate(lines, start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        found = _LINE.fullmatch(entry)
        if found is None:
            raise TokenFileError(f"{path}, line {number}: not name:sha256; `liqstream new-token` writes it")
        hashes[found["hash"]] = found["name"]
    if not hashes:
        raise TokenFileError(f"{path} holds no token; `liqstream new-token NAME` writes one")
    return hashes
