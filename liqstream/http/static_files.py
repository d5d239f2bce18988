"""The files of the page, read once at the start: as written, or as `web/build.mjs` made them smaller."""

from __future__ import annotations

import gzip
import json
import mimetypes
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path

import liqstream

FOLDERS = ("js", "css", "vendor", "icons")
MADE = ("vendor/lightweight-charts.mjs", "built/sources.json")
"""One file of each kind that web/build.mjs makes; a checkout has none of them."""
_SIBLINGS = (".br", ".mts")
"""Made by web/build.mjs beside a file, for the server and for the type checker: not files of the page."""
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page, held in memory: it is served by name, never by path."""

    body: bytes
    content_type: str
    charset: str | None
    etag: str
    compressed: tuple[tuple[str, bytes], ...]
    """(content coding, body), smallest first."""


@dataclass(frozen=True, slots=True)
class _Built:
    """What web/build.mjs made below `folder`, as far as it was made of what is written now."""

    folder: Path
    fresh: frozenset[str]
    """Names of files whose source was not edited since."""
    bundles: frozenset[str]
    """Names under which bundles of several sources lie in the place of a small copy."""
    bundled: bool
    """Whether the bundles are served: all of them or none, as they import each other."""
    standalone: frozenset[str]
    """Names of files for others, which have no source of that name."""

    @classmethod
    def of(cls, root: Path) -> _Built:
        folder = root / "built"
        index = folder / "sources.json"
        made = json.loads(index.read_text()) if index.is_file() else {"sources": {}, "bundles": {}}
        sources: dict[str, str] = made["sources"]
        bundles: dict[str, list[str]] = made["bundles"]
        fresh = {
            name
            for name, digest in sources.items()
            if (root / name).is_file() and sha256((root / name).read_bytes()).hexdigest() == digest
        }
        whole = all(fresh.issuperset(parts) and (folder / name).is_file() for name, parts in bundles.items())
        alone = frozenset(name for name in made.get("standalone", ()) if (folder / name).is_file())
        return cls(folder, frozenset(fresh), frozenset(bundles), bool(bundles) and whole, alone)

    def newest(self, source: Path, name: str) -> Path:
        """The small copy or bundle, unless a source of it was edited since: then what is written."""
        usable = self.bundled if name in self.bundles else name in self.fresh
        small = self.folder / name
        return small if usable and small.is_file() else source


class PageFiles:
    """The files by their URL path below /static, e.g. "js/websocket-client.js"; empty until read."""

    def __init__(self) -> None:
        self.by_name: dict[str, StaticFile] = {}
        self.digest = ""
        """Changes when any of the files does."""
        self.bundled = False
        """Whether the page's bundles (js/app.js first) hold the modules they import."""
        self.missing: tuple[str, ...] = ()
        """What web/build.mjs makes and is not there: the chart library, or the small copies and bundles."""

    def read(self, root: Path) -> None:
        """Read, compress and digest what is below `root`; some 50 ms, so not on the event loop."""
        built = _Built.of(root)
        self.bundled = built.bundled
        self.missing = tuple(name for name in MADE if not (root / name).is_file())
        paths = (path for folder in FOLDERS for path in sorted((root / folder).rglob("*")))
        for path in paths:
            if path.is_file() and path.suffix not in _SIBLINGS:
                name = path.relative_to(root).as_posix()
                self.by_name[name] = _read(built.newest(path, name))
        for name in sorted(built.standalone):
            self.by_name[name] = _read(built.folder / name)
        etags = "\n".join(f"{name} {file.etag}" for name, file in self.by_name.items())
        self.digest = blake2b(etags.encode(), digest_size=6).hexdigest()


def web_root() -> Path:
    """Where the page's files are: inside an installed package, beside the package in a checkout."""
    package = Path(liqstream.__file__).parent
    installed = package / "web"
    return installed if installed.is_dir() else package.parent / "web"


def read_templates(root: Path) -> dict[str, str]:
    """Every template by its file name."""
    return {path.name: path.read_text() for path in sorted((root / "templates").glob("*.html"))}


def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    etag = blake2b(body, digest_size=8).hexdigest()
    charset = "utf-8" if kind and (kind.startswith("text/") or "svg" in kind) else None
    return StaticFile(body, kind or "application/octet-stream", charset, etag, _compressed(path, body))


def _compressed(path: Path, body: bytes) -> tuple[tuple[str, bytes], ...]:
    """Compressed once, here: the library is 165 kB, and zlib would take 10 ms of the event loop a request."""
    brotli = path.with_name(f"{path.name}.br")
    made = ((("br", brotli.read_bytes()),) if brotli.is_file() else (), (("gzip", gzip.compress(body, 9)),))
    return tuple(coded for codings in made for coded in codings if len(coded[1]) < len(body))
