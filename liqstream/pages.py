"""The dashboard and its files, and the two questions a supervisor asks: alive? ready?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import hdrs, web
from aiohttp_prometheus_exporter.handler import metrics as metrics_handler
from prometheus_client import CollectorRegistry

import liqstream
from liqstream.answers import cacheable
from liqstream.page_files import PageFiles, read_templates, web_root
from liqstream.questions import WINDOWS
from liqstream.symbols import interval_ms

READINESS: web.AppKey[Callable[[], dict[str, Any]]] = web.AppKey("readiness")
"""Answers /ready; app.py knows all it takes."""
PAGE: web.AppKey[PageFacts] = web.AppKey("page")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page must know before its first request."""

    symbols: tuple[str, ...]
    interval: str
    source: Callable[[], str]
    private: bool = False
    """Whether the data is only for those who show a token, which the page itself does not carry."""


_FILES: web.AppKey[PageFiles] = web.AppKey("page_files")
_FIRST_WINDOW = "3d"
_FOR_EVER = "public, max-age=31536000, immutable"


async def static(request: web.Request) -> web.Response:
    """GET /static/...: one of the page's files, by name.

    The page asks for `/static/~DIGEST/...`, where the digest is of all the files: what is got by that
    address never changes and is kept for ever. Any other address is asked for again each time, so that the
    page of a restarted server never runs with the scripts of the one before.
    """
    path = request.match_info["path"]
    digest, _, name = path.partition("/") if path.startswith("~") else ("", "", path)
    files = request.app[_FILES]
    file = files.by_name.get(name)
    if file is None:
        raise web.HTTPNotFound(text="no such file")
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
    coding, body = next((coded for coded in file.compressed if coded[0] in accepted), ("", file.body))
    kept = _FOR_EVER if digest == f"~{files.digest}" else "no-cache"
    return cacheable(
        request,
        body,
        content_type=file.content_type,
        etag=file.etag,
        charset=file.charset,
        coding=coding,
        cache_control=kept,
    )


async def dashboard(request: web.Request) -> web.Response:
    """The heatmap page; `?embed=1` is the map alone, for a frame."""
    facts = request.app[PAGE]
    told = {
        "symbols": facts.symbols,
        "interval": facts.interval,
        "source": facts.source(),
        "embed": request.query.get("embed") == "1",
        "version": liqstream.__version__,
        "static": f"/static/~{request.app[_FILES].digest}",
        "history": first_history(request.query, facts),
    }
    response = aiohttp_jinja2.render_template("coinglass_heatmap.html", request, told)
    response.enable_compression()
    return response


def first_history(query: Mapping[str, str], facts: PageFacts) -> str | None:
    """The address of the history the page will ask for first (web/js/data/rest.js), so that the browser can
    ask while the scripts still load; None where only the page knows it."""
    window = query.get("window", _FIRST_WINDOW)
    if facts.private or query.get("venues") or window not in WINDOWS:
        return None
    symbol = query.get("symbol", "")
    symbol = symbol if symbol in facts.symbols else facts.symbols[0]
    interval = max(WINDOWS[window][1], facts.interval, key=interval_ms)
    return f"/api/heatmap/{symbol}/history?window={window}&interval={interval}"


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
    app[_FILES] = PageFiles()
    templates: dict[str, str] = {}
    aiohttp_jinja2.setup(app, loader=jinja2.DictLoader(templates), autoescape=True)

    async def read_files(app: web.Application) -> None:
        root = await asyncio.to_thread(web_root)
        await asyncio.to_thread(app[_FILES].read, root)
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
