"""The page's files: small where they were built, kept for ever where their address says which."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from liqstream.page_files import PageFiles, web_root
from liqstream.pages import PageFacts, add_page_routes

SOURCE = b"// why\nexport const answer = 42;\n"
SMALL = b"export const answer=42;"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A page of one script, with the small copy that was built of it."""
    for path, body in (("js/a.js", SOURCE), ("built/js/a.js", SMALL), ("built/js/a.js.br", b"br")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)
    (tmp_path / "built/sources.json").write_text(json.dumps({"js/a.js": sha256(SOURCE).hexdigest()}))
    return tmp_path


def _read(root: Path) -> PageFiles:
    files = PageFiles()
    files.read(root)
    return files


def test_the_small_copy_is_served_in_place_of_its_source(root: Path) -> None:
    """Under the source's name, with the brotli that was made of it."""
    file = _read(root).by_name["js/a.js"]
    assert (file.body, file.content_type) == (SMALL, "text/javascript")
    assert file.compressed[0] == ("br", b"br")
    assert set(_read(root).by_name) == {"js/a.js"}


def test_an_edited_source_is_served_as_it_is_written(root: Path) -> None:
    """A copy built of something else would run yesterday's page."""
    (root / "js/a.js").write_bytes(SOURCE + b"// edited\n")
    file = _read(root).by_name["js/a.js"]
    assert file.body == SOURCE + b"// edited\n"
    assert all(coding != "br" for coding, _ in file.compressed)


@pytest.mark.parametrize("missing", ["built/sources.json", "built/js/a.js"])
def test_a_page_that_was_not_built_is_served_as_it_is_written(missing: str, root: Path) -> None:
    """A checkout runs without Node.js having been there."""
    (root / missing).unlink()
    assert _read(root).by_name["js/a.js"].body == SOURCE


def test_the_digest_changes_with_any_file(root: Path) -> None:
    """It names what an address is kept for ever for."""
    before = _read(root).digest
    assert _read(root).digest == before
    (root / "js/b.js").write_bytes(b"export {};")
    assert _read(root).digest != before


def test_every_module_of_the_page_has_a_small_copy_of_what_is_written() -> None:
    """`make setup` builds them: a page served as written is one the tests did not see."""
    files = _read(web_root()).by_name
    scripts = [name for name in files if name.startswith(("js/", "css/"))]
    large = [name for name in scripts if files[name].body == (web_root() / name).read_bytes()]
    assert (len(scripts) > 40, large) == (True, [])


async def test_only_an_address_with_the_digest_is_kept_for_ever(aiohttp_client: AiohttpClient) -> None:
    """The page names every file by it; by any other address a file is asked for again each time."""
    app = web.Application()
    add_page_routes(app, PageFacts(("BTCUSDT",), "5m", lambda: "simulated"), None)
    client = await aiohttp_client(app)
    async with client.get("/") as answer:
        page = await answer.text()
    (digest,) = {part.partition("/")[0] for part in page.split('"/static/')[1:]}
    script = "js/websocket-client.js"
    kept = {}
    for address in (f"{digest}/{script}", script, f"~{'0' * 12}/{script}"):
        async with client.get(f"/static/{address}") as answer:
            assert answer.status == 200
            kept[address] = answer.headers["Cache-Control"]
            body = await answer.read()
            assert (
                body == client.app[next(k for k in client.app if "page_files" in str(k))].by_name[script].body
            )
    assert list(kept.values()) == ["public, max-age=31536000, immutable", "no-cache", "no-cache"]
    async with client.get(f"/static/{digest}/js/none.js") as answer:
        assert answer.status == 404


async def test_a_browser_gets_brotli_and_others_gzip(aiohttp_client: AiohttpClient) -> None:
    """Made beforehand, both."""
    app = web.Application()
    add_page_routes(app, PageFacts(("BTCUSDT",), "5m", lambda: "simulated"), None)
    client = await aiohttp_client(app, auto_decompress=False)
    for accepted, coding in (("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("identity", None)):
        async with client.get("/static/js/app.js", headers={"Accept-Encoding": accepted}) as answer:
            assert answer.headers.get("Content-Encoding") == coding
            if coding == "gzip":
                assert b"import" in gzip.decompress(await answer.read())
