"""What `pip install liqstream` gives: from wheel and sdist, in an empty environment, far from a checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest

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
    return target


@pytest.fixture(scope="module")
def bin_folder(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an empty environment into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    run(*_pip_install(folder / "bin"), "--no-compile", _only(dist, "*.whl"), cwd=folder)
    return folder / "bin"


def _pip_install(bin_folder: Path) -> tuple[str | Path, ...]:
    """The command that installs into an environment: this one's pip, so that each need not have its own."""
    return sys.executable, "-m", "pip", "--python", bin_folder / "python", "install", "--quiet"


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_holds_every_file_that_is_no_module(dist: Path) -> None:
    """Page, chart library with licence and notice, tables, SQL, py.typed: nothing is left behind."""
    with zipfile.ZipFile(_only(dist, "*.whl")) as wheel:
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


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
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
    assert version.split()[-1] == _only(dist, "*.whl").name.split("-")[1]


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
