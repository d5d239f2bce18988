"""What `pip install liqstream` gives: from wheel and sdist, in an empty environment, far from a checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.lock_file import LOCK, wanted

ROOT = Path(__file__).resolve().parents[1]
PAGE_FOLDERS = ("templates", "js", "css", "vendor", "built", "icons")

pytestmark = pytest.mark.timeout(400)


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed, free of this test's own environment."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with sdist and wheel, built of a clean copy of the tree as `make dist` builds them."""
    clean = tmp_path_factory.mktemp("tree")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (clean / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clean / name)
    for made in ("vendor", "built"):
        shutil.copytree(ROOT / "web" / made, clean / "web" / made)
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", target, clean, cwd=target)
    client = clean / "packages" / "liqstream-client"
    run(sys.executable, "-m", "build", "--wheel", "--outdir", target, client, cwd=target)
    return target


@pytest.fixture(scope="module")
def bin_folder(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an empty environment into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    run(*_pip_install(folder / "bin"), "--no-compile", _only(dist, "liqstream-*.whl"), cwd=folder)
    return folder / "bin"


def _pip_install(bin_folder: Path) -> tuple[str | Path, ...]:
    """The command that installs into an environment: this one's pip, so that each need not have its own."""
    return sys.executable, "-m", "pip", "--python", bin_folder / "python", "install", "--quiet"


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


@pytest.mark.long
def test_the_wheel_holds_every_file_that_is_no_module(dist: Path) -> None:
    """Page, chart library with licence and notice, tables, SQL, py.typed: nothing is left behind."""
    with zipfile.ZipFile(_only(dist, "liqstream-*.whl")) as wheel:
        inside = set(wheel.namelist())
    wanted = {
        f"liqstream/web/{path.relative_to(ROOT / 'web').as_posix()}"
        for folder in PAGE_FOLDERS
        for path in (ROOT / "web" / folder).rglob("*")
        if path.is_file()
    }
    package = (path for path in (ROOT / "liqstream").rglob("*") if path.is_file())
    wanted |= {path.relative_to(ROOT).as_posix() for path in package if path.suffix not in (".pyc",)}
    assert wanted - inside == set()
    assert any(name.endswith("licenses/NOTICE") for name in inside)
    assert "liqstream/web/vendor/lightweight-charts.NOTICE.txt" in inside


@pytest.mark.long
def test_the_sdist_holds_the_tree(dist: Path) -> None:
    """Every file under version control: who has the sdist can build, test, contribute and report."""
    with tarfile.open(_only(dist, "*.tar.gz")) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    tracked = run("git", "ls-files", cwd=ROOT).splitlines()
    assert {"CONTRIBUTING.md", "SECURITY.md", ".github/workflows/release.yml"} <= set(tracked)
    assert set(tracked) - inside == set()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["wheel", pytest.param("sdist", marks=pytest.mark.attack)])
def test_an_installed_server_serves_its_page(kind: str, dist: Path, bin_folder: Path, tmp_path: Path) -> None:
    """`liqstream serve --demo` outside of any checkout: page, scripts, chart library, and a map."""
    if kind == "sdist":
        package = _only(dist, "*.tar.gz")
        run(*_pip_install(bin_folder), "--no-deps", "--force-reinstall", package, cwd=tmp_path)
    with installed_server(bin_folder / "liqstream", tmp_path) as url:
        page = fetch(url)
        assert "SIMULATED" in page.upper()
        scripts = fetch_all(url, page)
        assert any("lightweight-charts" in script for script in scripts)
        assert '"levels"' in fetch(f"{url}/api/heatmap/BTCUSDT")
    version = run(bin_folder / "liqstream", "--version", cwd=tmp_path)
    assert version.split()[-1] == _only(dist, "liqstream-*.whl").name.split("-")[1]


