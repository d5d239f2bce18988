"""Install the programs the tests drive, or say exactly which are missing and how to get them.

Run by `make test`; the tests never skip for lack of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PROGRAMS = {
    "redis-server": "redis-server",
    "nginx": "nginx",
    "openssl": "openssl",
    "chromium": "chromium",
    "prometheus": "prometheus",
}
"""Program -> package of the system's package manager."""
HEADLESS_SHELL = "chromium-headless-shell"
"""Chromium without windows, the same pictures for two thirds of the work: not every system packs it."""


def missing_packages() -> list[str]:
    """Packages whose program is not on the PATH."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    return [package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None]


def _as_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def _install(packages: list[str], prefix: list[str]) -> None:
    sys.stderr.write(f"installing {', '.join(packages)}\n")
    subprocess.run([*prefix, "apt-get", "update", "-qq"], check=True)
    subprocess.run(_command(packages, prefix), check=True, stdout=subprocess.DEVNULL)
    if "chromium" in packages:
        subprocess.run(_command([HEADLESS_SHELL], prefix), check=False, capture_output=True)


def _command(packages: list[str], prefix: list[str]) -> list[str]:
    options = ["-y", "-qq", "--no-install-recommends"]
    return [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", *options, *packages]


def main() -> None:
    """Leave the machine able to run the tests, or exit 1 with the command that would."""
    packages = missing_packages()
    prefix = _as_root()
    if packages and prefix is not None and shutil.which("apt-get"):
        _install(packages, prefix)
        packages = missing_packages()
    if packages:
        names = " ".join(packages)
        sys.exit(f"the tests need {names}: install them, e.g. `sudo apt-get install {names}`, and run again")


if __name__ == "__main__":
    main()
