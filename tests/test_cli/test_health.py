"""`liqstream health`: over HTTP and TLS, here and elsewhere, by exit code and one line."""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from liqstream.cli import main
from liqstream.http.pages import health
from tests.support.forward_proxy import forward_proxy, without_proxies
from tests.test_cli.test_start import HEAVY, OF_A_SERVER

STARTING: dict[str, object] = {"status": "starting", "symbols": {}, "feeds": {}}
DEGRADED: dict[str, object] = {
    "status": "degraded",
    "symbols": {"BTCUSDT": {"stale": False}, "ETHUSDT": {"stale": True}},
    "feeds": {"binance": {"connected": False}},
}


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_proxies(monkeypatch)
    monkeypatch.chdir(tmp_path)


async def ask(*arguments: str, **variables: str) -> Result:
    """The verb's outcome, run beside the server of the test."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["health", *arguments], env=variables)


def answering(
    content: dict[str, object] | None = None, status: int = 200, *, token: str = ""
) -> web.Application:
    """A server that lives, and whose /ready says this, to holders of a token if there is one."""

    async def ready(request: web.Request) -> web.Response:
        if token and request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"error": "a token is asked for"}, status=401)
        return web.json_response(content, status=status)

    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_get("/ready", ready)
    app.router.add_get("/below/health", health)
    return app


def test_a_running_server(demo_url: str) -> None:
    """Alive and ready, by its address or by the settings it was started with."""
    port = demo_url.rpartition(":")[2]
    for arguments, variables in (
        ((demo_url,), {}),
        (("--ready", demo_url.replace("http", "ws")), {}),
        (("--ready",), {"LIQSTREAM_PORT": port, "LIQSTREAM_HOST": "0.0.0.0"}),
        (("--host", "localhost", "--port", port), {"LIQSTREAM_URL": "http://127.0.0.1:1"}),
        ((), {"LIQSTREAM_URL": demo_url, "LIQSTREAM_PORT": "1"}),
    ):
        done = CliRunner().invoke(main, ["health", *arguments], env=variables)
        assert done.exit_code == 0, done.output


ASKING = """
import sys
from liqstream.cli import main
main(["health", *sys.argv[1].split()], standalone_mode=False)
print([name for name in sys.argv[2:] if name in sys.modules])
"""


def test_a_question_waits_for_no_part_of_a_server(demo_url: str) -> None:
    """By an address or by the settings, from the first import to the answer."""
    port = demo_url.rpartition(":")[2]
    for arguments in (demo_url, f"--ready --port {port}"):
        command = [sys.executable, "-c", ASKING, arguments, *HEAVY, *OF_A_SERVER, "click"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.splitlines()[1:] == ["['click']"]


@pytest.mark.attack
def test_a_question_takes_less_than_a_fifth_of_a_second(demo_url: str) -> None:
    """Time of a processor, so that what else the machine does is not counted; the least of five."""
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "liqstream", "health", demo_url], check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.2


async def test_a_server_that_is_not_ready_or_lacks_something() -> None:
    """The status decides, and the line says why; alive it is all the same."""
    async with TestServer(answering(STARTING, 503)) as server:
        url = str(server.make_url("/"))
        done = await ask("--ready", url)
        assert (done.exit_code, "(HTTP 503): starting" in done.output) == (1, True)
        assert (await ask(url)).exit_code == 0
        assert (await ask(f"{url}below")).output.strip() == f"{url}below/health: ok"
    async with TestServer(answering(DEGRADED, token="mine")) as server:
        url = str(server.make_url("/"))
        done = await ask("--ready", url)
        assert (done.exit_code, "a token is asked for" in done.output) == (1, True)
        done = await ask("--ready", url, LIQSTREAM_TOKEN="mine")
        assert done.exit_code == 0
        assert done.output.strip().endswith("degraded: ETHUSDT is stale; binance is not connected")


async def test_a_server_that_speaks_tls(tmp_path: Path) -> None:
    """By the settings with whatever certificate it has; by an address only with one that is right for it."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=liq.example", "-addext", "subjectAltName=DNS:liq.example")
    made = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        *subject,
        "-keyout",
        key,
        "-out",
        cert,
    )
    await asyncio.to_thread(subprocess.run, made, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    server = TestServer(answering(), scheme="https")
    await server.start_server(ssl=context)
    try:
        own = {"LIQSTREAM_TLS_CERT": str(cert), "LIQSTREAM_PORT": str(server.port)}
        assert (await ask(**own)).exit_code == 0
        url = f"https://127.0.0.1:{server.port}"
        assert "certificate" in (await ask(url)).output
        assert (await ask(url, "--insecure")).exit_code == 0
        assert (await ask("--host", "127.0.0.1", **own)).exit_code == 1
    finally:
        await server.close()


async def test_a_server_elsewhere_is_reached_through_the_proxy() -> None:
    """As everything is; this machine never is."""
    async with TestServer(answering()) as server, forward_proxy(server.port or 0) as (proxy, asked):
        assert (await ask("http://liq.invalid:80", HTTP_PROXY=proxy)).exit_code == 0
        assert (await ask("--port", str(server.port), HTTP_PROXY=proxy)).exit_code == 0
    assert len(asked) == 1


async def test_what_is_no_server_of_ours_is_not_well() -> None:
    """Nobody, somebody else's page, one that sends elsewhere, no address, port or setting: one line each."""
    asked_elsewhere: list[str | None] = []

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound(str(server.make_url("/elsewhere")))

    async def elsewhere(request: web.Request) -> web.Response:
        asked_elsewhere.append(request.headers.get("Authorization"))
        return web.json_response({"status": "ok"})

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(["a page"]))

    app = web.Application()
    app.router.add_get("/health", page)
    app.router.add_get("/moved/health", moved)
    app.router.add_get("/elsewhere", elsewhere)
    async with TestServer(app) as server:
        foreign = str(server.make_url("/"))
        for arguments, variables, words in (
            ((foreign,), {}, "is no liqstream server"),
            ((f"{foreign}moved", "--token", "liq_x"), {}, "/elsewhere: name that address"),
            (("http://127.0.0.1:1",), {}, "does not answer"),
            (("ftp://there",), {}, "is no address"),
            ((), {"LIQSTREAM_PORT": "0"}, "--port"),
            ((), {"LIQSTREAM_PRT": "1"}, "did you mean LIQSTREAM_PORT?"),
        ):
            done = await ask(*arguments, **variables)
            assert (done.exit_code, words in done.output, done.output.count("\n")) == (1, True, 1), (
                done.output
            )
    assert asked_elsewhere == [], "and the token was not taken along"
