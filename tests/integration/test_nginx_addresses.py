"""config/nginx.conf as shipped, and as docker-compose.multi.yml makes it: one of two may be missing."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web

from tests.support.redis_server import free_port

CONFIG = Path(__file__).resolve().parents[2] / "config"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "nginx"
PLACES = {"172.30.0.11:8000": "127.0.0.2", "172.30.0.12:8000": "127.0.0.3"}
"""The servers' addresses in the containers' network, and those that stand for them here."""
SHIPPED = {"127.0.0.1:8001": "127.0.0.2", "127.0.0.1:8002": "127.0.0.3"}

pytestmark = pytest.mark.nginx


def composed_conf(folder: Path, file: str = "docker-compose.multi.yml") -> str:
    """The conf as the container's own command makes it of config/nginx.conf."""
    compose = yaml.safe_load((CONFIG / file).read_text())
    shell, flag, command = compose["services"]["nginx"]["command"]
    made, _, started = command.partition(" && exec ")
    assert started == "nginx -c /tmp/nginx.conf -g 'daemon off;'"
    made = made.replace("/etc/liqstream", str(CONFIG)).replace("/tmp/nginx.conf", str(folder / "made.conf"))
    subprocess.run((shell, flag, made), check=True)
    return (folder / "made.conf").read_text()


def test_the_addresses_are_those_of_the_servers(tmp_path: Path) -> None:
    """Each server's own, which no other container can be given; no name, which would have to be asked for."""
    compose = yaml.safe_load((CONFIG / "docker-compose.multi.yml").read_text())
    addresses = {
        name: service["networks"]["default"]["ipv4_address"]
        for name, service in compose["services"].items()
        if "networks" in service
    }
    assert addresses.keys() == {"liqstream-1", "liqstream-2"}
    conf = composed_conf(tmp_path)
    assert re.findall(r"^ *server (\S+):8000 ", conf, re.MULTILINE) == list(addresses.values())
    (network,) = compose["networks"]["default"]["ipam"]["config"]
    others = ipaddress.ip_network(network["ip_range"])
    for own in map(ipaddress.ip_address, addresses.values()):
        assert own in ipaddress.ip_network(network["subnet"])
        assert own not in others
    for address, place in PLACES.items():
        conf = conf.replace(address, place)
    shipped = (CONFIG / "nginx.conf").read_text()
    for address, place in SHIPPED.items():
        shipped = shipped.replace(address, place)
    assert conf == shipped


def test_a_name_that_is_looked_up_stands_for_all_that_fan_out(tmp_path: Path) -> None:
    """In the one upstream, and nothing else is changed; nginx takes the rest of it.

    Looking a name up again is nginx's since 1.27.3, which the image has and this machine may not.
    """
    conf = composed_conf(tmp_path, "docker-compose.scale.yml")
    (line,) = re.findall(r"^ *(zone .*)$", conf, re.MULTILINE)
    looked_up = "resolver 127.0.0.11 valid=5s; server fanout:8000 resolve max_fails=1 fail_timeout=2s;"
    assert line == f"zone liqstream 256k; {looked_up}"
    shipped = (CONFIG / "nginx.conf").read_text()
    servers = re.findall(r"^ *server 127\.0\.0\.1:\d+ .*\n", shipped, re.MULTILINE)
    assert conf.replace(line, "") == shipped.replace(
        "".join(servers), f"{servers[0].partition('server')[0]}\n"
    )
    image = yaml.safe_load((CONFIG / "docker-compose.multi.yml").read_text())["services"]["nginx"]["image"]
    assert tuple(map(int, re.findall(r"\d+", image))) >= (1, 27, 3)
    plain = conf.replace("resolver 127.0.0.11 valid=5s;", "").replace("fanout:8000 resolve", "127.0.0.2:8000")
    (tmp_path / "plain.conf").write_text(plain.replace("/tmp/liqstream-nginx.pid", str(tmp_path / "pid")))
    done = subprocess.run(
        (NGINX, "-t", "-c", str(tmp_path / "plain.conf")), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@asynccontextmanager
async def backend(address: str, port: int) -> AsyncIterator[None]:
    """A server that says by which address it was reached."""

    async def say(_request: web.Request) -> web.Response:
        return web.Response(text=address)

    app = web.Application()
    app.router.add_get("/ready", say)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(conf: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """nginx with this conf; ended afterwards."""
    await asyncio.to_thread((folder / "nginx.conf").write_text, f"daemon off;\n{conf}")
    process = await asyncio.create_subprocess_exec(
        *(NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answered_by(session: aiohttp.ClientSession, wanted: set[str]) -> None:
    """Return once each of `wanted` has answered; from the first answer on none may fail."""
    seen: set[str] = set()
    async with asyncio.timeout(20):
        while not wanted <= seen:
            try:
                async with session.get("/ready") as answer:
                    assert answer.status == 200
                    seen.add(await answer.text())
            except aiohttp.ClientConnectorError:
                assert not seen, "nginx does not listen any more"
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["shipped", "composed"])
async def test_one_of_two_may_be_missing(kind: str, tmp_path: Path) -> None:
    """nginx starts and is reloaded without it, answers from the other, and has it as soon as it is there."""
    port, public = free_port(), free_port()
    conf = (CONFIG / "nginx.conf").read_text() if kind == "shipped" else composed_conf(tmp_path)
    for address, place in (SHIPPED if kind == "shipped" else PLACES).items():
        conf = conf.replace(f"{address} ", f"{place}:{port} ")
    conf = conf.replace("listen 8000 ", f"listen 127.0.0.1:{public} ")
    conf = conf.replace("/tmp/liqstream-nginx.pid", str(tmp_path / "nginx.pid"))
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(backend("127.0.0.2", port))
        nginx = await parts.enter_async_context(running(conf, tmp_path))
        # A connection each, as visitors have: nginx counts those it has open.
        connector = aiohttp.TCPConnector(force_close=True)
        session = aiohttp.ClientSession(f"http://127.0.0.1:{public}", connector=connector)
        await parts.enter_async_context(session)
        await answered_by(session, {"127.0.0.2"})
        nginx.send_signal(signal.SIGHUP)
        await answered_by(session, {"127.0.0.2"})
        async with backend("127.0.0.3", port):
            await answered_by(session, {"127.0.0.2", "127.0.0.3"})
        for _ in range(5):
            await answered_by(session, {"127.0.0.2"})
        assert nginx.returncode is None
