"""The dashboard and its files, and the two questions a supervisor asks: alive? ready?"""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import hdrs, web
from aiohttp_prometheus_exporter.handler import metrics as metrics_handler
from prometheus_client import CollectorRegistry

import liqstream
from liqstream.answers import cacheable

READINESS: web.AppKey[Callable[[], dict[str, Any]]] = web.AppKey("readiness")
"""Answers /ready; app.py knows all it takes."""
PAGE: web.AppKey[PageFacts] = web.AppKey("page")

STATIC_FOLDERS = ("js", "css", "vendor", "icons")
_SIBLINGS = (".br", ".gz", ".mts")
"""Made by web/vendor.mjs beside a file, for the server and for the type checker: not files of the page."""
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page must know before its first request."""

    symbols: tuple[str, ...]
    interval: str
    source: Callable[[], str]


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page, held in memory: it is served by name, never by path."""

    body: bytes
    content_type: str
    charset: str | None
    etag: str
    compressed: tuple[tuple[str, bytes], ...]
    """(content coding, body), smallest first."""


_FILES: web.AppKey[dict[str, StaticFile]] = web.AppKey("page_files")


def web_root() -> Path:
    """Where the page's files are: inside an installed package, beside the package in a checkout."""
    package = Path(liqstream.__file__).parent
    installed = package / "web"
    return installed if installed.is_dir() else package.parent / "web"


def read_static_files(root: Path) -> dict[str, StaticFile]:
    """Every file of the page by its URL path below /static, e.g. "js/websocket-client.js"."""
    files = {}
    for folder in STATIC_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix not in _SIBLINGS:
                body = path.read_bytes()
                kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
                etag = blake2b(body, digest_size=8).hexdigest()
                charset = "utf-8" if kind and (kind.startswith("text/") or "svg" in kind) else None
                files[path.relative_to(root).as_posix()] = StaticFile(
                    body, kind or "application/octet-stream", charset, etag, _compressed(path, body)
                )
    return files


def _compressed(path: Path, body: bytes) -> tuple[tuple[str, bytes], ...]:
    """Compressed once, here: the library is 200 kB, and zlib would take 10 ms of the event loop a request."""
    brotli = path.with_name(f"{path.name}.br")
    made = ((("br", brotli.read_bytes()),) if brotli.is_file() else (), (("gzip", gzip.compress(body, 9)),))
    return tuple(coded for codings in made for coded in codings if len(coded[1]) < len(body))


def read_templates(root: Path) -> dict[str, str]:
    """Every template by its file name."""
    return {path.name: path.read_text() for path in sorted((root / "templates").glob("*.html"))}


async def static(request: web.Request) -> web.Response:
    """GET /static/...: one of the page's files, by name."""
    file = request.app[_FILES].get(request.match_info["path"])
    if file is None:
        raise web.HTTPNotFound(text="no such file")
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
    coding, body = next((coded for coded in file.compressed if coded[0] in accepted), ("", file.body))
    # no-cache: the page of a restarted server must never run with the scripts of the one before.
    return cacheable(
        request, body, content_type=file.content_type, etag=file.etag, charset=file.charset, coding=coding
    )


@aiohttp_jinja2.template("coinglass_heatmap.html")
async def dashboard(request: web.Request) -> dict[str, Any]:
    """The heatmap page; `?embed=1` is the map alone, for a frame."""
    facts = request.app[PAGE]
    return {
        "symbols": facts.symbols,
        "interval": facts.interval,
        "source": facts.source(),
        "embed": request.query.get("embed") == "1",
        "version": liqstream.__version__,
    }


async def health(_request: web.Request) -> web.Response:
    """Alive: the event loop answers."""
    return web.json_response({"status": "ok", "version": liqstream.__version__})


async def ready(request: web.Request) -> web.Response:
    """Ready or degraded: 200; starting or stopping: 503."""
    state = request.app[READINESS]()
    return web.json_response(state, status=503 if state["status"] in ("starting", "stopping") else 200)


def add_page_routes(app: web.Application, facts: PageFacts, registry: CollectorRegistry | None) -> None:
    """Serve the dashboard, its files (read at the start), /health, /ready and, given a registry, /metrics."""
    app[PAGE] = facts
    app[_FILES] = {}
    templates: dict[str, str] = {}
    aiohttp_jinja2.setup(app, loader=jinja2.DictLoader(templates), autoescape=True)

    async def read_files(app: web.Application) -> None:
        root = await asyncio.to_thread(web_root)
        app[_FILES].update(await asyncio.to_thread(read_static_files, root))
        templates.update(await asyncio.to_thread(read_templates, root))

    app.on_startup.append(read_files)
    app.router.add_get("/", dashboard, name="dashboard")
    app.router.add_get("/coinglass", dashboard)
    app.router.add_get("/static/{path:.+}", static)
    app.router.add_get("/health", health)
    app.router.add_get("/ready", ready)
    if registry is not None:
        app.router.add_get("/metrics", metrics_handler(registry))


def metrics_app(registry: CollectorRegistry) -> web.Application:
    """/metrics alone, for an address that only the operator reaches."""
    app = web.Application()
    app.router.add_get("/metrics", metrics_handler(registry))
    app.router.add_get("/health", health)
    return app
