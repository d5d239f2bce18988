"""`liqstream selftest`: the promises are kept, a broken one is found, a wrong address is one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from aiohttp.test_utils import unused_port

SELFTEST = (sys.executable, "-m", "liqstream", "selftest")


@pytest.mark.long
@pytest.mark.timeout(150)
def test_our_own_server_keeps_every_promise() -> None:
    """Without URL all ten are tried, on a server that is stopped and killed; JSON alone on stdout."""
    done = subprocess.run([*SELFTEST, "--json"], capture_output=True, text=True, timeout=120, check=False)
    results = json.loads(done.stdout)
    assert [result["verdict"] for result in results] == ["kept"] * 10, results
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("url", "sentence"), [("http://127.0.0.1:{port}", "cannot reach"), ("nonsense://", "is no address")]
)
def test_a_wrong_address_is_one_line(url: str, sentence: str) -> None:
    """Exit code 1."""
    command = [*SELFTEST, url.format(port=unused_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
