"""Whether the ports are free, before a start that takes its time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from liqstream.server.listen_check import check_listening
from liqstream.settings.load import BadSettingError
from liqstream.settings.table import Settings
from tests.support.redis_server import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


async def test_a_port_that_is_taken_is_refused(taken: int) -> None:
    """In the system's own words; that of the metrics is named."""
    with pytest.raises(OSError, match="Address already in use") as refused:
        await check_listening(Settings(port=taken))
    assert refused.value.filename is None
    with pytest.raises(OSError, match="Address already in use") as refused:
        await check_listening(Settings(port=0, metrics_host="127.0.0.1", metrics_port=taken))
    assert refused.value.filename == "LIQSTREAM_METRICS_HOST=127.0.0.1"


async def test_a_port_that_is_free_stays_free() -> None:
    """It can be asked again, and listened on afterwards."""
    port = free_port()
    for _ in range(2):
        await check_listening(Settings(port=port, metrics_host="127.0.0.1", metrics_port=0))
    socket.create_server(("127.0.0.1", port)).close()


async def test_a_port_is_shared_with_those_who_share_it_and_one_stream(taken: int) -> None:
    """Clients would get another stream each time they connect."""
    with pytest.raises(BadSettingError, match="need REDIS_ENABLED=true, to have one stream"):
        await check_listening(Settings(reuse_port=True, port=taken))
    with pytest.raises(OSError, match="Address already in use"):
        await check_listening(Settings(reuse_port=True, port=taken, redis_enabled=True))
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        await check_listening(Settings(reuse_port=True, port=other.getsockname()[1], redis_enabled=True))


@pytest.mark.parametrize(
    ("place", "why"),
    [("none/x", "No such file"), ("file/x", "Not a directory"), ("file", "in use"), ("a" * 200, "too long")],
)
async def test_a_health_socket_that_cannot_be_made_is_refused(tmp_path: Path, place: str, why: str) -> None:
    """Before the history of any market is waited for, with its setting's name."""
    (tmp_path / "file").touch()
    path = str(tmp_path / place)
    with pytest.raises(OSError, match=why) as refused:
        await check_listening(Settings(port=0, health_socket=path))
    assert refused.value.filename == f"LIQSTREAM_HEALTH_SOCKET={path}"


async def test_a_health_socket_that_was_left_behind_is_none_in_the_way(tmp_path: Path) -> None:
    """It is not touched either: the start replaces it."""
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    await check_listening(Settings(port=0, health_socket=str(path)))
    assert path.is_socket()
    path.unlink()
    await check_listening(Settings(port=0, health_socket=str(path)))
    assert not path.exists()
