"""An exchange is one file and its recorded messages: in a copy of the tree, everything else finds it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.long
STUB = '''"""An exchange that speaks as Binance does."""

from __future__ import annotations

from typing import ClassVar

from liqstream.feeds.exchanges.binance import Binance


class Stub(Binance):
    """See the module."""

    name: ClassVar[str] = "stub"
    display_name: ClassVar[str] = "Stub"
    rest_url: ClassVar[str] = "https://stub.example"
    ws_url: ClassVar[str] = "wss://stub.example"
    ping_path: ClassVar[str] = "/stub/ping"
'''
RECORDED = '{"e":"markPriceUpdate","E":1790000000000,"s":"BTCUSDT","p":"100000"}'


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with one more file."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("liqstream", "tests", "docs", "web"):
        # Compiled files are copied too: each of the processes below would make them anew.
        ignored = shutil.ignore_patterns("node_modules")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in (".env.template", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    (copy / "liqstream" / "feeds" / "exchanges" / "stub.py").write_text(STUB)
    messages = copy / "data" / "exchange_messages" / "stub"
    messages.mkdir(parents=True)
    (messages / "mark_price.json").write_text(RECORDED)
    return copy


def run(tree: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m` in the copy, whose package comes before the installed one."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tree,
        env=os.environ | {"LIQSTREAM_TEST_DATA": str(tree / "data")} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("verb", ["serve", "record"])
def test_it_has_its_options(tree: Path, verb: str) -> None:
    """Both addresses can be given on the command line."""
    text = run(tree, "liqstream", verb, "--help").stdout
    assert "--stub-rest-url" in text
    assert "--stub-ws-url" in text


def test_it_has_its_settings(tree: Path) -> None:
    """Defaults from its file, values from the environment, and its name in the list of exchanges."""
    done = run(tree, "liqstream", "show-config", "--json", LIQSTREAM_STUB_WS_URL="ws://here")
    rows = {row["setting"]: row for row in json.loads(done.stdout)}
    assert rows["LIQSTREAM_STUB_REST_URL"]["value"] == "https://stub.example"
    assert rows["LIQSTREAM_STUB_WS_URL"] | {"meaning": ""} == {
        "setting": "LIQSTREAM_STUB_WS_URL",
        "value": "ws://here",
        "default": "wss://stub.example",
        "unit": "",
        "origin": "environment",
        "meaning": "",
    }
    assert ", stub." in rows["LIQSTREAM_EXCHANGES"]["meaning"]


def test_doctor_asks_it(tree: Path) -> None:
    """At the address the settings give, on its own ping path."""
    url = f"http://127.0.0.1:{unused_port()}"
    done = run(tree, "liqstream", "doctor", "--exchange", "stub", "--json", LIQSTREAM_STUB_REST_URL=url)
    checks = {check["thing"]: check for check in json.loads(done.stdout)}
    assert checks["stub"]["finding"].startswith(f"{url}/stub/ping: ")


def test_make_docs_writes_its_rows(tree: Path) -> None:
    """The table of settings, the template and the help of the verbs."""
    done = run(tree, "tests.docs.docs_tables")
    assert done.returncode == 0, done.stderr
    assert "Where Stub's REST interface is" in (tree / "docs" / "configuration.md").read_text()
    assert "LIQSTREAM_STUB_WS_URL=wss://stub.example" in (tree / ".env.template").read_text()
    assert "--stub-rest-url" in (tree / "docs" / "cli.md").read_text()


def test_it_is_tested_with_the_others(tree: Path) -> None:
    """Facts, garbage, fuzzing and its recorded message; without that message it fails."""
    files = ("tests/test_feeds/test_registry.py", "tests/test_feeds/test_parsing.py")
    recorded = "tests/test_feeds/exchanges/test_recorded_messages.py"
    options = ("-vv", "-p", "no:cacheprovider", "-k", "stub")
    done = run(tree, "pytest", *files, recorded, *options)
    assert done.returncode == 0, done.stdout
    passed = [line for line in done.stdout.splitlines() if "PASSED" in line and "stub" in line]
    for test in ("garbage", "no_json_ends_a_feed", "has_its_facts", "has_recorded_messages"):
        assert any(test in line for line in passed), f"no test of {test} for the stub"
    missing = run(tree, "pytest", recorded, *options, LIQSTREAM_TEST_DATA=str(tree / "docs"))
    assert missing.returncode == 1
    assert "no recorded message of stub" in missing.stdout
