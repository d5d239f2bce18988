"""liqstream/http/docs_pages.py: the docs as a browser gets them from a running server."""

from __future__ import annotations

import re
from collections import deque
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import aiohttp
import pytest

from liqstream.http.docs_pages import Docs, anchor, docs_root, rendered

NAMES = {path.stem for path in docs_root().glob("*.md")}


class Found(HTMLParser):
    """Ids, links, pictures and style sheets of a page, and what could run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.runs: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")
            if name.startswith("on") or name == "style" or (value or "").startswith("javascript:"):
                self.runs.append(f"{tag} {name}")
        if tag in ("script", "style"):
            self.runs.append(tag)


async def test_every_page_is_served_and_every_link_leads_somewhere(demo_url: str) -> None:
    """From /docs/ on, through all links of this server to their headings; no page is left out."""
    waiting, seen, ids = deque([f"{demo_url.rstrip('/')}/docs/"]), set[str](), dict[str, set[str]]()
    headings: list[str] = []
    async with aiohttp.ClientSession() as session:
        while waiting:
            address = waiting.popleft()
            if address in seen:
                continue
            seen.add(address)
            async with session.get(address) as answer:
                assert answer.status == 200, address
                if "/docs/" not in address or answer.content_type != "text/html":
                    continue
                assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
                found = Found(await answer.text())
            assert found.runs == [], address
            ids[address] = found.ids
            links = [urljoin(address, link) for link in found.links]
            here = [link for link in links if link.startswith(demo_url.rstrip("/"))]
            headings += [link for link in here if "#" in link]
            waiting += [urldefrag(link).url for link in here if re.search(r"/(docs|static)/|\.json$", link)]
    assert {address.rpartition("/")[2] for address in ids} == NAMES | {""}
    assert [link for link in headings if urldefrag(link).fragment not in ids[urldefrag(link).url]] == []
    assert any(address.endswith("/docs/pictures/map.png") for address in seen)
    assert any(address.endswith("/openapi.json") for address in seen)


@pytest.mark.parametrize("path", ["/docs/nothing", "/docs/..%2fsetup.cfg", "/docs/pictures/none.png"])
async def test_what_there_is_not_is_a_404(path: str, demo_url: str) -> None:
    """Names are names: no path leaves the docs."""
    async with aiohttp.ClientSession(demo_url) as session, session.get(path) as answer:
        assert answer.status == 404


async def test_a_page_is_not_sent_twice(demo_url: str) -> None:
    """Its ETag stands for it; without the slash the address is moved."""
    async with aiohttp.ClientSession(demo_url) as session:
        async with session.get("/docs") as answer:
            assert answer.url.path == "/docs/"
            etag = answer.headers["ETag"]
        async with session.get("/docs/", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304


def test_html_in_a_page_is_text() -> None:
    """And a link that would run something is none."""
    page = rendered(
        "<!-- made -->\n# A `page`\n<script>x</script> [y](javascript:z)\n\n[a](model.md#b) [c](openapi.yaml)"
    )
    assert page.title == "A page"
    found = Found(page.html)
    assert (found.runs, found.links) == ([], ["model#b", "../openapi.json"])
    assert "&lt;script&gt;" in page.html
    assert "made" not in page.html


def test_headings_have_the_addresses_that_links_use() -> None:
    """As on GitHub, for the headings there are."""
    assert anchor("2. Traders") == "2-traders"
    assert anchor("`tick` (protocol 2)") == "tick-protocol-2"


def test_nothing_is_read_from_a_folder_without_docs(tmp_path: Path) -> None:
    """A server that was installed without them serves none, and starts."""
    docs = Docs()
    docs.read(tmp_path)
    assert docs.pages == {}
