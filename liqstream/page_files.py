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


class PageFiles:
    """The files by their URL path below /static, e.g. "js/websocket-client.js"; empty until read."""

    def __init__(self) -> None:
        self.by_name: dict[str, StaticFile] = {}
        self.digest = ""
        """Changes when any of the files does."""

    def read(self, root: Path) -> None:
        """Read, compress and digest what is below `root`; some 50 ms, so not on the event loop."""
        built = _built_from(root)
        paths = (path for folder in FOLDERS for path in sorted((root / folder).rglob("*")))
        for path in paths:
            if path.is_file() and path.suffix not in _SIBLINGS:
                name = path.relative_to(root).as_posix()
                self.by_name[name] = _read(_newest(path, root / "built" / name, built.get(name)))
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


def _built_from(root: Path) -> dict[str, str]:
    """The SHA-256 each small copy's source had; empty where nothing was built."""
    made = root / "built" / "sources.json"
    sources: dict[str, str] = json.loads(made.read_text()) if made.is_file() else {}
    return sources


def _newest(source: Path, small: Path, built_from: str | None) -> Path:
    """The small copy, unless its source was edited since: then what is written is what is served."""
    if built_from is None or not small.is_file():
        return source
    return small if sha256(source.read_bytes()).hexdigest() == built_from else source


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
