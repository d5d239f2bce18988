"""/docs/: the docs of this version, for who stands before its page: the Markdown of docs/ as HTML."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import aiohttp_jinja2
from aiohttp import web
from markdown_it import MarkdownIt
from markdown_it.token import Token

import liqstream
from liqstream.http.responses import cacheable, not_found
from liqstream.http.static_files import PageFiles

FIRST = "quickstart"
"""The page at /docs/."""
_ORDER = (
    *(FIRST, "dashboard", "websocket_api", "cookbook", "alerts", "assistants", "websocket_troubleshooting"),
    *("operations", "configuration", "cli", "metrics", "scale", "model", "scoring", "ARCHITECTURE"),
)
_NAME = re.compile(r"[A-Za-z_]{1,40}")
_PICTURE = re.compile(r"[a-z-]{1,40}\.png")
_COMMENT = re.compile(r"^<!--.*-->\n", re.MULTILINE)
"""A line for `make docs`, and for nobody who reads."""
_LINK = re.compile(r"(?P<name>[\w.-]+)\.(?P<kind>md|yaml)(?P<heading>#.*)?")

DOCS: web.AppKey[Docs] = web.AppKey("docs")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its first heading, and its body as HTML."""

    title: str
    html: str


class Docs:
    """The pages by name, and the pictures in them by file name; empty until read."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.pictures: dict[str, bytes] = {}

    def read(self, root: Path) -> None:
        """Read and render what is below `root`; some 100 ms, so not on the event loop."""
        rest = sorted(path.stem for path in root.glob("*.md") if path.stem not in _ORDER)
        for name in (*_ORDER, *rest):
            if (path := root / f"{name}.md").is_file():
                self.pages[name] = rendered(path.read_text())
        self.pictures = {path.name: path.read_bytes() for path in sorted((root / "pictures").glob("*.png"))}


def docs_root() -> Path:
    """Where the docs are: inside an installed package, beside the package in a checkout."""
    package = Path(liqstream.__file__).parent
    installed = package / "docs"
    return installed if installed.is_dir() else package.parent / "docs"


def rendered(text: str) -> Page:
    """A page of Markdown as HTML; what is HTML in it is shown as text, and no link leaves for a script."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(_COMMENT.sub("", text))
    title = ""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            text_of = "".join(child.content for child in following.children or ())
            token.attrSet("id", anchor(text_of))
            title = title or text_of
        for child in token.children or ():
            _lead_here(child)
    return Page(title, parser.renderer.render(tokens, parser.options, {}))


def anchor(heading: str) -> str:
    """The address of a heading within its page, as the links of the docs have it."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def _lead_here(token: Token) -> None:
    """Let a link to another file of the docs lead to where this server has it, relative to /docs/."""
    if token.type != "link_open":
        return
    found = _LINK.fullmatch(str(token.attrGet("href")))
    if found is not None and found["kind"] == "md":
        token.attrSet("href", found["name"] + (found["heading"] or ""))
    elif found is not None:
        token.attrSet("href", f"../{found['name']}.json")


def add_docs_routes(app: web.Application, files: PageFiles) -> None:
    """Serve the docs, read at the start; `files` are the page's, whose style they have."""
    app[DOCS] = Docs()

    async def read(app: web.Application) -> None:
        """In a thread, before the first request."""
        await asyncio.to_thread(app[DOCS].read, await asyncio.to_thread(docs_root))

    async def page(request: web.Request) -> web.Response:
        """GET /docs/NAME: one page; /docs/ is the first."""
        name, pages = request.match_info.get("name", FIRST), request.app[DOCS].pages
        if name not in pages:
            raise not_found(f"no such page; the docs begin at /docs/ and have {', '.join(pages)}")
        context = {
            "name": name,
            "page": pages[name],
            "pages": pages,
            "version": liqstream.__version__,
            "static": f"../static/~{files.digest}",
        }
        html = aiohttp_jinja2.render_string("docs.html", request, context)
        return cacheable(request, html.encode(), content_type="text/html", charset="utf-8")

    app.on_startup.append(read)
    app.router.add_get("/docs", _to_the_first)
    app.router.add_get("/docs/", page)
    app.router.add_get(f"/docs/{{name:{_NAME.pattern}}}", page)
    app.router.add_get(f"/docs/pictures/{{file:{_PICTURE.pattern}}}", _picture)


async def _to_the_first(_request: web.Request) -> web.Response:
    raise web.HTTPFound("docs/")


async def _picture(request: web.Request) -> web.Response:
    """GET /docs/pictures/FILE."""
    body = request.app[DOCS].pictures.get(request.match_info["file"])
    if body is None:
        raise not_found("no such picture")
    return cacheable(request, body, content_type="image/png", coding="identity")
