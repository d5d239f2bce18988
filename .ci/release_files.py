"""Write what a release stands on: a bill of materials (CycloneDX 1.5) of requirements.lock, and checksums.

Into release/, beside what goes to the package index, which takes nothing else than packages.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

DIST, RELEASE = Path("dist"), Path("release")


def bill(lock: str, version: str) -> dict[str, object]:
    """The packages of a lock file, each with its address and the hashes it may have."""
    components = []
    for entry in re.split(r"^(?=[\w.-]+==)", lock, flags=re.MULTILINE)[1:]:
        name, pinned = re.findall(r"^([\w.-]+)==([\w.+!-]+)", entry)[0]
        hashes = re.findall(r"sha256:([0-9a-f]{64})", entry)
        reference = {
            "type": "distribution",
            "url": f"https://pypi.org/project/{name}/{pinned}/",
            "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
        }
        component = {"type": "library", "name": name, "version": pinned, "purl": f"pkg:pypi/{name}@{pinned}"}
        components.append({**component, "externalReferences": [reference]})
    subject = {"type": "application", "name": "liqstream", "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**subject, "purl": f"pkg:pypi/liqstream@{version}"}},
        "components": components,
    }


def main() -> None:
    """Write release/liqstream.cdx.json and release/SHA256SUMS."""
    text = Path("liqstream/__init__.py").read_text()
    version = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]
    RELEASE.mkdir(exist_ok=True)
    content = json.dumps(bill(Path("requirements.lock").read_text(), version), indent=1)
    (RELEASE / "liqstream.cdx.json").write_text(content + "\n")
    files = sorted(path for path in DIST.iterdir() if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (RELEASE / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main()
