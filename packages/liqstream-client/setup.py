"""The wheel `liqstream-client`: the folder liqstream/client under the name liqstream_client.

One source, two names: `pip install liqstream` has it as liqstream.client, beside the server. Its version and
the limits of the three packages it needs are those of the server.
"""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("aiohttp", "msgspec", "numpy")


def _version() -> str:
    text = (ROOT / "liqstream" / "__init__.py").read_text()
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]


def _requirements() -> list[str]:
    server = ConfigParser()
    server.read(ROOT / "setup.cfg")
    lines = server["options"]["install_requires"].splitlines()
    return [line for line in lines if re.split(r"[<>=]", line)[0] in NEEDED]


setup(
    version=_version(),
    install_requires=_requirements(),
    packages=["liqstream_client"],
    package_dir={"liqstream_client": "../../liqstream/client"},
    package_data={"liqstream_client": ["py.typed"]},
)