@contextmanager
def installed_server(command: Path, folder: Path) -> Iterator[str]:
    """The address of a running `liqstream serve --demo`; it must end with exit code 0."""
    with (folder / "stderr.log").open("wb") as log:
        process = subprocess.Popen(
            [command, "serve", "--demo", "--symbol", "BTCUSDT", "--port", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None, (folder / "stderr.log").read_text()
            yield found[0]
        finally:
            process.terminate()
            process.communicate(timeout=20)
    assert process.returncode == 0


def fetch(url: str) -> str:
    """The text at an address; anything but 200 raises."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def fetch_all(url: str, page: str) -> list[str]:
    """The addresses of everything the page loads, modules' imports included; each of them answers."""
    waiting = [urljoin(url + "/", path) for path in re.findall(r'(?:src|href)="([^"#]+)"', page)]
    waiting = [address for address in waiting if address.startswith(f"{url}/static/")]
    seen: dict[str, None] = {}
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen[address] = None
        text = fetch(address)
        if address.endswith((".js", ".mjs")) and "/vendor/" not in address:
            waiting += [urljoin(address, path) for path in _imports(text)]
    return list(seen)


def _imports(script: str) -> Iterator[str]:
    for found in re.finditer(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""", script):
        yield found[1]


@pytest.mark.parametrize(("lost", "command"), [("vendor", "sdist"), ("built", "build_py")])
def test_a_tree_without_its_page_makes_no_package(tmp_path: Path, lost: str, command: str) -> None:
    """The build fails before it makes anything, and says what is missing and how it is made."""
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "liqstream/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for kept in {"vendor", "built"} - {lost}:
        shutil.copytree(ROOT / "web" / kept, tmp_path / "web" / kept)
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"missing web/{lost}/" in done.stderr
    assert "npm run --prefix web build" in done.stderr
    assert not (tmp_path / "build").exists()


READING = """
import asyncio, importlib.util, json, sys
from liqstream_client import HeatmapClient

async def read(url):
    async with HeatmapClient(url) as client:
        async for snapshot in client.subscribe("BTCUSDT", update_interval_s=1):
            latest = await client.latest("BTCUSDT")
            return [snapshot.symbol, latest.source, len(latest.prices) > 0]

print(json.dumps([*asyncio.run(read(sys.argv[1])), importlib.util.find_spec("liqstream") is not None]))
"""
MOST_BYTES = 120_000_000
"""Of an environment with the client alone, without what Python itself brings."""


@pytest.mark.long
def test_the_client_alone_and_beside_the_server(dist: Path, bin_folder: Path, tmp_path: Path) -> None:
    """Its wheel needs three packages and little room, reads a server, and disturbs no whole installation."""
    wheel = _only(dist, "liqstream_client-*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        (metadata,) = (content.read(name).decode() for name in names if name.endswith("METADATA"))
    needed = re.findall(r"^Requires-Dist: ([\w-]+)", metadata, re.MULTILINE)
    assert sorted(needed) == ["aiohttp", "msgspec", "numpy"]
    assert {"liqstream_client/py.typed", "liqstream_client/__init__.py"} <= set(names)
    alone = tmp_path / "alone"
    venv.create(alone, with_pip=False)
    run(*_pip_install(alone / "bin"), "--no-compile", wheel, cwd=tmp_path)
    assert sum(path.stat().st_size for path in alone.rglob("*") if path.is_file()) <= MOST_BYTES
    run(*_pip_install(bin_folder), "--no-compile", "--no-deps", wheel, cwd=tmp_path)
    with installed_server(bin_folder / "liqstream", tmp_path) as url:
        for folder, has_server in ((alone / "bin", "false"), (bin_folder, "true")):
            read = run(folder / "python", "-c", READING, url, cwd=tmp_path)
            assert read.strip() == f'["BTCUSDT", "simulated", true, {has_server}]'


def test_the_lock_file_pins_what_setup_cfg_wants() -> None:
    """Each at a version within its limits, each with hashes; `make lock` writes it."""
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", LOCK.read_text(), re.MULTILINE))
    entries = re.split(r"^(?=[\w.-]+==)", LOCK.read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    for requirement in map(Requirement, wanted()):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_client_has_no_name_in_its_own_imports() -> None:
    """Under which it would not be found in the other wheel."""
    for path in (ROOT / "liqstream" / "client").glob("*.py"):
        assert re.findall(r"^\s*(?:from|import) liqstream\b.*", path.read_text(), re.MULTILINE) == [], (
            path.name
        )
