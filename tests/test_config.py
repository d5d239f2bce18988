"""Files that other programs run (unit, compose, alerts, workflows, hooks), each read by its own tool."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from liqstream import __version__
from liqstream.settings.load import setting_variable
from liqstream.settings.table import Settings
from tests.support.redis_server import running_redis

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMPOSE = ("docker-compose.yml", "docker-compose.multi.yml", "docker-compose.scale.yml")
UNITS = ("liqstream.service", "liqstream-fanout@.service")
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


def _run(program: str, *arguments: str | Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = (shutil.which(program, path=path) or program, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    """With a program that exists in the place of an installed one, systemd has nothing to say."""
    unit = tmp_path / name.replace("@", "@1")
    text = (CONFIG / name).read_text()
    text = text.replace("/opt/liqstream/.venv/bin/liqstream serve", "/bin/true")
    unit.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
    assert "liqstream" not in _run("systemd-analyze", "verify", "--man=no", unit)


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_the_unit_is_a_sandbox(name: str) -> None:
    """An exposure of 1.2 of 10 at most: what is left is the network it serves."""
    text = _run("systemd-analyze", "security", "--offline=true", "--no-pager", CONFIG / name)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
    assert found is not None
    assert float(found[1]) <= 1.2


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_names_only_settings_that_exist(name: str) -> None:
    """And files that are there; by the schema of compose files."""
    _run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", CONFIG / name)
    compose = yaml.safe_load((CONFIG / name).read_text())
    known = {setting_variable(field) for field in Settings.model_fields}
    for service in compose["services"].values():
        environment = service.get("environment", {})
        ours = {key for key in environment if key.startswith(("LIQSTREAM_", "WS_", "REDIS_"))}
        assert ours <= known
        if "LIQSTREAM_SYMBOLS" in ours:
            assert environment["LIQSTREAM_HOSTS"] == "${LIQSTREAM_HOSTS:-}", (
                "without it strangers' names pass"
            )
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (CONFIG / source).exists(), source


def test_containers_that_only_fan_out_can_be_scaled() -> None:
    """Nothing of theirs is there once (an address, a volume, a port); what they name is in the other file."""
    multi, scale = (yaml.safe_load((CONFIG / name).read_text())["services"] for name in COMPOSE[1:])
    fanout = scale["fanout"]
    assert not fanout.keys() & {"volumes", "ports", "networks", "container_name", "hostname"}
    assert fanout["image"] == multi["liqstream-1"]["image"]
    assert fanout["depends_on"].keys() | scale.keys() - {"fanout"} <= multi.keys()
    assert fanout["environment"]["LIQSTREAM_HISTORY_URL"] == "http://liqstream-1:8000"
    for name in ("LIQSTREAM_SYMBOLS", "LIQSTREAM_TRUSTED_PROXIES", "REDIS_URL", "LIQSTREAM_METRICS_PORT"):
        assert fanout["environment"][name] == multi["liqstream-1"]["environment"][name]


def _redis_of_compose() -> list[str]:
    services = yaml.safe_load((CONFIG / "docker-compose.multi.yml").read_text())["services"]
    return shlex.split(services["redis"]["command"])


def _redis_of_kubernetes() -> list[str]:
    resources = yaml.safe_load_all((CONFIG / "kubernetes.yaml").read_text())
    (redis,) = (r for r in resources if r["kind"] == "StatefulSet" and "redis" in r["metadata"]["name"])
    (container,) = redis["spec"]["template"]["spec"]["containers"]
    arguments: list[str] = container["args"]
    return arguments


@pytest.mark.redis
@pytest.mark.parametrize("command", [_redis_of_compose, _redis_of_kubernetes])
def test_what_pages_have_set_outlives_the_shipped_redis(
    command: Callable[[], list[str]], tmp_path: Path
) -> None:
    """Alert rules and devices are nowhere else; a disk that cannot be written does not stop the stream."""
    with running_redis(tmp_path, *command()[1:]) as server:
        assert server.tell("SET", "rule", "kept") == b"+OK"
        assert server.process is not None
        server.process.terminate()
        assert server.process.wait(10) == 0
        server.start()
        assert server.tell("STRLEN", "rule") == b":4"
    assert "--stop-writes-on-bgsave-error no" in " ".join(command())


def test_the_environment_file_of_the_unit_names_only_settings_that_exist() -> None:
    """In the unit itself and in docs/operations.md."""
    known = {setting_variable(field) for field in Settings.model_fields}
    for path in (*(CONFIG / name for name in UNITS), ROOT / "docs" / "operations.md", ROOT / "Dockerfile"):
        named = set(re.findall(r"\b((?:LIQSTREAM|WS|REDIS)_[A-Z_]+)=", path.read_text()))
        assert named <= known, path


def test_the_dockerfile_is_clean() -> None:
    """By hadolint: nothing worse than a hint. tests/test_image.py runs its steps."""
    _run("hadolint", "--failure-threshold", "warning", ROOT / "Dockerfile")


def test_the_image_has_the_notices_its_licences_ask_for() -> None:
    """Each file that setup.cfg names is copied to where the wheel is built, and let through."""
    named = re.search(r"^license_files =\n((?: +\S+\n)+)", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert named is not None
    copied = re.findall(r"^COPY (.*) \./$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in named[1].split():
        assert any(name in files.split() for files in copied), name
        assert f"!{name}" in (ROOT / ".dockerignore").read_text().split()


def test_the_update_bots_file_is_valid() -> None:
    """By its schema; each folder it names has what it looks for."""
    path = ROOT / ".github" / "dependabot.yml"
    _run("check-jsonschema", "--builtin-schema", "vendor.dependabot", path)
    for update in yaml.safe_load(path.read_text())["updates"]:
        assert (ROOT / update["directory"].strip("/")).is_dir()


@pytest.mark.parametrize("name", COMPOSE)
def test_no_containers_log_grows_without_end(name: str) -> None:
    """Docker keeps all of it by default."""
    for service, content in yaml.safe_load((CONFIG / name).read_text())["services"].items():
        if "image" in content:  # what changes a service of another file says only what is other
            assert content["logging"]["options"].keys() == {"max-size", "max-file"}, service


def unpinned(workflow: str) -> list[str]:
    """What a workflow uses without commit hash and version comment, its own repository's files aside."""
    uses = re.findall(r"\buses: *(.*)", workflow)
    pinned = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    return [each for each in uses if not each.startswith("./") and not pinned.fullmatch(each)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_follow_their_schema(path: Path) -> None:
    """GitHub's, as check-jsonschema carries it."""
    _run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def test_a_workflow_with_an_unknown_key_is_noticed(tmp_path: Path) -> None:
    """A misspelt key of a step fails the check above."""
    broken = tmp_path / "ci.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace("- run: make check", "- runs: make check"))
    with pytest.raises(AssertionError, match="runs"):
        _run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", broken)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned(path: Path) -> None:
    """By a commit's hash, which cannot be moved as a tag can; by default a job may only read."""
    assert "uses: " in path.read_text()
    assert unpinned(path.read_text()) == []
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    "used",
    [
        "actions/checkout@v4",
        "actions/checkout@main",
        f"actions/checkout@{'a' * 40}",
        f"x/y@{'a' * 39} # v1.2.3",
    ],
)
def test_an_action_that_is_not_pinned_is_noticed(used: str) -> None:
    """A tag, a branch, a hash without its version, a hash cut short; in both forms of a step."""
    assert unpinned(f"steps:\n  - uses: {used}\n  - name: x\n    uses: {used}\n") == [used, used]


