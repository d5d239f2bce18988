"""Where the server of these settings is asked, without the table of all settings.

A health check runs every few seconds and needs four of them; the table takes longer than the question.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST, PORT = "127.0.0.1", 8000
"""Where a server listens for which nothing else is set."""

_ENV_FILE = Path(".env")


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """What the settings say of a server's own address; empty texts where they say nothing."""

    host: str
    port: int
    tls_cert: str
    health_socket: str


def own_address() -> OwnAddress | None:
    """The address by environment over `.env` over the defaults, as `load_settings` reads it.

    None where a value is not right: the whole table says then what is wrong with it.
    """
    given = {**_in_file(), **os.environ}
    port = given.get("LIQSTREAM_PORT", str(PORT))
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
        return None
    return OwnAddress(
        given.get("LIQSTREAM_HOST", HOST),
        int(port),
        given.get("LIQSTREAM_TLS_CERT", ""),
        given.get("LIQSTREAM_HEALTH_SOCKET", ""),
    )


def _in_file() -> Mapping[str, str]:
    if not _ENV_FILE.is_file():
        return {}
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(_ENV_FILE).items() if value is not None}
