"""The dashboard, the page of markets, their files and /metrics; /health and /ready for supervisors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp_jinja2
import jinja2
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from aiohttp_prometheus_exporter.handler import metrics as metrics_handler
from yarl import URL

import liqstream
from liqstream.admission.http_guard import host_guard, request_watch
from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.admission.security_headers import security_headers
from liqstream.http.content_coding import accepted_coding
from liqstream.http.device_files import add_device_routes
from liqstream.http.docs_pages import add_docs_routes
from liqstream.http.json_errors import expect_in_json, json_errors
from liqstream.http.params import WINDOWS, column_interval
from liqstream.http.responses import cacheable, compress, not_found
from liqstream.http.static_files import PageFiles, read_templates, web_root
from liqstream.market.identity import followed_symbol
from liqstream.metrics import Metrics

_log = structlog.get_logger(__name__)

READINESS: web.AppKey[Callable[[], dict[str, Any]]] = web.AppKey("readiness")
"""Answers /ready; app.py knows all it takes."""
PAGE: web.AppKey[PageFacts] = web.AppKey("page")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page must know before its first request."""

    symbols: Sequence[str]
    interval: str
    source: Callable[[], str]
    chosen: bool = False
    """Whether the symbols are chosen by size while the server runs."""
    private: bool = False
    """Whether the data is only for those who show a token, which the page itself does not carry."""


_FILES: web.AppKey[PageFiles] = web.AppKey("page_files")
_BUILD = "npm ci --prefix web --omit=dev && npm run --prefix web build, in the checkout; or a released wheel"
_FIRST_WINDOW = "3d"
_MOST_CELLS = 9
_PARTS_OF_A_CELL = 2
_FOR_EVER = "public, max-age=31536000, immutable"
_OF_HOLDERS = frozenset({"address", "note", "last_refusal"})
"""Of a feed in /ready: a note may say what could not be read, where, and why."""


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
        raise not_found("no such file")
    bodies = dict(file.compressed)
    coding = accepted_coding(request.headers.get(hdrs.ACCEPT_ENCODING), tuple(bodies))
    body = bodies.get(coding, file.body)
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
    """The heatmap page; `?embed=1` is the map alone, for a frame.

    All addresses in it are relative, so that a proxy may serve it below a path of its own.
    """
    facts = request.app[PAGE]
    if meant := _meant(request.query, facts):
        raise web.HTTPFound(str(URL().with_query(request.query).update_query(meant)))
    context = {
        "symbols": facts.symbols,
        "chosen": facts.chosen,
        "interval": facts.interval,
        "source": facts.source(),
        "embed": request.query.get("embed") == "1",
        "version": liqstream.__version__,
        "static": f"static/~{request.app[_FILES].digest}",
        "bundled": request.app[_FILES].bundled,
        "history": first_history(request.query, facts),
    }
    response = aiohttp_jinja2.render_template("coinglass_heatmap.html", request, context)
    compress(request, response)
    return response


async def markets_page(request: web.Request) -> web.Response:
    """The table of all markets, whose rows open the dashboard; its addresses are relative too."""
    facts = request.app[PAGE]
    context = {
        "interval": facts.interval,
        "source": facts.source(),
        "version": liqstream.__version__,
        "static": f"static/~{request.app[_FILES].digest}",
    }
    response = aiohttp_jinja2.render_template("markets.html", request, context)
    compress(request, response)
    return response


def _meant(query: Mapping[str, str], facts: PageFacts) -> dict[str, str]:
    """The parameters that name followed markets in another form than their own, as the page reads them."""

    def symbol(name: str) -> str:
        return followed_symbol(name, facts.symbols) or name

    def cell(text: str) -> str:
        name, colon, window = text.rpartition(":")
        return symbol(name) + colon + window

    spelt = {
        "symbol": symbol(query.get("symbol", "")),
        "markets": ",".join(map(symbol, query.get("markets", "").split(","))),
        "cells": ",".join(map(cell, query.get("cells", "").split(","))),
    }
    return {name: text for name, text in spelt.items() if query.get(name, "").upper() != text.upper()}


def first_history(query: Mapping[str, str], facts: PageFacts) -> str | None:
    """The address of the history the page will ask for first (web/js/data/rest-client.js), so that the
    browser can ask while the scripts still load; None where only the page knows it."""
    symbol, window = query.get("symbol", ""), query.get("window", _FIRST_WINDOW)
    if cells := _cells(query.get("cells", "")):
        symbol, window = next((cell for cell in cells if cell[0] in facts.symbols), ("", ""))
    if facts.private or query.get("venues") or query.get("lev") or window not in WINDOWS:
        return None
    symbol = symbol if symbol in facts.symbols else facts.symbols[0]
    interval = column_interval(window, facts.interval)
    return f"api/heatmap/{symbol}/history?window={window}&interval={interval}&packed=1"