def test_each_action_has_one_version() -> None:
    """The same hash and version in every workflow."""
    used = {each for path in WORKFLOWS for each in re.findall(r"uses: *([^.].*)", path.read_text())}
    assert len({each.partition("@")[0] for each in used}) == len(used)


@pytest.mark.parametrize(
    ("tag", "problem"), [("v{}", ""), ("v9.{}", "liqstream.__version__ is"), ("{}", "the tag is")]
)
def test_only_a_tag_of_the_version_is_released(tag: str, problem: str, tmp_path: Path) -> None:
    """The release's first step, run as GitHub runs it: it writes the version's notes or an error."""
    done = _release_step(tmp_path, tag.format(__version__), (ROOT / "CHANGELOG.md").read_text())
    assert (done.returncode == 0) == (problem == "")
    assert problem in done.stderr
    if not problem:
        assert "liqstream serve" in (tmp_path / "notes.md").read_text()


def test_a_version_without_notes_is_not_released(tmp_path: Path) -> None:
    """An entry that is missing, or empty."""
    for changes in ("# Changes\n", f"## {__version__}\n\n## 0.0.1\n\nThings.\n"):
        done = _release_step(tmp_path, f"v{__version__}", changes)
        assert done.returncode != 0
        assert "CHANGELOG.md has no entry" in done.stderr


