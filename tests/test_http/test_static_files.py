"""The page's files: small where they were built, kept for ever where their address says which."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient
from structlog.testing import capture_logs

from liqstream.http.pages import PageFacts, add_page_routes
from liqstream.http.static_files import PageFiles, web_root

SOURCE = b"// why\nexport const answer = 42;\n"
SMALL = b"export const answer=42;"
BUNDLE = b"const answer=42;export{answer as a};"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A page of one script, with the small copy that was built of it."""
    for path, body in (("js/a.js", SOURCE), ("built/js/a.js", SMALL), ("built/js/a.js.br", b"br")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)
    _index(tmp_path, {"js/a.js": SOURCE}, {})
    return tmp_path


def _index(root: Path, sources: dict[str, bytes], bundles: dict[str, list[str]]) -> None:
    digests = {name: sha256(body).hexdigest() for name, body in sources.items()}
    (root / "built/sources.json").write_text(json.dumps({"sources": digests, "bundles": bundles}))


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """A page of two scripts, one of them a bundle of both."""
    for path, body in (
        ("js/a.js", SOURCE),
        ("js/b.js", SOURCE),
        ("built/js/a.js", BUNDLE),
        ("built/js/b.js", SMALL),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)
    _index(tmp_path, {"js/a.js": SOURCE, "js/b.js": SOURCE}, {"js/a.js": ["js/b.js", "js/a.js"]})
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


def test_a_bundle_is_served_in_place_of_its_first_source(bundled: Path) -> None:
    """What it holds is still there under its own name, for pages of others that import it."""
    files = _read(bundled)
    assert files.bundled
    assert files.by_name["js/a.js"].body == BUNDLE
    assert files.by_name["js/b.js"].body == SMALL


@pytest.mark.parametrize("edited", ["js/a.js", "js/b.js"])
def test_no_bundle_is_served_once_any_of_its_sources_was_edited(edited: str, bundled: Path) -> None:
    """Else the page would run yesterday's module inside it."""
    (bundled / edited).write_bytes(SOURCE + b"// edited\n")
    files = _read(bundled)
    assert not files.bundled
    assert files.by_name["js/a.js"].body == (SOURCE + b"// edited\n" if edited == "js/a.js" else SOURCE)


def test_bundles_that_import_each_other_are_served_together_or_not_at_all(bundled: Path) -> None:
    """The second takes modules from the first."""
    (bundled / "js/c.js").write_bytes(SOURCE)
    _index(
        bundled,
        {"js/a.js": SOURCE, "js/b.js": SOURCE, "js/c.js": b"other"},
        {"js/a.js": ["js/a.js", "js/b.js"], "js/c.js": ["js/c.js"]},
    )
    files = _read(bundled)
    assert not files.bundled
    assert files.by_name["js/a.js"].body == SOURCE


def test_the_digest_changes_with_any_file(root: Path) -> None:
    """It names what an address is kept for ever for."""
    before = _read(root).digest
    assert _read(root).digest == before
    (root / "js/b.js").write_bytes(b"export {};")
    assert _read(root).digest != before


def test_every_module_of_the_page_has_a_small_copy_of_what_is_written() -> None:
    """`make setup` builds them: a page served as written is one the tests did not see."""
    files = _read(web_root()).by_name
    scripts = [name for name in files if name.startswith(("js/", "css/")) and (web_root() / name).exists()]
    large = [name for name in scripts if files[name].body == (web_root() / name).read_bytes()]
    assert (len(scripts) > 40, large) == (True, [])


async def test_the_head_names_the_modules_only_where_they_are_files(aiohttp_client: AiohttpClient) -> None:
    """A bundle holds them: asking for each as well would be thirty requests for nothing."""
    app = web.Application()
    add_page_routes(app, PageFacts(("BTCUSDT",), "5m", lambda: "simulated"), None)
    client = await aiohttp_client(app)
    files = client.app[next(k for k in client.app if "page_files" in str(k))]
    assert files.bundled
    for bundled, preloaded in ((True, 0), (False, 30)):
        files.bundled = bundled
        async with client.get("/") as answer:
            assert ((await answer.text()).count("modulepreload") >= preloaded) is True
        async with client.get("/") as answer:
            assert ("modulepreload" in await answer.text()) is not bundled


async def test_only_an_address_with_the_digest_is_kept_for_ever(aiohttp_client: AiohttpClient) -> None:
    """The page names every file by it; by any other address a file is asked for again each time."""
    app = web.Application()
    add_page_routes(app, PageFacts(("BTCUSDT",), "5m", lambda: "simulated"), None)
    client = await aiohttp_client(app)
    async with client.get("/") as answer:
        page = await answer.text()
    (digest,) = {part.partition("/")[0] for part in page.split('"static/')[1:]}
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


@pytest.mark.parametrize("lost", ["", "vendor/lightweight-charts.mjs", "built/sources.json"])
async def test_a_page_that_was_not_built_is_logged_at_the_start(
    aiohttp_client: AiohttpClient, root: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Which part is missing, and how it is made; a whole page is no line of the log."""
    library = root / "vendor/lightweight-charts.mjs"
    library.parent.mkdir()
    library.write_text("export {};")
    if lost:
        (root / lost).unlink()
    monkeypatch.setattr("liqstream.http.pages.web_root", lambda: root)
    app = web.Application()
    add_page_routes(app, PageFacts(("BTCUSDT",), "5m", lambda: "simulated"), None)
    with capture_logs() as lines:
        await aiohttp_client(app)
    told = [
        (line["missing"], "npm run" in line["cure"]) for line in lines if line["event"] == "page_not_built"
    ]
    assert told == ([((lost,), True)] if lost else [])
