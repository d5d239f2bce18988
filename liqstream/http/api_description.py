"""/openapi.json and /asyncapi.json, and the check that a request has only parameters they name.

The two files of docs/ are the one place that lists parameters: what they do not name is refused, so that a
misspelt one is noticed instead of ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import yaml
from aiohttp import web

import liqstream
from liqstream.http.app_keys import SYMBOLS
from liqstream.http.responses import bad_request, cacheable

Description = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN_API_PATH = "/openapi.json"
_PREFIXES = ("/api/", "/liquidations/", "/prices/", "/ws/stats", OPEN_API_PATH, "/asyncapi.json")
"""Routes for programs. Pages, the socket and what supervisors ask take any parameter."""
_ALWAYS_TAKEN = "_"
"""What scripts add to get round caches."""

DESCRIPTIONS: web.AppKey[dict[str, Description]] = web.AppKey("api_descriptions")
"""By path."""


def query_names(description: Description, template: str) -> frozenset[str]:
    """The query parameters of a route's GET, by its template; none for one that is not described."""
    operation = description.get("paths", {}).get(template, {}).get("get", {})
    known = description.get("components", {}).get("parameters", {})
    given = (
        known.get(str(each["$ref"]).rpartition("/")[2], {}) if "$ref" in each else each
        for each in operation.get("parameters", ())
    )
    return frozenset(str(each["name"]) for each in given if each.get("in") == "query")


@web.middleware
async def known_parameters(request: web.Request, handler: Handler) -> web.StreamResponse:
    """400 for a parameter that the route does not have, naming those it has."""
    resource = request.match_info.route.resource
    if resource is not None and resource.canonical.startswith(_PREFIXES):
        known = query_names(request.app[DESCRIPTIONS][OPEN_API_PATH], resource.canonical)
        unknown = [name for name in request.query if name not in known and name != _ALWAYS_TAKEN]
        if unknown:
            has = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise bad_request(f"{_shown(unknown[0])} is no parameter of {resource.canonical}; {has}")
        repeated = [name for name in known if len(request.query.getall(name, ())) > 1]
        if repeated:
            raise bad_request(f"{repeated[0]} is given more than once")
    return await handler(request)


def _shown(name: str) -> str:
    """A client's text only where it cannot be anything but a name."""
    return name if name.isidentifier() and name.isascii() and len(name) <= 40 else "one of the names"


async def describe(request: web.Request) -> web.Response:
    """GET /openapi.json, /asyncapi.json: the files of docs/, with the symbols this server follows."""
    description = request.app[DESCRIPTIONS][request.path]
    if SYMBOLS in request.app and request.path == OPEN_API_PATH:
        description["components"]["schemas"]["symbol"]["enum"] = [*request.app[SYMBOLS]]
    return cacheable(request, orjson.dumps(description), content_type="application/json")


def docs_root() -> Path:
    """Where the files are: inside an installed package, beside the package in a checkout."""
    package = Path(liqstream.__file__).parent
    installed = package / "docs"
    return installed if installed.is_dir() else package.parent / "docs"


def read_descriptions() -> dict[str, Description]:
    """Both files, by the path they are served at; a tenth of a second, so not on the event loop."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    descriptions: dict[str, Description] = {
        f"/{name}.json": _with_plain_keys(yaml.load((docs_root() / f"{name}.yaml").read_text(), loader))  # noqa: S506
        for name in ("openapi", "asyncapi")
    }
    descriptions[OPEN_API_PATH]["servers"] = [{"url": "."}]
    return descriptions


def _with_plain_keys(node: Any) -> Any:
    """JSON has only text for keys; YAML reads a bare 200 as a number."""
    if isinstance(node, dict):
        return {str(key): _with_plain_keys(value) for key, value in node.items()}
    return [_with_plain_keys(value) for value in node] if isinstance(node, list) else node


async def _descriptions_ctx(app: web.Application) -> AsyncIterator[None]:
    app[DESCRIPTIONS] = await asyncio.to_thread(read_descriptions)
    yield


def add_description_routes(app: web.Application) -> None:
    """Serve both files; `known_parameters` needs them."""
    app.cleanup_ctx.append(_descriptions_ctx)
    for path in (OPEN_API_PATH, "/asyncapi.json"):
        app.router.add_get(path, describe)
