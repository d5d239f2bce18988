"""One server for all short attacks of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from liqstream.admission.tokens import new_token, token_line
from tests.attack.harness import Victim, attacked


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server with small caps behind a trusted proxy at 127.0.0.1."""
    with attacked(
        tmp_path_factory.mktemp("victim"),
        WS_MAX_CONNECTIONS="60",
        MAX_CONNECTIONS_PER_ADDRESS="20",
        TRUSTED_PROXIES="127.0.0.1",
        ALLOWED_ORIGINS="https://app.example",
    ) as victim:
        yield victim


@pytest.fixture(scope="module")
def token() -> str:
    """A token the private server knows."""
    return new_token()


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, token: str) -> Iterator[Victim]:
    """A server that asks for tokens."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "tokens").write_text(token_line("bot", token))
    with attacked(folder, TOKENS_FILE="tokens") as victim:
        yield victim