def _cells(text: str) -> list[tuple[str, str]]:
    """The maps of a layout, as web/js/state/cells.js reads them: market and window of each, once."""
    named = (cell.split(":") for cell in text.split(","))
    cells = [(cell[0].upper(), cell[1].lower()) for cell in named if len(cell) == _PARTS_OF_A_CELL]
    return list(dict.fromkeys(cell for cell in cells if cell[1] in WINDOWS))[:_MOST_CELLS]


async def health(_request: web.Request) -> web.Response:
    """Alive: the event loop answers."""
    return web.json_response({"status": "ok", "version": liqstream.__version__})


async def ready(request: web.Request) -> web.Response:
    """Ready or degraded: 200, else 503. A private server tells strangers no addresses and no errors."""
    state = request.app[READINESS]()
    if request.app[PAGE].private and not request.app[ADMISSION].has_token(request):
        state = _without_addresses(state)
    return web.json_response(state, status=200 if state["status"] in ("ready", "degraded") else 503)


def _without_addresses(state: dict[str, Any]) -> dict[str, Any]:
    """What /ready tells strangers: neither where anything is nor what it answered."""
    feeds = {
        name: {key: value for key, value in feed.items() if key not in _OF_HOLDERS} | {"last_error": ""}
        for name, feed in state["feeds"].items()
    }
    tasks = {name: task | {"last_error": ""} for name, task in state.get("tasks", {}).items()}
    positions = {key: value for key, value in state.get("positions", {}).items() if key != "reason"}
    return {
        **{key: value for key, value in state.items() if key not in ("server", "leader")},
        "feeds": feeds,
        **({"tasks": tasks} if tasks else {}),
        **({"positions": positions} if positions else {}),
    }


def add_page_routes(app: web.Application, facts: PageFacts, metrics: Metrics | None) -> None:
    """Serve the dashboard, its files, the docs, /health, /ready and, given metrics, /metrics."""
    app[PAGE] = facts
    app[_FILES] = PageFiles()
    templates: dict[str, str] = {}
    aiohttp_jinja2.setup(app, loader=jinja2.DictLoader(templates), autoescape=True)

    async def read_files(app: web.Application) -> None:
        """Read files and templates in a thread, before the first request."""
        root = await asyncio.to_thread(web_root)
        await asyncio.to_thread(app[_FILES].read, root)
        if app[_FILES].missing:
            _log.warning("page_not_built", missing=app[_FILES].missing, folder=str(root), cure=_BUILD)
        templates.update(await asyncio.to_thread(read_templates, root))

    app.on_startup.append(read_files)
    app.router.add_get("/", dashboard, name="dashboard")
    app.router.add_get("/coinglass", dashboard)
    app.router.add_get("/markets", markets_page)
    app.router.add_get("/static/{path:.+}", static)
    add_docs_routes(app, app[_FILES])
    add_device_routes(app, app[_FILES])
    app.router.add_get("/health", health)
    app.router.add_get("/ready", ready)
    if metrics is not None:
        app.router.add_get("/metrics", _scrape_of(metrics))


def _scrape_of(metrics: Metrics) -> Callable[[web.Request], Awaitable[web.Response]]:
    answer = metrics_handler(metrics.registry)

    async def scrape(request: web.Request) -> web.Response:
        """GET /metrics: the counts of now, after what must be read from disk."""
        for read in metrics.before_scrape:
            await asyncio.to_thread(read)
        response: web.Response = await answer(request)
        return response

    return scrape


def health_app(app: web.Application, metrics: Metrics) -> web.Application:
    """/health, /ready and /metrics of `app` for a Unix socket: whoever may open it may know."""
    report = app[READINESS]

    async def ready_here(_request: web.Request) -> web.Response:
        """/ready with all addresses and errors."""
        state = report()
        return web.json_response(state, status=200 if state["status"] in ("ready", "degraded") else 503)

    made = _side_app(app[ADMISSION])
    made.router.add_get("/health", health)
    made.router.add_get("/ready", ready_here)
    made.router.add_get("/metrics", _scrape_of(metrics))
    expect_in_json(made)
    return made


def metrics_app(metrics: Metrics, admission: AdmissionPolicy) -> web.Application:
    """/metrics alone, for an address that only the operator reaches; it has the same names as the page."""
    app = _side_app(admission, host_guard)
    app.router.add_get("/metrics", _scrape_of(metrics))
    app.router.add_get("/health", health)
    expect_in_json(app)
    return app


def _side_app(admission: AdmissionPolicy, *guards: Middleware) -> web.Application:
    """An application for a port of the operator's: no rates, and the errors and headers of the public one."""
    app = web.Application(middlewares=[request_watch, json_errors, *guards])
    app[ADMISSION] = admission
    app.on_response_prepare.append(security_headers(()))
    return app
