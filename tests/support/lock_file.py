"""Pin what the server needs, to the last package, with hashes (`make lock`)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
EXTRAS = ("speed", "mcp", "push")
HEAD = """\
# Every package of liqstream[speed,mcp,push], with hashes; made by `make lock` from setup.cfg on the oldest
# Python that is supported. An install that is the same everywhere:
#   pip install --require-hashes -r requirements.lock && pip install --no-deps liqstream
"""


def wanted() -> list[str]:
    """The requirements of setup.cfg that are pinned, as they stand there."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in EXTRAS]
    lines = (line.strip() for text in texts for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def main() -> None:
    """Write the lock file; what is pinned stays where setup.cfg allows it (`--upgrade`: the newest)."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "wanted.in"), Path(folder, "lock")
        source.write_text("\n".join(wanted()) + "\n")
        if LOCK.is_file():
            made.write_text(LOCK.read_text())
        options: tuple[str, ...] = (
            "--quiet",
            "--generate-hashes",
            "--strip-extras",
            "--allow-unsafe",
            "--no-annotate",
        )
        options += ("--no-header", "--no-emit-index-url", "--no-emit-find-links")
        command = (sys.executable, "-m", "piptools", "compile", *options, *sys.argv[1:])
        subprocess.run((*command, "--output-file", made, source), check=True)
        LOCK.write_text(HEAD + made.read_text().removeprefix(HEAD))


if __name__ == "__main__":
    main()