def _release_step(folder: Path, tag: str, changes: str) -> subprocess.CompletedProcess[str]:
    (folder / "liqstream").mkdir(exist_ok=True)
    shutil.copy(ROOT / "liqstream" / "__init__.py", folder / "liqstream")
    (folder / "CHANGELOG.md").write_text(changes)
    (folder / ".ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".ci" / "release-notes", folder / ".ci")
    return subprocess.run(
        ["make", "--no-print-directory", "-f", ROOT / "Makefile", "release-notes", f"TAG={tag}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_release_has_checksums_and_a_bill_of_materials(tmp_path: Path) -> None:
    """Of each file that is published, as sha256sum reads them; of each package that is pinned."""
    for name in (".ci/release_files.py", "liqstream/__init__.py", "requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "dist" / "unpacked").mkdir(parents=True)
    for name in ("liqstream-1.whl", "liqstream-1.tar.gz"):
        (tmp_path / "dist" / name).write_text(name)
    command = ("make", "-f", str(ROOT / "Makefile"), "release-files", f"PYTHON={sys.executable}")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    sums = tmp_path / "release" / "SHA256SUMS"
    checked = subprocess.run(
        ("sha256sum", "--check", sums), cwd=tmp_path / "dist", capture_output=True, text=True, check=True
    )
    assert checked.stdout == "liqstream-1.tar.gz: OK\nliqstream-1.whl: OK\n"
    bill = json.loads((tmp_path / "release" / "liqstream.cdx.json").read_text())
    pinned = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert [(each["name"], each["version"]) for each in bill["components"]] == pinned
    assert all(each["externalReferences"][0]["hashes"] for each in bill["components"])
    assert bill["metadata"]["component"]["version"] == __version__


def test_a_release_runs_verbs_of_the_makefile() -> None:
    """Its own steps, and those that make what it publishes, are verbs that tests run too."""
    workflows = ROOT / ".github" / "workflows"
    verbs = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    version = yaml.safe_load((workflows / "release.yml").read_text())["jobs"]["version"]
    wheel = yaml.safe_load((workflows / "ci.yml").read_text())["jobs"]["wheel"]
    steps = [step["run"] for job in (version, wheel) for step in job["steps"] if "run" in step]
    made = {found[1] for found in (re.match(r"make ([a-z-]+)", step) for step in steps) if found}
    assert made >= {"release-notes", "dist", "release-files"}
    assert made <= verbs


def test_nothing_is_published_that_was_not_tested() -> None:
    """Each job of a release that may write needs ci.yml's, and takes what that job made."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    made = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    for name in ("pypi", "image"):
        assert jobs[name]["needs"] == "ci"
        (taken,) = (
            step["with"]["name"] for step in jobs[name]["steps"] if "download" in step.get("uses", "")
        )
        assert f"name: {taken}, path: " in made
    assert set(jobs["notes"]["needs"]) == {"pypi", "image"}


def test_the_hooks_are_verbs_of_the_makefile() -> None:
    """pre-commit accepts its file; each hook runs a target that exists, on the whole tree."""
    path = ROOT / ".pre-commit-config.yaml"
    _run("pre-commit", "validate-config", path)
    verbs = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    hooks = [hook for repo in yaml.safe_load(path.read_text())["repos"] for hook in repo["hooks"]]
    assert {hook["entry"].removeprefix("make ") for hook in hooks} == {"lint", "types", "floors", "docs"}
    assert {hook["entry"].removeprefix("make ") for hook in hooks} <= verbs
    assert not any(hook["pass_filenames"] for hook in hooks)


def test_the_workflow_runs_what_ci_run_runs_in_the_same_time() -> None:
    """One list of verbs, one limit: what passes here passes there."""
    script = (ROOT / ".ci" / "run").read_text()
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["test"]
    limit, verbs = re.search(r"LIMIT_MINUTES=(\d+)", script), re.search(r"make (.+)$", script.strip())
    assert limit is not None
    assert verbs is not None
    assert job["timeout-minutes"] == int(limit[1])
    always = [step["run"] for step in job["steps"] if "run" in step and "if" not in step]
    assert always == [f"make {verb}" for verb in verbs[1].split()]
