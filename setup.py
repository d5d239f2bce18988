"""What setup.cfg cannot say: no package is built without its page, which is no part of the git tree."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist
from setuptools.errors import SetupError

MADE = ("web/vendor/lightweight-charts.mjs", "web/built/sources.json", "web/built/js/app.js")
"""What `web/build.mjs` makes, by one file of each kind."""
CURE = (
    "the page is not built, and the package would serve one without its chart: missing {missing}.\n"
    "With Node.js, run\n"
    "  npm ci --prefix web --omit=dev && npm run --prefix web build\n"
    "in a clone and install that (`pip install .`), or install a released wheel: pip install liqstream"
)


def _check_page() -> None:
    root = Path(__file__).parent
    missing = [name for name in MADE if not (root / name).is_file()]
    if missing:
        raise SetupError(CURE.format(missing=", ".join(missing)))


class BuildWithPage(build_py):
    """Into a wheel; an editable install looks into the tree, where the page may still be built."""

    def run(self) -> None:
        """Build, if the page is there."""
        if not self.editable_mode:
            _check_page()
        super().run()


class SdistWithPage(sdist):
    """Into an sdist, from which wheels are built without Node.js."""

    def run(self) -> None:
        """Pack, if the page is there."""
        _check_page()
        super().run()


setup(cmdclass={"build_py": BuildWithPage, "sdist": SdistWithPage})
