"""Secrets under the shipped unit: its own commands copy them, and a reload takes in new ones."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from liqstream.cli import main
from tests.attack.harness import Victim, attacked
from tests.support.certificates import write_certificate

CONFIG = Path(__file__).resolve().parents[2] / "config"
UNIT = (CONFIG / "liqstream.service").read_text()
NOBODY = 65534
NAMED = {"TOKENS_FILE": "tokens", "TLS_CERT": "cert.pem", "TLS_KEY": "key.pem"}


def run_as_root_would(kind: str, folder: Path) -> None:
    """The unit's commands of a kind that are run as root, in a folder instead of /."""
    for command in re.findall(rf"^{kind}=\+(.*)$", UNIT, re.MULTILINE):
        words = shlex.split(command.replace("/opt/liqstream/config", str(CONFIG)))
        placed = [re.sub(r"^/(etc|run|var)/", rf"{folder}/\1/", word) for word in words]
        subprocess.run(placed, check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where root keeps a certificate and its key, and where the service has its state."""
    for name in ("etc/liqstream/secrets", "run", "var/lib/liqstream"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/liqstream/secrets").chmod(0o700)
    write_certificate(tmp_path / "etc/liqstream/secrets", "first")
    return tmp_path


def new_token(root: Path, name: str) -> str:
    """A token that root makes."""
    path = str(root / "etc/liqstream/secrets/tokens")
    return CliRunner().invoke(main, ["new-token", name, "--file", path]).output.strip()


def test_the_copies_are_the_services_to_read_and_nobodys_to_change(root: Path) -> None:
    """They belong to the owner of the state folder, their folder to root; what is gone is gone."""
    state, copies = root / "var/lib/liqstream", root / "run/liqstream-secrets"
    if os.getuid() == 0:
        os.chown(state, NOBODY, NOBODY)
    run_as_root_would("ExecStartPre", root)
    assert {each.name for each in copies.iterdir()} == {"cert.pem", "key.pem"}
    assert copies.stat().st_uid == os.getuid()
    assert copies.stat().st_mode & 0o777 == 0o711
    for copy in copies.iterdir():
        assert copy.stat().st_uid == state.stat().st_uid
        assert copy.stat().st_mode & 0o777 == 0o400
    (root / "etc/liqstream/secrets/key.pem").unlink()
    new_token(root, "a")
    run_as_root_would("ExecReload", root)
    assert {each.name for each in copies.iterdir()} == {"cert.pem", "tokens"}
    run_as_root_would("ExecStopPost", root)
    assert not copies.exists()


def test_without_secrets_the_unit_starts(tmp_path: Path) -> None:
    """There need be no folder of them."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var/lib/liqstream").mkdir(parents=True)
    run_as_root_would("ExecStartPre", tmp_path)
    assert list((tmp_path / "run/liqstream-secrets").iterdir()) == []


async def test_a_reload_takes_a_new_token_and_certificate(root: Path) -> None:
    """What the settings name cannot be read, only the copies are; systemd's own would stay as they were."""
    first = await asyncio.to_thread(new_token, root, "first")
    await asyncio.to_thread(run_as_root_would, "ExecStartPre", root)
    settings = {name: f"/etc/liqstream/secrets/{file}" for name, file in NAMED.items()}
    with attacked(root, SECRETS_DIR=str(root / "run/liqstream-secrets"), **settings) as server:
        certificate = await asyncio.to_thread(shown_certificate, server)
        assert await status_of(server, first) == 200
        assert await status_of(server, "liq_nobodys") == 401
        second = await asyncio.to_thread(new_token, root, "second")
        await asyncio.to_thread(write_certificate, root / "etc/liqstream/secrets", "second")
        await asyncio.to_thread(run_as_root_would, "ExecReload", root)
        assert "/bin/kill -HUP $MAINPID" in re.findall(r"^ExecReload=(.*)$", UNIT, re.MULTILINE)
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(20):
            while '"certificate"' not in server.log():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await status_of(server, second) == 200
        assert await asyncio.to_thread(shown_certificate, server) != certificate


def shown_certificate(server: Victim) -> str:
    """The certificate that new connections are shown."""
    return ssl.get_server_certificate((server.host, server.port))


async def status_of(server: Victim, token: str) -> int:
    """What a request with a token is answered."""
    url = f"https://{server.host}:{server.port}/prices/klines?symbol=BTCUSDT"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as answer:
        return answer.status
