"""Every form of REDIS_URL, each on a real Redis that listens that way."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import RedisError

from liqstream.fleet.redis_url import RedisUrlError, connect
from tests.support.redis_server import RedisServer, free_port, redis_server, running_redis

__all__ = ["redis_server"]

pytestmark = pytest.mark.redis


async def answers(url: str) -> bool:
    client = connect(url)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


async def test_tcp_and_database_number(redis_server: RedisServer) -> None:
    """redis://host:port/db"""
    assert await answers(redis_server.url)
    assert await answers(f"{redis_server.url}/3")


async def test_unix_socket(redis_server: RedisServer) -> None:
    """unix:///path"""
    assert await answers(f"unix://{redis_server.folder}/redis.sock")


async def test_password(tmp_path: Path) -> None:
    """redis://:password@host; a wrong one is an error, not a wait."""
    with running_redis(tmp_path) as server:
        server.tell("CONFIG", "SET", "requirepass", "p@ss")
        assert await answers(f"redis://:p%40ss@127.0.0.1:{server.port}")
        with pytest.raises(RedisError):
            await answers(f"redis://:wrong@127.0.0.1:{server.port}")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of localhost and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl = shutil.which("openssl")
    assert openssl
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


async def test_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """rediss:// checks the certificate, against an authority of one's own if asked to."""
    cert, key = certificate
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key))
    with running_redis(tmp_path, *tls, "--tls-auth-clients", "no"):
        assert await answers(f"rediss://localhost:{port}?ssl_ca_certs={cert}")
        with pytest.raises(RedisError):
            await answers(f"rediss://localhost:{port}")


@pytest.fixture
def sentinel_port(redis_server: RedisServer, tmp_path: Path) -> Iterator[int]:
    """A Sentinel that knows redis_server as "liqstream"."""
    port = free_port()
    folder = tmp_path / "sentinel"
    folder.mkdir()
    conf = folder / "sentinel.conf"
    conf.write_text(f"port {port}\nsentinel monitor liqstream 127.0.0.1 {redis_server.port} 1\n")
    binary = shutil.which("redis-server")
    assert binary
    log = folder / "sentinel.log"
    with log.open("wb") as output:
        process = subprocess.Popen([binary, str(conf), "--sentinel"], stdout=output, cwd=folder)
    try:
        probe = RedisServer(folder, port=port, process=process)
        while not probe.answers():
            assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.kill()
        process.wait()


async def test_sentinel(sentinel_port: int) -> None:
    """sentinel://host:port/service finds the master; an unknown service is an error."""
    assert await answers(f"sentinel://127.0.0.1:{sentinel_port}/liqstream/2")
    both = f"127.0.0.1:{free_port()},127.0.0.1:{sentinel_port}"
    assert await answers(f"redis+sentinel://{both}/liqstream"), "the first one is away"
    with pytest.raises(RedisError):
        await answers(f"sentinel://127.0.0.1:{sentinel_port}/other")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://localhost:notaport",
        "sentinel://host:1",
        "redis://localhost/abc",
        "redis://localhost/1/2",
        "redis://localhost/-1",
        "redis://u:pa/s3cr3t@localhost",
        "redis://u:pa?s3cr3t@localhost",
        "redis://localhost?socket_timeout=900",
        "rediss://localhost/2?db=1&decode_responses=true",
        "unix:///run/redis.sock?protocol=7",
        "redis://localhost?ssl_ca_certs=/ca.pem",
        "unix:///run/redis.sock?ssl_cert_reqs=none",
        "rediss://localhost?ssl_cert_reqs=maybe",
        "sentinel://host/service/abc",
        "sentinel://host/service/-1",
        "sentinel://host/service?db=1",
        "sentinel://host:port/service",
        "sentinel://host:65536/service",
        "sentinel://:26379/service",
        "sentinel://host,/service",
    ],
)
def test_an_unusable_url_is_one_sentence(url: str) -> None:
    """Named at the start, not found out later; what could be a part of a password is not shown."""
    with pytest.raises(RedisUrlError, match=r"REDIS_URL(?!.*s3cr3t)"):
        _ = connect(url)


async def test_addresses_of_sentinels() -> None:
    """By name or address, with a port or without."""
    redis = connect("sentinel://one,two:1,[::1]:2,[::1],127.0.0.1/service/3")
    pool = redis.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    found = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in found] == [
        ("one", 26379), ("two", 1), ("::1", 2), ("::1", 26379), ("127.0.0.1", 26379)
    ]  # fmt: skip
    assert pool.connection_kwargs["db"] == 3
    await redis.aclose()
