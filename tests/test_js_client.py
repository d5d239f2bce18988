"""What a JavaScript program gets: one file from a server, or a package with types, without this tree."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from liqstream import __version__

WEB = Path(__file__).resolve().parents[1] / "web"
FOLLOW = """
import { WebSocket } from "%s";
globalThis.WebSocket ??= WebSocket;
const { LiqstreamClient } = await import("%s");
const client = new LiqstreamClient("%s/ws/heatmap");
client.on("snapshot", (snapshot) => {
  const { received } = client.account("BTC_USDT");
  if (client.snapshot("btc-usdt") !== snapshot || received < 1) throw new Error("lost");
  console.log(snapshot.symbol, snapshot.currentPrice > 0, snapshot.levels.long.length > 0);
  client.unsubscribe(["BTC-USDT-SWAP"]);
  if (client.symbols.length) throw new Error("kept");
  client.close();
});
client.subscribe(["BTC/USDT:USDT"], { intervalS: 1 });
client.connect();
"""
TYPED = """
import { LiqstreamClient, type Snapshot } from "liqstream-client";
const client = new LiqstreamClient("ws://127.0.0.1:8000/ws/heatmap", { token: "x" });
const stop: () => void = client.on("snapshot", (snapshot: Snapshot) => {
  const price: number = snapshot.currentPrice;
  const usd: number = snapshot.levels.long[0] ?? price;
  void usd;
});
client.on("warning", ({ code, dropped }) => void (code.length + dropped));
client.subscribe(["BTCUSDT"], { intervalS: 1 });
stop();
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def follow(folder: Path, module: str, url: str) -> str:
    """What a script in an empty folder prints of the first snapshot."""
    sockets = (WEB / "node_modules" / "ws" / "wrapper.mjs").as_uri()
    script = folder / "follow.mjs"
    script.write_text(FOLLOW % (sockets, module, f"ws://{urlsplit(url).netloc}"))
    done = run("node", "--no-warnings", script, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make js-client` packs."""
    folder = tmp_path_factory.mktemp("npm") / "liqstream-client"
    done = run("node", WEB / "build-client.mjs", folder, __version__, cwd=WEB)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_one_file_of_a_server_is_enough(demo_url: str, tmp_path: Path) -> None:
    """Saved into an empty folder it follows that server; nothing else is imported."""
    with urlopen(f"{demo_url}/static/js/liqstream-client.mjs") as answer:
        assert answer.headers["Content-Type"].startswith("text/javascript")
        (tmp_path / "liqstream-client.mjs").write_bytes(answer.read())
    assert follow(tmp_path, "./liqstream-client.mjs", demo_url) == "BTCUSDT true true"


@pytest.mark.long
def test_the_package_is_installed_and_follows_a_server(package: Path, demo_url: str, tmp_path: Path) -> None:
    """As `npm install` lays it out: found by its name, and of this version."""
    packed = json.loads(run("npm", "pack", "--json", "--dry-run", cwd=package).stdout)
    names = {file["path"] for file in packed[0]["files"]}
    assert names == {"LICENSE", "README.md", "package.json", "liqstream-client.mjs", "liqstream-client.d.mts"}
    assert packed[0]["version"] == __version__
    shutil.copytree(package, tmp_path / "node_modules" / "liqstream-client")
    assert follow(tmp_path, "liqstream-client", demo_url) == "BTCUSDT true true"


@pytest.mark.long
def test_its_types_are_those_of_the_client(package: Path, tmp_path: Path) -> None:
    """Right use passes the type checker of a strict program, wrong use does not."""
    shutil.copytree(package, tmp_path / "node_modules" / "liqstream-client")
    options = {"strict": True, "noEmit": True, "target": "es2022", "module": "nodenext"}
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": {**options, "types": []}, "files": ["use.ts"]})
    )
    (tmp_path / "package.json").write_text('{"type": "module"}')
    tsc = WEB / "node_modules" / ".bin" / "tsc"
    (tmp_path / "use.ts").write_text(TYPED)
    right = run(tsc, "--project", tmp_path, cwd=tmp_path)
    assert right.returncode == 0, right.stdout
    for part, wrong in (
        ("snapshot.currentPrice", "snapshot.price"),
        ('"warning"', '"warnings"'),
        ("intervalS: 1", "interval: 1"),
    ):
        (tmp_path / "use.ts").write_text(TYPED.replace(part, wrong))
        assert run(tsc, "--project", tmp_path, cwd=tmp_path).returncode != 0, wrong


def test_a_package_without_a_version_is_not_made(tmp_path: Path) -> None:
    """One line says how it is called."""
    done = run("node", WEB / "build-client.mjs", tmp_path / "out", cwd=WEB)
    assert done.returncode == 2
    assert "usage: node build-client.mjs FOLDER VERSION" in done.stderr
    assert not (tmp_path / "out").exists()
